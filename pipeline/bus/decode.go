package bus

import (
	"fmt"
	"time"

	"github.com/valyala/fastjson"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// decoder reads the signals and folds that this package has written, several times as fast as encoding/json: a storm is all of
// decoding. It is for one goroutine.
type decoder struct {
	parser fastjson.Parser
	known  map[string]string // what comes again and again is kept once
}

const (
	knownMost   = 50_000
	knownLength = 128
)

// Signal as encoding/json would read it.
func (d *decoder) signal(data []byte) (incident.Signal, error) {
	v, err := d.parser.ParseBytes(data)
	if err != nil {
		return incident.Signal{}, fmt.Errorf("read a signal: %w", err)
	}
	return d.signalOf(v)
}

// fold likewise.
func (d *decoder) fold(data []byte) (f incident.Fold, err error) {
	v, err := d.parser.ParseBytes(data)
	if err != nil {
		return f, fmt.Errorf("read a fold: %w", err)
	}
	o, err := v.Object()
	if err != nil {
		return f, fmt.Errorf("read a fold: %w", err)
	}
	f.Partition = o.Get("partition").GetInt()
	if f.Seen, err = instant(o.Get("seen")); err != nil {
		return f, fmt.Errorf("read a fold: %w", err)
	}
	list := o.Get("signals").GetArray()
	if len(list) > 0 {
		f.Signals = make([]incident.Signal, len(list))
	}
	for i, v := range list {
		if f.Signals[i], err = d.signalOf(v); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (d *decoder) signalOf(v *fastjson.Value) (s incident.Signal, err error) {
	o, err := v.Object()
	if err != nil {
		return s, fmt.Errorf("read a signal: %w", err)
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "id":
			s.ID = string(v.GetStringBytes())
		case "source":
			s.Source = d.text(v)
		case "name":
			s.Name = d.text(v)
		case "status":
			s.Status = incident.Status(d.text(v))
		case "severity":
			s.Severity = d.text(v)
		case "fingerprint":
			s.Fingerprint = string(v.GetStringBytes())
		case "subject":
			s.Subject = d.resource(v)
		case "container":
			s.Container = d.text(v)
		case "labels":
			s.Labels = d.texts(v)
		case "annotations":
			s.Annotations = d.texts(v)
		case "generatorURL":
			s.GeneratorURL = d.text(v)
		case "startsAt":
			s.StartsAt, err = instantOr(err, v)
		case "endsAt":
			s.EndsAt, err = instantOr(err, v)
		case "acceptedAt":
			s.AcceptedAt, err = instantOr(err, v)
		}
	})
	if err != nil {
		return s, fmt.Errorf("read signal %s: %w", s.ID, err)
	}
	return s, nil
}

func (d *decoder) resource(v *fastjson.Value) (r incident.Resource) {
	o, err := v.Object()
	if err != nil {
		return r
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "cluster":
			r.Cluster = d.text(v)
		case "group":
			r.Group = d.text(v)
		case "version":
			r.Version = d.text(v)
		case "kind":
			r.Kind = d.text(v)
		case "namespace":
			r.Namespace = d.text(v)
		case "name":
			r.Name = d.text(v)
		}
	})
	return r
}

func (d *decoder) texts(v *fastjson.Value) map[string]string {
	o, err := v.Object()
	if err != nil {
		return nil
	}
	m := make(map[string]string, o.Len())
	o.Visit(func(key []byte, v *fastjson.Value) { m[d.keep(key)] = d.text(v) })
	return m
}

func (d *decoder) text(v *fastjson.Value) string { return d.keep(v.GetStringBytes()) }

func (d *decoder) keep(b []byte) string {
	if len(b) > knownLength {
		return string(b)
	}
	if s, ok := d.known[string(b)]; ok {
		return s
	}
	if d.known == nil || len(d.known) >= knownMost {
		d.known = map[string]string{}
	}
	s := string(b)
	d.known[s] = s
	return s
}

func instantOr(err error, v *fastjson.Value) (time.Time, error) {
	if err != nil {
		return time.Time{}, err
	}
	return instant(v)
}

// instant is zero where there is none.
func instant(v *fastjson.Value) (t time.Time, err error) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return t, nil
	}
	err = t.UnmarshalText(v.GetStringBytes())
	return t, err
}
