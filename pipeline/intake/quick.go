package intake

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// quick reads the JSON that Alertmanager itself writes, six times as fast as encoding/json: a storm comes through here. What it
// does not understand at once is left to encoding/json, which also says what is wrong; so it must never read something else
// than that does, which FuzzAlertmanager compares.
type quick struct {
	b  []byte
	at int
}

// quickGroup is false where the slow way is to be taken.
func quickGroup(body []byte) (version string, cutOff uint64, alerts []alert, ok bool) {
	q := &quick{b: body}
	seen := 0
	ok = q.object(func(key string) bool {
		switch key {
		case "version":
			seen |= 1
			version, ok = q.text()
			return ok
		case "alerts":
			if seen&2 != 0 {
				return false
			}
			seen |= 2
			return q.array(func() bool {
				var a alert
				if !q.alert(&a) {
					return false
				}
				alerts = append(alerts, a)
				return true
			})
		case "truncatedAlerts":
			cutOff, ok = q.number()
			return ok
		case "status", "receiver", "groupKey", "externalURL":
			_, ok = q.text()
			return ok
		case "groupLabels", "commonLabels", "commonAnnotations":
			_, ok = q.pairs()
			return ok
		}
		return false
	})
	q.space()
	return version, cutOff, alerts, ok && q.at == len(q.b)
}

func (q *quick) alert(a *alert) bool {
	seen := 0
	once := func(bit int) bool { was := seen & bit; seen |= bit; return was == 0 }
	return q.object(func(key string) (ok bool) {
		switch key {
		case "status":
			a.Status, ok = q.text()
		case "fingerprint":
			a.Fingerprint, ok = q.text()
		case "generatorURL":
			a.GeneratorURL, ok = q.text()
		case "labels":
			if once(1) {
				a.Labels, ok = q.pairs()
			}
		case "annotations":
			if once(2) {
				a.Annotations, ok = q.pairs()
			}
		case "startsAt":
			a.StartsAt, ok = q.time()
		case "endsAt":
			a.EndsAt, ok = q.time()
		}
		return ok
	})
}

func (q *quick) space() {
	for q.at < len(q.b) && (q.b[q.at] == ' ' || q.b[q.at] == '\n' || q.b[q.at] == '\t' || q.b[q.at] == '\r') {
		q.at++
	}
}

// next takes a character, after spaces.
func (q *quick) next(c byte) bool {
	q.space()
	if q.at < len(q.b) && q.b[q.at] == c {
		q.at++
		return true
	}
	return false
}

func (q *quick) object(member func(key string) bool) bool {
	return q.list('{', '}', func() bool {
		key, ok := q.text()
		return ok && q.next(':') && member(key)
	})
}

func (q *quick) array(item func() bool) bool { return q.list('[', ']', item) }

func (q *quick) list(from, to byte, item func() bool) bool {
	if !q.next(from) {
		return false
	}
	if q.next(to) {
		return true
	}
	for item() {
		if q.next(to) {
			return true
		}
		if !q.next(',') {
			return false
		}
	}
	return false
}

func (q *quick) pairs() (map[string]string, bool) {
	m := make(map[string]string, 8)
	ok := q.object(func(key string) bool {
		v, ok := q.text()
		m[key] = v
		return ok
	})
	return m, ok
}

// text is a string.
func (q *quick) text() (string, bool) {
	if !q.next('"') {
		return "", false
	}
	from := q.at
	end := bytes.IndexByte(q.b[from:], '"')
	if end < 0 {
		return "", false
	}
	raw := q.b[from : from+end]
	plain := bytes.IndexByte(raw, '\\') < 0
	for _, c := range raw {
		if c < ' ' {
			return "", false
		}
	}
	if plain {
		q.at = from + end + 1
		return string(raw), utf8.Valid(raw)
	}
	for i := from; i < len(q.b); i++ {
		switch q.b[i] {
		case '\\':
			i++
		case '"':
			var s string
			q.at = i + 1
			ok := utf8.Valid(q.b[from:i]) && json.Unmarshal(q.b[from-1:i+1], &s) == nil
			return s, ok
		}
	}
	return "", false
}

func (q *quick) number() (uint64, bool) {
	q.space()
	from := q.at
	for q.at < len(q.b) && q.b[q.at] >= '0' && q.b[q.at] <= '9' {
		q.at++
	}
	digits := string(q.b[from:q.at])
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && (len(digits) == 1 || digits[0] != '0')
}

func (q *quick) time() (t time.Time, ok bool) {
	q.space()
	from := q.at
	if _, ok := q.text(); !ok {
		return t, false
	}
	err := t.UnmarshalJSON(q.b[from:q.at])
	return t, err == nil
}
