package locate

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
)

// op is one operation of a JSON patch (RFC 6902).
type op struct {
	Op   string `json:"op"`
	Path string `json:"path"`
}

// jsonPatch reads a patch that is a list of operations.
func jsonPatch(text []byte) ([]op, bool) {
	first := bytes.TrimLeft(text, " \t\r\n")
	if !bytes.Contains(text, []byte("op")) || len(first) == 0 {
		return nil, false
	}
	var ops []op
	if err := yaml.Unmarshal(text, &ops); err != nil || len(ops) == 0 {
		return nil, false
	}
	return ops, true
}

// ops looks into the operations of a JSON patch, the last first.
func (w *walk) ops(file string, lead []edit.At, ops []op) {
	for i, o := range slices.Backward(ops) {
		if o.Op != "add" && o.Op != "replace" {
			continue
		}
		rest, ok := leads(o.Path, w.ask.path)
		if !ok {
			continue
		}
		steps := append([]edit.Step{at(i), key("value")}, rest...)
		w.spot(spot{file: file, in: append(slices.Clone(lead), in(steps...)), what: "a JSON patch"}, w.bytes(file))
	}
}

// leads tells whether a JSON pointer may lead to p or to something around it, and how p goes on from there. What element
// of a list an index is, is not known: any may be the one.
func leads(pointer string, p edit.Path) (rest edit.Path, ok bool) {
	tokens := strings.Split(pointer, "/")
	if len(tokens) < 2 || tokens[0] != "" || len(tokens)-1 > len(p) {
		return nil, false
	}
	for i, token := range tokens[1:] {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		if p[i].Key != "" {
			if p[i].Key != token {
				return nil, false
			}
			continue
		}
		if n, err := strconv.Atoi(token); token != "-" && (err != nil || p[i].By == "" && n != p[i].Index) {
			return nil, false
		}
	}
	return p[len(tokens)-1:], true
}
