package playbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Why says in half a sentence why a playbook was not taken.
type Why struct {
	Playbook string
	Why      string
}

// Match picks the playbook for the incident: of those that fit, one with a condition before one without, then the
// lower risk, then the name. It returns nil where none fits. The list says why each of the others was not taken,
// in the order of pbs.
func Match(pbs []Playbook, f Facts) (*Playbook, []Why) {
	fits, whys := Fits(pbs, f)
	if len(fits) == 0 {
		return nil, whys
	}
	return fits[0], whys
}

// Fits is Match with all that fit, the one that is picked first.
func Fits(pbs []Playbook, f Facts) (fits []*Playbook, whys []Why) {
	reason := map[string]string{}
	for i := range pbs {
		p := &pbs[i]
		if why := misfit(p, f); why != "" {
			reason[p.Name] = why
			continue
		}
		fits = append(fits, p)
	}
	slices.SortStableFunc(fits, func(a, b *Playbook) int {
		return cmp.Or(cmp.Compare(specific(b), specific(a)), cmp.Compare(rank[a.Risk], rank[b.Risk]), cmp.Compare(a.Name, b.Name))
	})
	for i, p := range fits {
		if i > 0 {
			reason[p.Name] = loses(p, fits[0])
		}
	}
	for i := range pbs {
		if why, ok := reason[pbs[i].Name]; ok {
			whys = append(whys, Why{Playbook: pbs[i].Name, Why: why})
		}
	}
	return fits, whys
}

func specific(p *Playbook) int {
	if p.When != "" {
		return 1
	}
	return 0
}

func loses(p, best *Playbook) string {
	switch {
	case specific(p) != specific(best):
		return fmt.Sprintf("fits too, but %s also states a condition", best.Name)
	case p.Risk != best.Risk:
		return fmt.Sprintf("fits too, but %s has the lower risk", best.Name)
	}
	return fmt.Sprintf("fits as well as %s, which comes first by name", best.Name)
}

func misfit(p *Playbook, f Facts) string {
	if !slices.ContainsFunc(p.Alerts, func(name string) bool { return slices.Contains(f.Alerts, name) }) {
		return "is for " + strings.Join(p.Alerts, ", ")
	}
	if p.when != nil {
		ok, err := evalWhen(p.when, f)
		if err != nil {
			return fmt.Sprintf("its condition cannot be evaluated: %v", err)
		}
		if !ok {
			return "its condition does not hold: " + strings.Join(strings.Fields(p.When), " ")
		}
	}
	if _, err := Bind(*p, Binding{Namespace: f.Root.Namespace, Name: f.Root.Name, Container: f.Container}); err != nil {
		return err.Error()
	}
	return ""
}
