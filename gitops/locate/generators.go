package locate

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/cortexops/cortexops/gitops/edit"
)

// generators looks for the literal, or the line of an env file, that a generated ConfigMap has its value from.
func (w *walk) generators(l *layer) {
	if w.ask.sel.Group != "" || len(w.ask.path) != 2 || w.ask.path[0].Key != "data" || w.ask.path[1].Key == "" {
		return
	}
	if w.ask.sel.Kind == "Secret" {
		for _, g := range l.k.SecretGenerator {
			if strings.Contains(w.ask.sel.Name, g.Name) {
				w.block(&Refusal{Reason: Generated, Why: fmt.Sprintf("%s generates the Secret, and no edit writes a secret", l.file)})
			}
		}
	}
	if w.ask.sel.Kind != "ConfigMap" {
		return
	}
	for i, g := range slices.Backward(l.k.ConfigMapGenerator) {
		if strings.Contains(w.ask.sel.Name, g.Name) {
			w.generator(l, i, g)
		}
	}
}

func (w *walk) generator(l *layer, i int, g types.ConfigMapArgs) {
	name := w.ask.path[1].Key
	for j, literal := range slices.Backward(g.LiteralSources) {
		k, v, _ := strings.Cut(literal, "=")
		if k != name {
			continue
		}
		s := spot{file: l.file, in: []edit.At{in(key("configMapGenerator"), at(i), key("literals"), at(j))}, lead: k + "=", what: "a literal of the generator"}
		if len(v) > 1 && (v[0] == '"' || v[0] == '\'') && v[len(v)-1] == v[0] { // kustomize takes them off
			s.lead, s.tail = s.lead+v[:1], v[:1]
		}
		w.spot(s, l.data)
	}
	for _, ref := range slices.Backward(append(slices.Clone(g.EnvSources), g.EnvSource)) {
		if f, ok := w.source(l, ref); ok && ref != "" {
			w.env(f, name)
		}
	}
	for _, ref := range g.FileSources {
		k, file, named := strings.Cut(ref, "=")
		if !named {
			k, file = ref[strings.LastIndexByte(ref, '/')+1:], ref
		}
		if k == name {
			w.block(&Refusal{Reason: Generated, Why: fmt.Sprintf("the value is all of the file %s, which %s makes a ConfigMap of", path.Join(path.Dir(l.file), file), l.file)})
		}
	}
}

// env looks for the line of an env file.
func (w *walk) env(f source, name string) {
	offset := 0
	for i, line := range strings.SplitAfter(string(f.data), "\n") {
		text := strings.TrimRight(line, "\r\n")
		value, ok := strings.CutPrefix(text, name+"=")
		if ok {
			start := offset + len(text) - len(value)
			pos := edit.Position{File: f.path, Line: i + 1, Column: len([]rune(name)) + 2, Start: start, End: offset + len(text), Value: value}
			w.out = append(w.out, candidate{file: f.path, pos: pos, value: value, mark: sentinel(w.ask.path, value), what: "an env file of the generator",
				write: func(files Files, wanted string) (map[string][]byte, error) {
					return writeEnv(files, f.path, name, wanted)
				}})
		}
		offset += len(line)
	}
}

func writeEnv(files Files, file, name, value string) (map[string][]byte, error) {
	data, err := files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if strings.ContainsAny(value, "\r\n") {
		return nil, &Refusal{Reason: Uneditable, Why: fmt.Sprintf("%s: a value has one line", file)}
	}
	lines, n := bytes.SplitAfter(data, []byte("\n")), 0
	for i, line := range lines {
		text := bytes.TrimRight(line, "\r\n")
		if bytes.HasPrefix(text, []byte(name+"=")) {
			n++
			lines[i] = slices.Concat([]byte(name+"="+value), line[len(text):])
		}
	}
	if n != 1 {
		return nil, &Refusal{Reason: Ambiguous, Why: fmt.Sprintf("%s has %d lines for %s", file, n, name)}
	}
	return map[string][]byte{file: bytes.Join(lines, nil)}, nil
}
