package bus

import (
	"hash/maphash"
	"time"
)

const knownLength = 64 // of a text that is kept once

// moment is a time that was read.
type moment struct {
	text [len(time.RFC3339Nano)]byte
	n    int
	at   time.Time
}

func (d *decoder) time() (time.Time, bool) {
	b, ok := d.string()
	if !ok || len(b) == 0 {
		return time.Time{}, false
	}
	for i := range d.when {
		if m := &d.when[i]; string(m.text[:m.n]) == string(b) {
			return m.at, true
		}
	}
	m := &d.when[d.last]
	if len(b) > len(m.text) || m.at.UnmarshalText(b) != nil {
		m.n = 0
		return time.Time{}, false
	}
	m.n, d.last = copy(m.text[:], b), (d.last+1)%len(d.when)
	return m.at, true
}

// keep a text once.
func (d *decoder) keep(b []byte) string {
	if len(b) > knownLength {
		return string(b)
	}
	slot := &d.known[maphash.Bytes(d.seed, b)%uint64(len(d.known))]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
