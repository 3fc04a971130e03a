package incident

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// AppendJSON appends what json.Marshal makes of the signal, three times as fast: a storm is written so.
func (s *Signal) AppendJSON(b []byte) ([]byte, error) {
	b = appendText(append(b, `{"id":`...), s.ID)
	b = appendText(append(b, `,"source":`...), s.Source)
	b = appendText(append(b, `,"name":`...), s.Name)
	b = appendText(append(b, `,"status":`...), string(s.Status))
	b = appendSome(b, `,"severity":`, s.Severity)
	b = appendText(append(b, `,"fingerprint":`...), s.Fingerprint)
	b = appendText(append(b, `,"subject":{"cluster":`...), s.Subject.Cluster)
	b = appendSome(b, `,"group":`, s.Subject.Group)
	b = appendSome(b, `,"version":`, s.Subject.Version)
	b = appendText(append(b, `,"kind":`...), s.Subject.Kind)
	b = appendSome(b, `,"namespace":`, s.Subject.Namespace)
	b = append(appendText(append(b, `,"name":`...), s.Subject.Name), '}')
	b = appendSome(b, `,"container":`, s.Container)
	b = appendPairs(b, `,"labels":`, s.Labels)
	b = appendPairs(b, `,"annotations":`, s.Annotations)
	var err error
	for _, t := range []struct {
		name string
		at   time.Time
		must bool
	}{{`,"startsAt":`, s.StartsAt, true}, {`,"endsAt":`, s.EndsAt, false}, {`,"acceptedAt":`, s.AcceptedAt, true}} {
		if t.at.IsZero() && !t.must {
			continue
		}
		var wrong error
		if b, wrong = t.at.AppendText(append(append(b, t.name...), '"')); wrong != nil {
			err = wrong
		}
		b = append(b, '"')
	}
	return append(appendSome(b, `,"generatorURL":`, s.GeneratorURL), '}'), err
}

func appendSome(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(append(b, name...), value)
}

func appendPairs(b []byte, name string, m map[string]string) []byte {
	if len(m) == 0 {
		return b
	}
	b = append(append(b, name...), '{')
	type pair struct{ name, value string }
	var room [32]pair
	list := room[:0]
	for k, v := range m {
		list = append(list, pair{k, v})
	}
	slices.SortFunc(list, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	for i, p := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(appendText(b, p.name), ':'), p.value)
	}
	return append(b, '}')
}

// plain are the characters that stand for themselves.
var plain = func() (is [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		is[c] = !strings.ContainsRune(`"\<>&`, c)
	}
	return is
}()

// appendText as encoding/json does; what that would escape, it does.
func appendText(b []byte, s string) []byte {
	whole := len(b)
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if plain[c] {
			continue
		}
		switch {
		case c < ' ' || c >= 0x7f:
			escaped, err := json.Marshal(s)
			if err != nil { // of a string there is none
				return b[:whole]
			}
			return append(b[:whole], escaped...)
		case c == '"' || c == '\\':
			b = append(append(b, s[from:i]...), '\\', c)
			from = i + 1
		default: // <, > and &, which are common in URLs
			const hex = "0123456789abcdef"
			b = append(append(b, s[from:i]...), '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			from = i + 1
		}
	}
	return append(append(b, s[from:]...), '"')
}
