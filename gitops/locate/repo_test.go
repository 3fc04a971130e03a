package locate

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

// TestRepository proposes a change of the image, the memory limit and the replicas of every workload that a repository
// deploys, each proven by rendering, or refused for a typed reason, and prints what came of it.
func TestRepository(t *testing.T) {
	dir := os.Getenv("CORTEXOPS_REPO")
	if dir == "" {
		t.Skip("not run: no CORTEXOPS_REPO: make test-repo says how")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	files := Once(FromFS(root.FS()))
	r := trial{t: t, files: files, counts: map[string]int{}}
	units, err := discover(files, edit.Selector{Name: "apiVersion", Kind: "kind"}) // what all manifests have
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range slices.Concat(units[0], units[2]) {
		objects, err := rendered(u)
		if err != nil {
			r.row(u.name(), "", "", refusalText(t, err))
			continue
		}
		for _, o := range objects {
			r.workload(u.name(), o)
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(r.counts)) {
		fmt.Printf("%6d %s\n", r.counts[outcome], outcome)
	}
	if len(r.counts) == 0 {
		t.Errorf("%s deploys no workload", dir)
	}
}

type trial struct {
	t      *testing.T
	files  Files
	counts map[string]int
}

func (r trial) row(unit, object, field, outcome string) {
	short, _, _ := strings.Cut(outcome, ":")
	if !strings.HasPrefix(outcome, "refused") {
		short = "proven"
	}
	r.counts[short]++
	fmt.Printf("%s\t%s\t%s\t%s\n", unit, object, field, outcome)
}

// workload tries the fields of one object.
func (r trial) workload(unit string, o Object) {
	spec, ok := map[string]string{"Deployment": "spec.template.spec", "StatefulSet": "spec.template.spec", "DaemonSet": "spec.template.spec",
		"ReplicaSet": "spec.template.spec", "Job": "spec.template.spec", "CronJob": "spec.jobTemplate.spec.template.spec", "Rollout": "spec.template.spec"}[o.Kind]
	if !ok {
		return
	}
	doc, err := o.decoded()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, container := range names(r.t, doc, spec+".containers") {
		at := spec + ".containers[name=" + container + "]"
		r.field(unit, o, doc, at+".image", func(s string) string { i := splitImage(s); i.tag, i.digest = "v0.0.1-cortexops", ""; return i.String() })
		r.field(unit, o, doc, at+".resources.limits.memory", func(string) string { return "777Mi" })
	}
	if o.Kind != "DaemonSet" && o.Kind != "Job" && o.Kind != "CronJob" {
		r.field(unit, o, doc, "spec.replicas", func(string) string { return "7" })
	}
}

// field proposes one change. A field that nothing sets is none to change.
func (r trial) field(unit string, o Object, doc any, field string, to func(string) string) {
	p := fieldPath(r.t, field)
	was, ok := p.Get(doc)
	if !ok {
		return
	}
	q := Query{Object: edit.Selector{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}, Field: p}
	value := to(edit.Text(was))
	found, err := Place(r.files, q, value)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == Ambiguous || err == nil && found.Overlay != unit { // name the unit, as whoever runs several clusters does
		q.Overlays = []string{unit}
		found, err = Place(r.files, q, value)
	}
	if err != nil {
		r.row(unit, o.String(), field, refusalText(r.t, err))
		return
	}
	changed, err := found.Write(r.files, value)
	if err == nil {
		err = Prove(r.files, With(r.files, changed), q, found.Overlay, value)
	}
	if err != nil {
		r.t.Errorf("%s %s of %s: it was placed, and is not proven: %v", unit, field, o, err)
		return
	}
	outcome := fmt.Sprintf("%s:%d:%d", found.File, found.Line, found.Column)
	if found.New {
		outcome += " added"
	}
	r.row(unit, o.String(), field, outcome)
}

// names of the elements of a list.
func names(t *testing.T, doc any, field string) []string {
	t.Helper()
	list, _ := fieldPath(t, field).Get(doc)
	items, _ := list.([]any)
	var out []string
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			if name, ok := m["name"].(string); ok {
				out = append(out, name)
			}
		}
	}
	return out
}
