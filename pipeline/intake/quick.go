package intake

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// quick reads the JSON that Alertmanager itself writes, six times as fast as encoding/json: a storm comes through here. What it
// does not understand at once is left to encoding/json, which also says what is wrong; so it must never read something else
// than that does, which FuzzAlertmanager compares.
type quick struct {
	b     string
	at    int
	times [2]quickTime // the last two that were read: many alerts have those of the one before
}

type quickTime struct {
	text string
	at   time.Time
}

// presumed is room for so many alerts, before they are seen.
const presumed = 1000

// simple are the characters of a text that mean themselves and need no second look.
var simple = func() (is [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// quickGroup is false where the slow way is to be taken.
func quickGroup(body []byte) (version string, cutOff uint64, alerts []alert, ok bool) {
	q := &quick{b: string(body)}
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
			alerts = make([]alert, 0, min(strings.Count(q.b, `"startsAt"`), presumed))
			return q.array(func() bool {
				alerts = append(alerts, alert{})
				return q.alert(&alerts[len(alerts)-1])
			})
		case "truncatedAlerts":
			cutOff, ok = q.number()
			return ok
		case "status", "receiver", "groupKey", "externalURL", "notification_reason": // the last since 0.34
			_, ok = q.text()
			return ok
		case "groupLabels", "commonLabels", "commonAnnotations", "routeLabels":
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

// text is a string. Where it is written plainly it is a part of the body, which is kept as long as the signals are.
func (q *quick) text() (string, bool) {
	if !q.next('"') {
		return "", false
	}
	from := q.at
	plain, common, ascii := true, true, true
	for i := from; i < len(q.b); i++ {
		if simple[q.b[i]] {
			continue
		}
		switch c := q.b[i]; {
		case c == '"':
			q.at = i + 1
			s := q.b[from:i]
			if !ascii && !utf8.ValidString(s) {
				return "", false
			}
			if plain {
				return s, true
			}
			if common {
				if decoded, err := strconv.Unquote(q.b[from-1 : i+1]); err == nil {
					return decoded, true
				}
			}
			var decoded string
			ok := json.Unmarshal([]byte(q.b[from-1:i+1]), &decoded) == nil
			return decoded, ok
		case c == '\\':
			plain = false
			if i++; i < len(q.b) && !strings.Contains(`"\nrtu`, q.b[i:i+1]) { // those mean the same in Go
				common = false
			}
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			ascii = false
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
	digits := q.b[from:q.at]
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && (len(digits) == 1 || digits[0] != '0')
}

func (q *quick) time() (t time.Time, ok bool) {
	q.space()
	from := q.at
	if _, ok := q.text(); !ok {
		return t, false
	}
	text := q.b[from:q.at]
	for _, known := range q.times {
		if known.text == text {
			return known.at, true
		}
	}
	if err := t.UnmarshalJSON([]byte(text)); err != nil {
		return t, false
	}
	q.times[1] = q.times[0]
	q.times[0] = quickTime{text, t}
	return t, true
}
