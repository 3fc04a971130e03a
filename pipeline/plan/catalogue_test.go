package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

// story is a test.yaml beside a playbook.
type story struct {
	Files    map[string]string
	Overlays []string
	Cases    []storyCase
}

type storyCase struct {
	Name     string
	Incident struct {
		Kind, Group, Namespace, Name, Container string
		Alerts                                  []string
	}
	Suspects []struct {
		SHA    string
		Before time.Duration
		Paths  []string
		Fields []string
	}
	History []struct {
		Value, SHA string
		Before     time.Duration
	}
	Reverts map[string]map[string]string
	Clash   string
	Edits   []string
	Refused string
}

// values of the field's history, the newest first.
func (c storyCase) values() []repo.Value {
	var out []repo.Value
	for i, v := range c.History {
		out = append(out, repo.Value{Value: v.Value, Set: true, Commit: repo.Commit{SHA: v.SHA, When: onset.Add(-v.Before), Subject: "ship it", Author: repo.Author{Name: "dana"}}})
		if i > 0 {
			out[i].Until = out[i-1].When
		}
	}
	return out
}

// Every playbook that ships comes with what it makes of incidents.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	books, err := playbooks.Load(playbooks.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	for _, book := range books {
		data, err := fs.ReadFile(playbooks.Catalogue(), book.Name+"/test.yaml")
		if err != nil {
			t.Fatal(err)
		}
		var s story
		d := yaml.NewDecoder(strings.NewReader(string(data)))
		d.KnownFields(true)
		if err := d.Decode(&s); err != nil {
			t.Fatalf("%s: %v", book.Name, err)
		}
		only := fstest.MapFS{}
		src, err := fs.ReadFile(playbooks.Catalogue(), book.File)
		if err != nil {
			t.Fatal(err)
		}
		only[book.File] = &fstest.MapFile{Data: src}
		one, err := playbooks.Load(only)
		if err != nil || len(s.Cases) == 0 {
			t.Fatalf("%s has %d cases, %v", book.Name, len(s.Cases), err)
		}
		for i := range s.Cases {
			t.Run(book.Name+": "+s.Cases[i].Name, func(t *testing.T) {
				t.Parallel()
				s.run(t, &Planner{Playbooks: one, Overlays: s.Overlays}, i)
			})
		}
	}
}

func (s story) run(t *testing.T, planner *Planner, i int) {
	t.Helper()
	c := s.Cases[i]
	r := request(s.Files)
	root := incident.Resource{Group: c.Incident.Group, Kind: c.Incident.Kind, Namespace: c.Incident.Namespace, Name: c.Incident.Name}
	r.Incident = incident.Incident{Root: root, Onset: onset}
	for _, a := range c.Incident.Alerts {
		r.Incident.Signals = append(r.Incident.Signals, incident.Signal{Name: a, Container: c.Incident.Container})
	}
	for _, x := range c.Suspects {
		suspect := incident.Suspect{SHA: x.SHA, Before: x.Before, Paths: x.Paths, Resource: root, Subject: "ship it", Author: "dana"}
		for _, f := range x.Fields {
			suspect.Fields = append(suspect.Fields, incident.FieldChange{Field: f})
		}
		r.Suspects = append(r.Suspects, suspect)
	}
	r.Histories, r.Reverts, r.Clashes = map[string][]repo.Value{}, map[string]repo.Reverted{}, map[string]error{}
	var p incident.Proposal
	var wanted Wanted
	var err error
	for range 4 {
		if p, wanted, err = planner.Propose(r); wanted == (Wanted{}) {
			break
		}
		if wanted.History != nil {
			r.Histories[HistoryKey(*wanted.History)] = c.values()
			continue
		}
		files := map[string][]byte{}
		for path, text := range c.Reverts[wanted.Revert] {
			files[path] = []byte(text)
		}
		r.Reverts[wanted.Revert] = repo.Reverted{Files: files}
		if c.Clash != "" {
			r.Clashes[wanted.Revert] = errors.New(c.Clash)
		}
	}
	var none *incident.NoPlan
	if c.Refused != "" {
		if !errors.As(err, &none) || !strings.Contains(none.Why, c.Refused) {
			t.Errorf("%v", err)
		}
		return
	}
	var edits []string
	for _, e := range p.Edits {
		edits = append(edits, fmt.Sprintf("%s: %s -> %s in %s:%d", e.Field, e.From, e.To, e.File, e.Line))
	}
	if err != nil || !slices.Equal(edits, c.Edits) || p.Explain == "" || strings.Contains(p.Explain, "()") {
		t.Errorf("%q %v\n%s", edits, err, p.Explain)
	}
}
