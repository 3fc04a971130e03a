package bus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// decoder reads the signals and folds that this package has written, many times as fast as encoding/json: a storm is all of
// decoding. What is written in another way is left to encoding/json. It is for one goroutine.
type decoder struct {
	lean  bool // annotations and the URL are left out
	b     []byte
	at    int
	known [2048]string // what comes again and again is kept once
	when  [4]moment
}

// moment is a time that was read.
type moment struct {
	text string
	at   time.Time
}

const knownLength = 64

var begins = []byte(`{"id":"`) // a signal, where it is not in a text

// signals of one message, and each as it is written.
func (d *decoder) signals(data []byte) (list []incident.Signal, raw [][]byte, err error) {
	d.b, d.at = data, 0
	n := bytes.Count(data, begins)
	list, raw = make([]incident.Signal, 0, n), make([][]byte, 0, n)
	if ok := d.list('[', ']', func() bool {
		list = append(list, incident.Signal{})
		from := d.at
		ok := d.signal(&list[len(list)-1])
		raw = append(raw, data[from:d.at:d.at])
		return ok
	}); ok && d.at == len(data) {
		return list, raw, nil
	}
	var parts []json.RawMessage
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		parts = []json.RawMessage{data} // of a version that sent each alone
	} else if err := json.Unmarshal(data, &parts); err != nil {
		return nil, nil, fmt.Errorf("read signals: %w", err)
	}
	list, raw = make([]incident.Signal, len(parts)), make([][]byte, len(parts))
	for i, p := range parts {
		raw[i] = p
		if err := json.Unmarshal(p, &list[i]); err != nil {
			return nil, nil, fmt.Errorf("read a signal: %w", err)
		}
	}
	return list, raw, nil
}

// fold as encoding/json would read it.
func (d *decoder) fold(data []byte) (f incident.Fold, err error) {
	d.b, d.at = data, 0
	if d.quickFold(&f) && d.at == len(data) {
		return f, nil
	}
	f = incident.Fold{}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("read a fold: %w", err)
	}
	return f, nil
}

func (d *decoder) quickFold(f *incident.Fold) bool {
	return d.object(func(key []byte) (ok bool) {
		switch string(key) {
		case "partition":
			f.Partition, ok = d.number()
		case "seen":
			f.Seen, ok = d.time()
		case "signals":
			ok = f.Signals == nil && d.list('[', ']', func() bool {
				if f.Signals == nil {
					f.Signals = make([]incident.Signal, 0, bytes.Count(d.b, begins))
				}
				f.Signals = append(f.Signals, incident.Signal{})
				return d.signal(&f.Signals[len(f.Signals)-1])
			})
		}
		return ok
	})
}

func (d *decoder) signal(s *incident.Signal) bool {
	return d.object(func(key []byte) (ok bool) {
		switch string(key) {
		case "id":
			s.ID, ok = d.unique()
		case "source":
			s.Source, ok = d.text()
		case "name":
			s.Name, ok = d.text()
		case "status":
			var text string
			text, ok = d.text()
			s.Status = incident.Status(text)
		case "severity":
			s.Severity, ok = d.text()
		case "fingerprint":
			s.Fingerprint, ok = d.unique()
		case "subject":
			ok = s.Subject == (incident.Resource{}) && d.resource(&s.Subject)
		case "container":
			s.Container, ok = d.text()
		case "labels":
			ok = d.texts(&s.Labels, false)
		case "annotations":
			ok = d.texts(&s.Annotations, d.lean)
		case "generatorURL":
			if s.GeneratorURL, ok = d.unique(); d.lean {
				s.GeneratorURL = ""
			}
		case "startsAt":
			s.StartsAt, ok = d.time()
		case "endsAt":
			s.EndsAt, ok = d.time()
		case "acceptedAt":
			s.AcceptedAt, ok = d.time()
		}
		return ok
	})
}

func (d *decoder) resource(r *incident.Resource) bool {
	return d.object(func(key []byte) (ok bool) {
		switch string(key) {
		case "cluster":
			r.Cluster, ok = d.text()
		case "group":
			r.Group, ok = d.text()
		case "version":
			r.Version, ok = d.text()
		case "kind":
			r.Kind, ok = d.text()
		case "namespace":
			r.Namespace, ok = d.text()
		case "name":
			r.Name, ok = d.text()
		}
		return ok
	})
}

func (d *decoder) texts(m *map[string]string, skip bool) bool {
	if *m != nil {
		return false
	}
	if skip {
		return d.object(func([]byte) bool { _, ok := d.string(); return ok })
	}
	out := make(map[string]string, 8)
	*m = out
	return d.object(func(key []byte) bool {
		name := d.keep(key)
		v, ok := d.text()
		out[name] = v
		return ok
	})
}

// next takes a character.
func (d *decoder) next(c byte) bool {
	if d.at < len(d.b) && d.b[d.at] == c {
		d.at++
		return true
	}
	return false
}

func (d *decoder) object(member func(key []byte) bool) bool {
	return d.list('{', '}', func() bool {
		key, ok := d.string()
		return ok && d.next(':') && member(key)
	})
}

func (d *decoder) list(from, to byte, item func() bool) bool {
	if !d.next(from) {
		return false
	}
	if d.next(to) {
		return true
	}
	for item() {
		if d.next(to) {
			return true
		}
		if !d.next(',') {
			return false
		}
	}
	return false
}

// string is good until the message is let go.
func (d *decoder) string() ([]byte, bool) {
	if !d.next('"') {
		return nil, false
	}
	from := d.at
	end := bytes.IndexByte(d.b[from:], '"')
	if end < 0 {
		return nil, false
	}
	raw := d.b[from : from+end]
	if bytes.IndexByte(raw, '\\') < 0 {
		d.at = from + end + 1
		return raw, utf8.Valid(raw)
	}
	common := true
	for i := from; i < len(d.b); i++ {
		switch d.b[i] {
		case '\\':
			if i++; i < len(d.b) && bytes.IndexByte([]byte(`"\nrtu`), d.b[i]) < 0 { // those mean the same in Go
				common = false
			}
		case '"':
			var s string
			d.at = i + 1
			if common && utf8.Valid(d.b[from:i]) {
				if s, err := strconv.Unquote(string(d.b[from-1 : i+1])); err == nil {
					return []byte(s), true
				}
			}
			ok := utf8.Valid(d.b[from:i]) && json.Unmarshal(d.b[from-1:i+1], &s) == nil
			return []byte(s), ok
		}
	}
	return nil, false
}

func (d *decoder) text() (string, bool) {
	b, ok := d.string()
	return d.keep(b), ok
}

// unique is a text that does not come again.
func (d *decoder) unique() (string, bool) {
	b, ok := d.string()
	return string(b), ok
}

func (d *decoder) number() (int, bool) {
	from := d.at
	for d.at < len(d.b) && d.b[d.at] >= '0' && d.b[d.at] <= '9' {
		d.at++
	}
	n, err := strconv.Atoi(string(d.b[from:d.at]))
	return n, err == nil && (n != 0 || d.at-from == 1)
}

func (d *decoder) time() (time.Time, bool) {
	b, ok := d.string()
	if !ok {
		return time.Time{}, false
	}
	for i := range d.when {
		if d.when[i].text == string(b) {
			return d.when[i].at, true
		}
	}
	var t time.Time
	if t.UnmarshalText(b) != nil {
		return t, false
	}
	copy(d.when[1:], d.when[:])
	d.when[0] = moment{string(b), t}
	return t, true
}

// keep a text once.
func (d *decoder) keep(b []byte) string {
	if len(b) > knownLength {
		return string(b)
	}
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for _, c := range b {
		h = (h ^ uint64(c)) * prime
	}
	slot := &d.known[(h^h>>32)%uint64(len(d.known))]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
