package playbooks

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	placeholder = regexp.MustCompile(`\$[A-Za-z_][A-Za-z0-9_]*`)
	known       = map[string]bool{"$namespace": true, "$name": true, "$container": true}
)

const placeholders = "$namespace, $name and $container"

// Binding is the object and container that a playbook is applied to.
type Binding struct {
	Namespace string // DNS-1123 label
	Name      string // DNS-1123 subdomain
	Container string // DNS-1123 label; may be empty where the playbook does not ask for it
}

// Bound is a playbook's edits and checks with every placeholder filled in.
type Bound struct {
	Edits  []Edit
	Checks []Check
}

// Bind fills the placeholders in. The values come from telemetry: one that is asked for and is not a DNS name is an
// error, so that nothing else can reach a field path or a query.
func Bind(p Playbook, b Binding) (Bound, error) {
	values := map[string]string{"$namespace": b.Namespace, "$name": b.Name, "$container": b.Container}
	for name := range p.uses {
		if v := values[name]; v == "" {
			return Bound{}, fmt.Errorf("it needs a %s, and the incident names none (or several)", name[1:])
		} else if !dnsName(v, name == "$name") {
			return Bound{}, fmt.Errorf("the %s %q is not a DNS name", name[1:], clip(v))
		}
	}
	var out Bound
	for _, e := range p.Edits {
		e, err := e.bind(values)
		if err != nil {
			return Bound{}, err
		}
		out.Edits = append(out.Edits, e)
	}
	for _, c := range p.Checks {
		parts, err := scanQuery(c.Query)
		if err != nil {
			return Bound{}, fmt.Errorf("query of check %q: %w", c.Name, err)
		}
		var q strings.Builder
		for _, part := range parts {
			v := part.text
			if part.placeholder != "" {
				v = values[part.placeholder]
			}
			if part.regex { // the dot is the only character of a DNS name that means something else in a regexp
				v = strings.ReplaceAll(v, ".", `\\.`)
			}
			q.WriteString(v)
		}
		c.Query = q.String()
		out.Checks = append(out.Checks, c)
	}
	return out, nil
}

// bind fills an edit's placeholders in, on a copy.
func (e Edit) bind(values map[string]string) (Edit, error) {
	e.Field = placeholder.ReplaceAllStringFunc(e.Field, func(name string) string { return values[name] })
	if e.Env != nil && known[e.Env.Container] {
		env := *e.Env
		env.Container = values[env.Container]
		e.Env = &env
	}
	var err error
	if e.Patch, err = fill(e.Patch, values); err != nil {
		return e, fmt.Errorf("patch: %w", err)
	}
	if e.JSON6902, err = fill(e.JSON6902, values); err != nil {
		return e, fmt.Errorf("json6902: %w", err)
	}
	return e, nil
}

func dnsName(s string, dots bool) bool {
	if !dots {
		return dnsLabel.MatchString(s)
	}
	if len(s) > 253 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if !dnsLabel.MatchString(part) {
			return false
		}
	}
	return true
}

// queryPart is a stretch of a query as it stands, or a placeholder.
type queryPart struct {
	text        string
	placeholder string // $name
	regex       bool   // of a placeholder: it is part of a =~ or !~ matcher
}

// scanQuery splits a PromQL query at its placeholders. It is no parser: it knows strings, comments and brackets, which
// is enough to hold placeholders to the one place where a DNS name cannot change what the query means, the value of a
// label matcher in double quotes: {label="…$name…"}. Elsewhere a placeholder, or a lone $ outside a string, is an
// error. Within strings, a $ that no letter follows is left alone: it ends a regexp, or is label_replace's $1.
func scanQuery(q string) ([]queryPart, error) {
	var parts []queryPart
	var open []byte // brackets that wait for their end
	start := 0      // of the text not yet in parts
	for i := 0; i < len(q); {
		switch c := q[i]; c {
		case '#':
			end := strings.IndexByte(q[i:], '\n')
			if end < 0 {
				end = len(q) - i
			}
			i += end
		case '"', '\'', '`':
			end := stringEnd(q, i)
			if end < 0 {
				return nil, errors.New("a string has no end")
			}
			matcher, regex := isMatcher(q[:i], open)
			for _, at := range placeholder.FindAllStringIndex(q[i:end], -1) {
				name := q[i+at[0] : i+at[1]]
				if !known[name] {
					return nil, fmt.Errorf("unknown placeholder %s: there are %s", clip(name), placeholders)
				}
				if !matcher || c != '"' {
					return nil, fmt.Errorf(`%s may only stand in the value of a label matcher in double quotes: {label="%s"}`, name, name)
				}
				parts = append(parts, queryPart{text: q[start : i+at[0]]}, queryPart{placeholder: name, regex: regex})
				start = i + at[1]
			}
			i = end
		case '$':
			return nil, fmt.Errorf(`a $ outside a string: %s may only stand in the value of a label matcher in double quotes: {label="$name"}`, placeholders)
		case '(', '[', '{':
			open = append(open, c)
			i++
		case ')', ']', '}':
			if len(open) == 0 || open[len(open)-1] != map[byte]byte{')': '(', ']': '[', '}': '{'}[c] {
				return nil, fmt.Errorf("unexpected %c", c)
			}
			open = open[:len(open)-1]
			i++
		default:
			i++
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("a %c has no end", open[len(open)-1])
	}
	return append(parts, queryPart{text: q[start:]}), nil
}

// stringEnd is the index after the string that begins at i, or -1.
func stringEnd(q string, i int) int {
	quote := q[i]
	for j := i + 1; j < len(q); j++ {
		switch {
		case q[j] == quote:
			return j + 1
		case q[j] == '\\' && quote != '`':
			j++
		case q[j] == '\n' && quote != '`':
			return -1
		}
	}
	return -1
}

// isMatcher tells whether a string after before is the value of a label matcher, and of one with a regexp.
func isMatcher(before string, open []byte) (matcher, regex bool) {
	if len(open) == 0 || open[len(open)-1] != '{' {
		return false, false
	}
	before = strings.TrimRight(before, " \t\r\n")
	if strings.HasSuffix(before, "=~") || strings.HasSuffix(before, "!~") {
		return true, true
	}
	return strings.HasSuffix(before, "="), false
}
