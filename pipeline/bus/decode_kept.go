package bus

import (
	"encoding/binary"
	"hash/maphash"
	"time"
	"unicode/utf8"
)

const knownLength = 64 // of a text that is kept once

// moment is a time that was read.
type moment struct {
	text [len(time.RFC3339Nano)]byte
	n    int
	at   time.Time
}

// plain is UTF-8 without control characters, which JSON has in no text, and we nowhere else. Eight bytes are looked at at once: where
// one is less than a space, and only there, to take a space away borrows from it.
func plain(data []byte) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(data); i += 8 {
		if w := binary.LittleEndian.Uint64(data[i:]); (w-' '*each)&^w&high != 0 {
			return false
		}
	}
	for ; i < len(data); i++ {
		if data[i] < ' ' {
			return false
		}
	}
	return utf8.Valid(data)
}

func (d *decoder) time() (time.Time, bool) {
	from := d.at
	b, ok := d.string()
	if !ok || len(b) == 0 || d.at-from != len(b)+2 { // the last: something in it is escaped
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
