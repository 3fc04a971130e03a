package edit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Path leads from the root of an object to one of its fields.
type Path []Step

// Step is a key of a mapping, or an element of a list: the one whose By is Value, or the one at Index.
type Step struct {
	Key       string
	By, Value string // [By=Value]
	Index     int    // from 0; counts where Key and By are both empty
}

const maxPath = 1024

// ParsePath reads spec.containers[name=app].image, metadata.annotations['example.com/a.b'] and spec.args[0].
func ParsePath(s string) (Path, error) {
	bad := func(at int, why string) (Path, error) {
		return nil, fmt.Errorf("field path %q, column %d: %s", s, at+1, why)
	}
	if s == "" || len(s) > maxPath {
		return nil, fmt.Errorf("a field path has 1 to %d bytes, this one has %d", maxPath, len(s))
	}
	var p Path
	for i := 0; i < len(s); {
		switch {
		case s[i] == '[':
			step, n, err := parseBracket(s[i:])
			if err != nil {
				return bad(i, err.Error())
			}
			p, i = append(p, step), i+n
			continue
		case s[i] == '.':
			if len(p) == 0 {
				return bad(i, "a key is missing before the dot")
			}
			i++
		case len(p) > 0:
			return bad(i, "a dot or a bracket belongs here")
		}
		end := i
		for end < len(s) && plainKey(s[end]) {
			end++
		}
		if end == i {
			return bad(i, "a key belongs here; keys with other characters are written ['like.this']")
		}
		p, i = append(p, Step{Key: s[i:end]}), end
	}
	return p, nil
}

func plainKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '/'
}

// parseBracket reads one [...] at the start of s and how long it is.
func parseBracket(s string) (Step, int, error) {
	if strings.HasPrefix(s, "['") {
		key, n, err := parseQuoted(s[1:])
		if err != nil || key == "" {
			return Step{}, 0, fmt.Errorf("a quoted key is empty or has no end")
		}
		if 1+n >= len(s) || s[1+n] != ']' {
			return Step{}, 0, fmt.Errorf("a ] belongs after the quoted key")
		}
		return Step{Key: key}, n + 2, nil
	}
	i := 1
	for i < len(s) && plainKey(s[i]) {
		i++
	}
	word := s[1:i]
	if i < len(s) && s[i] == ']' {
		n, err := strconv.ParseUint(word, 10, 31)
		if err != nil {
			return Step{}, 0, fmt.Errorf("[%s] is neither a number nor key=value", word)
		}
		return Step{Index: int(n)}, i + 1, nil
	}
	if i >= len(s) || s[i] != '=' || word == "" {
		return Step{}, 0, fmt.Errorf("brackets hold a number, key=value, or 'a quoted key'")
	}
	rest := s[i+1:]
	if strings.HasPrefix(rest, "'") {
		value, n, err := parseQuoted(rest)
		if err != nil || n >= len(rest) || rest[n] != ']' {
			return Step{}, 0, fmt.Errorf("the quoted value has no end")
		}
		return Step{By: word, Value: value}, i + 1 + n + 1, nil
	}
	end := strings.IndexByte(rest, ']')
	if end <= 0 {
		return Step{}, 0, fmt.Errorf("the value of [%s=…] is empty or has no end", word)
	}
	return Step{By: word, Value: rest[:end]}, i + 1 + end + 1, nil
}

// parseQuoted reads 'text' at the start of s, in which a doubled quote stands for one, and how long it is.
func parseQuoted(s string) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, nil
	}
	return "", 0, fmt.Errorf("no closing quote")
}

// String is the inverse of ParsePath.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.By != "":
			value := s.Value
			if value == "" || strings.ContainsAny(value, "]'") {
				value = quote(value)
			}
			fmt.Fprintf(&b, "[%s=%s]", s.By, value)
		case s.Key == "":
			fmt.Fprintf(&b, "[%d]", s.Index)
		case strings.ContainsFunc(s.Key, func(r rune) bool { return r > 127 || !plainKey(byte(r)) }):
			fmt.Fprintf(&b, "[%s]", quote(s.Key))
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Key)
		}
	}
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Get follows the path through decoded JSON. A list element that is described twice is not found.
func (p Path) Get(doc any) (any, bool) {
	for _, s := range p {
		if s.Key != "" {
			m, _ := doc.(map[string]any)
			v, ok := m[s.Key]
			if !ok {
				return nil, false
			}
			doc = v
			continue
		}
		list, _ := doc.([]any)
		at := -1
		for i, item := range list {
			m, _ := item.(map[string]any)
			if s.By == "" && i == s.Index {
				at = i
			} else if v, ok := m[s.By]; s.By != "" && ok && Text(v) == s.Value {
				if at >= 0 {
					return nil, false
				}
				at = i
			}
		}
		if at < 0 {
			return nil, false
		}
		doc = list[at]
	}
	return doc, true
}

// Enters tells whether a path is that of what describes an element of a list that p leads through, as its name: an element
// that is new has it too.
func (p Path) Enters(path string) bool {
	for i, s := range p {
		if s.By != "" && append(slices.Clone(p[:i+1]), Step{Key: s.By}).String() == path {
			return true
		}
	}
	return false
}

// variable is how long the path to a container is in one to the value of a variable in its environment; -1 for others.
func (p Path) variable() int {
	if n := len(p) - 3; n > 0 && p[n].Key == "env" && p[n+1].By == "name" && p[n+2].Key == "value" {
		return n
	}
	return -1
}

// Doubt says of a path which of its keys is no text to YAML 1.1; "" where each is.
func (p Path) Doubt() string {
	for _, s := range p {
		if s.Key != "" && yaml11Word(s.Key) {
			return fmt.Sprintf("; without quotes, the key %s is a boolean to YAML 1.1, as Kubernetes reads it", s.Key)
		}
	}
	return ""
}
