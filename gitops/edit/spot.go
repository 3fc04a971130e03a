package edit

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// spot is where a value stands: it is the i-th of what parent holds, and parent is the at-th of what in holds.
type spot struct {
	parent *yaml.Node // nil for the object itself
	i      int
	in     *yaml.Node // nil where parent is the object itself, and that is a document of its own
	at     int
	object *yaml.Node
}

func (s spot) node() *yaml.Node {
	if s.parent == nil {
		return s.object
	}
	return s.parent.Content[s.i]
}

// seek follows p within the object that sel names. It refuses a way through an anchor or an alias.
func (c *content) seek(sel Selector, p Path) (spot, error) {
	n, err := find(c.file, c.docs, sel)
	if err != nil {
		return spot{}, err
	}
	s := spot{object: n}
	for i, st := range p {
		if why := shared(n); why != "" {
			return spot{}, refuse(c.file, n, why)
		}
		next, err := step(c.file, n, st)
		if err != nil {
			return spot{}, fmt.Errorf("%s of %s: %w", p[:i+1], sel, err)
		}
		s.in, s.at = s.parent, s.i
		s.parent = n
		for j, member := range n.Content {
			if member == next && (n.Kind == yaml.SequenceNode || j%2 == 1) {
				s.i = j
			}
		}
		n = next
	}
	if why := shared(n); why != "" {
		return spot{}, refuse(c.file, n, why)
	}
	return s, nil
}
