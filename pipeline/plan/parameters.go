package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

// scale is the value as the playbook scales it, or as a person chose it within the playbook's bounds.
func (w *work) scale(object incident.Resource, path edit.Path, by playbooks.Scale, value string) (string, error) {
	p := incident.Parameter{Name: w.name(path), Min: by.Min, Max: by.Max}
	to, chosen := w.Parameters[p.Name]
	var err error
	if chosen {
		p.Asks, err = to, edit.Within(to, by.Min, by.Max)
	} else {
		to, err = edit.ScaleQuantity(value, edit.Divides(w.query(object, path, false).Object, path), by.By, by.Min, by.Max)
	}
	w.parameters = append(w.parameters, p)
	return to, err
}

// name is the last key of the path, with as many before it as tell it from the names that there are.
func (w *work) name(path edit.Path) string {
	name := ""
	for _, step := range slices.Backward(path) {
		if step.Key == "" {
			continue
		}
		name = strings.TrimSuffix(step.Key+"."+name, ".")
		if !slices.ContainsFunc(w.parameters, func(p incident.Parameter) bool { return p.Name == name }) {
			break
		}
	}
	return name
}

// unused refuses what a person chose and the playbook does not leave to people.
func (w *work) unused(playbook string) error {
	for _, name := range slices.Sorted(maps.Keys(w.Parameters)) {
		var there []string
		for _, p := range w.parameters {
			there = append(there, p.String())
		}
		if !slices.ContainsFunc(w.parameters, func(p incident.Parameter) bool { return p.Name == name }) {
			return &incident.NoPlan{Why: fmt.Sprintf("playbook %s leaves no %q to people: what it does is %s", playbook, name, cmp.Or(strings.Join(there, ", "), "nothing"))}
		}
	}
	return nil
}
