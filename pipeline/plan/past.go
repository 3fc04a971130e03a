package plan

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

// Places are where the workloads of the incident are set, as the rendering reads them: 0 steps away what names the root, 1
// what it is put together by and what names others that are in trouble. What cannot be located has none.
func (p *Planner) Places(inc incident.Incident, files locate.Files) []repo.Place {
	nearest := map[string]int{}
	for i, r := range workloads(inc) {
		reads, err := locate.Reads(files, locate.Query{Overlays: p.Overlays, Object: edit.Selector{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}})
		if err != nil {
			continue
		}
		for _, read := range reads {
			distance := min(i, 1)
			if !read.Own {
				distance++
			}
			if was, there := nearest[read.Path]; !there || distance < was {
				nearest[read.Path] = distance
			}
		}
	}
	var out []repo.Place
	for _, path := range slices.Sorted(maps.Keys(nearest)) {
		out = append(out, repo.Place{Path: path, Distance: nearest[path]})
	}
	return out
}

// maxWorkloads is how many workloads of an incident are looked at.
const maxWorkloads = 10

func workloads(inc incident.Incident) []incident.Resource {
	out := []incident.Resource{inc.Root}
	for _, m := range inc.Members {
		if m.Resource.Key() != inc.Root.Key() && len(out) < maxWorkloads {
			out = append(out, m.Resource)
		}
	}
	return out
}

// Changed tells what a suspect changed of what the incident's workloads render to: of the root, else of another. It is not
// known where one of the two does not render.
func (p *Planner) Changed(inc incident.Incident, before, after locate.Files) (r incident.Resource, fields []incident.FieldChange, known bool) {
	was, is := map[string][]byte{}, map[string][]byte{}
	for _, overlay := range p.Overlays {
		if locate.Unchanged(before, after, overlay) {
			continue
		}
		from, err := locate.Render(before, overlay)
		if err != nil {
			return r, nil, false
		}
		to, err := locate.Render(after, overlay)
		if err != nil {
			return r, nil, false
		}
		for _, o := range from {
			was[resource(inc.Root.Cluster, o).Key()] = o.JSON
		}
		for _, o := range to {
			is[resource(inc.Root.Cluster, o).Key()] = o.JSON
		}
	}
	for _, r := range workloads(inc) {
		a, b := was[r.Key()], is[r.Key()]
		if string(a) == string(b) {
			continue
		}
		if a == nil {
			return r, []incident.FieldChange{{Field: "metadata.name", To: r.Name}}, true
		}
		if b == nil {
			return r, []incident.FieldChange{{Field: "metadata.name", From: r.Name}}, true
		}
		all, err := differences(a, b)
		if err != nil {
			return r, nil, false
		}
		for _, f := range all[:min(len(all), maxFields)] {
			fields = append(fields, incident.FieldChange{Field: f.Path, From: f.From, To: f.To})
		}
		return r, fields, true
	}
	return incident.Resource{}, nil, true
}

// rollBack is the last value that the field had for long, if the one that it has now came shortly before the incident.
func (w *work) rollBack(by playbooks.RollBack, path edit.Path, value string) (string, error) {
	q := w.query(w.root, path, false)
	found, err := locate.Locate(w.now, q)
	if err != nil {
		return "", err
	}
	field := repo.Field{Path: found.File, Name: fmt.Sprintf("%s %s of %s", found.Overlay, path, w.root.Key()), Read: found.ValueIn}
	values, known := w.Histories[HistoryKey(field)]
	if !known {
		return "", &errWanted{Wanted{History: &field}}
	}
	no := func(format string, args ...any) (string, error) {
		return "", &incident.NoPlan{Why: fmt.Sprintf("%s: %s cannot be rolled back: ", w.root, path) + fmt.Sprintf(format, args...)}
	}
	if len(values) == 0 || values[0].Value != value || !values[0].Set {
		return no("the history of %s does not say who set %s", found.File, value)
	}
	now := values[0]
	switch before := w.Incident.Onset.Sub(now.When); {
	case now.SHA == "":
		return no("%s is older than was looked", value)
	case before < 0:
		return no("%s was set by %.12s %s after the incident began: somebody is at it", value, now.SHA, round(-before))
	case before > by.ChangedWithin:
		return no("%s was set by %.12s %s before the incident began, more than the %s in which it would be suspected", value, now.SHA, round(before), round(by.ChangedWithin))
	}
	for _, v := range values[1:] {
		if v.Set && v.Value != value && v.For(w.Began) >= by.HealthyFor {
			w.blame = &incident.Suspect{SHA: now.SHA, Subject: now.Subject, Author: now.Author.Name, When: now.When, Before: w.Incident.Onset.Sub(now.When)}
			w.why = append(w.why, fmt.Sprintf("git says that %s was in effect for %s, and that %s set %s %s before the incident began",
				v.Value, round(v.For(w.Began)), w.blame.Short(), value, round(w.blame.Before)))
			return v.Value, nil
		}
	}
	return no("no earlier value is known that was in effect for %s", round(by.HealthyFor))
}

// revert takes the suspect back: the first that is within bounds, is not undone already, and changes what the root is.
func (w *work) revert(by playbooks.Suspected) error {
	var last error
	for _, s := range w.Suspects {
		if s.Before > by.Within || s.Before < 0 || s.Distance > by.Distance {
			if last == nil {
				last = &incident.NoPlan{Why: fmt.Sprintf("no commit is suspect enough: the likeliest, %s, came %s before the incident at distance %d, and the playbook takes back what came within %s at distance %d",
					s.Short(), round(s.Before), s.Distance, round(by.Within), by.Distance)}
			}
			continue
		}
		if clash := w.Clashes[s.SHA]; clash != nil {
			return &incident.NoPlan{Why: fmt.Sprintf("the suspect cannot be taken back: %v", clash)}
		}
		undo, known := w.Reverts[s.SHA]
		if !known {
			return &errWanted{Wanted{Revert: s.SHA}}
		}
		if len(undo.Files) == 0 {
			last = &incident.NoPlan{Why: fmt.Sprintf("all of the suspect %s is undone already", s.Short())}
			continue
		}
		done, err := w.undo(s, undo)
		if done || err != nil {
			return err
		}
		last = &incident.NoPlan{Why: fmt.Sprintf("to take the suspect %s back would not change %s", s.Short(), w.root)}
	}
	if last == nil {
		last = &incident.NoPlan{Why: "no commit is suspect: none changed what the incident's workloads are before it began"}
	}
	return last
}

// undo takes one commit back, if that changes the root.
func (w *work) undo(s incident.Suspect, undo repo.Reverted) (done bool, err error) {
	if len(undo.Executable) > 0 {
		return false, &incident.NoPlan{Why: fmt.Sprintf("the suspect %s changed which files are programs, which is not for us to take back", s.Short())}
	}
	overlay, err := locate.RenderedBy(w.now, w.query(w.root, nil, false))
	if err != nil {
		return false, err
	}
	all, err := w.compare(w.now, locate.With(w.now, undo.Files), overlay)
	if err != nil {
		return false, err
	}
	if len(all) == 0 || all[0].resource.Key() != w.root.Key() {
		return false, nil
	}
	file := slices.Sorted(maps.Keys(undo.Files))[0]
	line := 1
	for _, f := range slices.Sorted(maps.Keys(undo.Files)) {
		if n, ok := firstLine(w.now, f, undo.Files[f]); ok && slices.Contains(s.Paths, f) {
			file, line = f, n
			break
		}
	}
	why := []string{fmt.Sprintf("%s renders %s", overlay, w.root), fmt.Sprintf("%s changed it %s before the incident began", s.Short(), round(s.Before)),
		fmt.Sprintf("proof: with that commit taken back, %d of the objects that are rendered change, and all else stays", len(all))}
	w.reverts, w.blame = &s, &s
	return true, w.take(undo.Files, overlay, incident.Edit{File: file, Line: line, Why: why})
}

// firstLine is the first line, from 1, in which a file differs.
func firstLine(files locate.Files, path string, now []byte) (int, bool) {
	was, err := files.ReadFile(path)
	if err != nil {
		return 1, true
	}
	line := 1
	for i := 0; i < min(len(was), len(now)) && was[i] == now[i]; i++ {
		if now[i] == '\n' {
			line++
		}
	}
	return line, true
}

func round(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	case d >= time.Minute:
		d = d.Round(time.Minute)
		return trimZeros(d.String())
	}
	return d.Round(time.Second).String()
}
