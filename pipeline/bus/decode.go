package bus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"strconv"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// decoder reads the signals and folds that this package has written, many times as fast as encoding/json: a storm is all of
// decoding. It knows the order in which they are written; what is written in another way is left to encoding/json. It is for
// one goroutine.
type decoder struct {
	lean  bool // annotations and the URL are left out
	b     []byte
	at    int
	known [2048]string // what comes again and again is kept once
	seed  maphash.Seed
	when  [4]moment
	last  int // where the next moment goes
}

func newDecoder() *decoder { return &decoder{seed: maphash.MakeSeed()} }

var begins = []byte(`{"id":"`) // a signal, where it is not in a text

// signals of one message, and each as it is written, behind those that are in the lists. What is beyond the end of list is used
// again, the labels among it.
func (d *decoder) signals(data []byte, list []incident.Signal, raw [][]byte) ([]incident.Signal, [][]byte, error) {
	d.b, d.at = data, 0
	before := len(list)
	if ok := plain(data) && d.list('[', ']', func() bool {
		if len(list) < cap(list) {
			list = list[:len(list)+1]
		} else {
			list = append(list, incident.Signal{})
		}
		from := d.at
		ok := d.signal(&list[len(list)-1])
		raw = append(raw, data[from:d.at:d.at])
		return ok
	}); ok && d.at == len(data) {
		return list, raw, nil
	}
	list, raw = list[:before], raw[:before]
	var parts []json.RawMessage
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		parts = []json.RawMessage{data} // of a version that sent each alone
	} else if err := json.Unmarshal(data, &parts); err != nil {
		return list, raw, fmt.Errorf("read signals: %w", err)
	}
	for _, p := range parts {
		var s incident.Signal
		if err := json.Unmarshal(p, &s); err != nil {
			return list[:before], raw[:before], fmt.Errorf("read a signal: %w", err)
		}
		again, err := s.AppendJSON(nil) // each is handed on in the one form that is read quickly, and in which its times are found
		if err != nil {
			return list[:before], raw[:before], fmt.Errorf("read a signal: %w", err)
		}
		list, raw = append(list, s), append(raw, again)
	}
	return list, raw, nil
}

// fold as encoding/json would read it.
func (d *decoder) fold(data []byte) (f incident.Fold, err error) {
	d.b, d.at = data, 0
	if plain(data) && d.quickFold(&f) && d.at == len(data) {
		return f, nil
	}
	f = incident.Fold{}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("read a fold: %w", err)
	}
	return f, nil
}

func (d *decoder) quickFold(f *incident.Fold) (ok bool) {
	if !d.word(`{"partition":`) {
		return false
	}
	if f.Partition, ok = d.number(); !ok {
		return false
	}
	if d.word(`,"seen":`) {
		if f.Seen, ok = d.time(); !ok {
			return false
		}
	}
	if !d.word(`,"signals":`) {
		return d.next('}')
	}
	if n := bytes.Count(d.b, begins); n > 0 {
		f.Signals = make([]incident.Signal, 0, n)
	}
	return d.list('[', ']', func() bool {
		f.Signals = append(f.Signals, incident.Signal{})
		return d.signal(&f.Signals[len(f.Signals)-1])
	}) && d.next('}')
}

// signal as AppendJSON writes it. Its map of labels is used again.
func (d *decoder) signal(s *incident.Signal) bool {
	labels := s.Labels
	*s = incident.Signal{}
	ok := d.must(`{"id":`, &s.ID, true) && d.must(`,"source":`, &s.Source, false) && d.must(`,"name":`, &s.Name, false) &&
		d.must(`,"status":`, (*string)(&s.Status), false) && d.may(`,"severity":`, &s.Severity) && d.must(`,"fingerprint":`, &s.Fingerprint, true) &&
		d.word(`,"subject":`) && d.resource(&s.Subject) && d.may(`,"container":`, &s.Container)
	if ok && d.word(`,"labels":`) {
		if s.Labels = labels; labels == nil {
			s.Labels = make(map[string]string, 8)
		}
		clear(s.Labels)
		ok = d.texts(s.Labels)
	}
	if ok && d.word(`,"annotations":`) {
		if !d.lean {
			s.Annotations = make(map[string]string, 8)
		}
		ok = d.texts(s.Annotations)
	}
	if ok = ok && d.word(`,"startsAt":`); ok {
		s.StartsAt, ok = d.time()
	}
	if ok && d.word(`,"endsAt":`) {
		s.EndsAt, ok = d.time()
	}
	if ok = ok && d.word(`,"acceptedAt":`); ok {
		s.AcceptedAt, ok = d.time()
	}
	if ok && d.word(`,"generatorURL":`) {
		var url []byte
		if url, ok = d.string(); !d.lean {
			s.GeneratorURL = string(url)
		}
	}
	return ok && d.next('}')
}

func (d *decoder) resource(r *incident.Resource) bool {
	return d.must(`{"cluster":`, &r.Cluster, false) && d.may(`,"group":`, &r.Group) && d.may(`,"version":`, &r.Version) && d.must(`,"kind":`, &r.Kind, false) &&
		d.may(`,"namespace":`, &r.Namespace) && d.must(`,"name":`, &r.Name, false) && d.next('}')
}

// texts are left out where m is nil.
func (d *decoder) texts(m map[string]string) bool {
	return d.list('{', '}', func() bool {
		key, ok := d.string()
		if !ok || !d.next(':') {
			return false
		}
		if m == nil {
			_, ok = d.string()
			return ok
		}
		name := d.keep(key) // before the value is read
		m[name], ok = d.text()
		return ok
	})
}

// word takes what is written in one way only.
func (d *decoder) word(w string) bool {
	if len(d.b)-d.at >= len(w) && string(d.b[d.at:d.at+len(w)]) == w {
		d.at += len(w)
		return true
	}
	return false
}

// must take a text behind a word; one that is unique does not come again.
func (d *decoder) must(w string, to *string, unique bool) bool {
	if !d.word(w) {
		return false
	}
	b, ok := d.string()
	if unique {
		*to = string(b)
	} else {
		*to = d.keep(b)
	}
	return ok
}

// may take it likewise, or nothing.
func (d *decoder) may(w string, to *string) bool {
	return !d.word(w) || d.must("", to, false)
}

// next takes a character.
func (d *decoder) next(c byte) bool {
	if d.at < len(d.b) && d.b[d.at] == c {
		d.at++
		return true
	}
	return false
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

// string is good until the message is let go. That all of it is plain has been seen to.
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
		return raw, true
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
			if common {
				if s, err := strconv.Unquote(string(d.b[from-1 : i+1])); err == nil {
					return []byte(s), true
				}
			}
			ok := json.Unmarshal(d.b[from-1:i+1], &s) == nil
			return []byte(s), ok
		}
	}
	return nil, false
}

func (d *decoder) text() (string, bool) {
	b, ok := d.string()
	return d.keep(b), ok
}

func (d *decoder) number() (int, bool) {
	from := d.at
	for d.at < len(d.b) && d.b[d.at] >= '0' && d.b[d.at] <= '9' {
		d.at++
	}
	n, err := strconv.Atoi(string(d.b[from:d.at]))
	return n, err == nil && (d.b[from] != '0' || d.at-from == 1)
}
