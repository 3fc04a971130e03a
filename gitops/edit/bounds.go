package edit

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// Bounded tells whether the documents of src have at most max values when every alias is written out, as readers that
// resolve them do. What is no YAML has none.
func Bounded(src []byte, max int) bool {
	if bytes.IndexByte(src, '*') < 0 || bytes.IndexByte(src, '&') < 0 {
		return true
	}
	d := yaml.NewDecoder(bytes.NewReader(src))
	total, known := 0, map[*yaml.Node]int{}
	for total <= max {
		var n yaml.Node
		if err := d.Decode(&n); errors.Is(err, io.EOF) || err != nil {
			return true
		}
		total += writtenOut(&n, max, known)
	}
	return false
}

// writtenOut counts the values of n, up to one more than max. A value that contains itself has no end.
func writtenOut(n *yaml.Node, max int, known map[*yaml.Node]int) int {
	if c, ok := known[n]; ok {
		return c
	}
	known[n] = max + 1
	total := 1
	if n.Kind == yaml.AliasNode {
		total += writtenOut(n.Alias, max, known)
	}
	for _, c := range n.Content {
		total = min(total+writtenOut(c, max, known), max+1)
	}
	known[n] = total
	return total
}
