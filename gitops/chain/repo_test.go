package chain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// TestRepository proposes a change of the image, the memory limit and the replicas of every workload that Flux or Argo CD
// delivers from a repository, each proven by rendering, or refused for a typed reason, and prints what came of it.
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
	files := locate.Once(locate.FromFS(root.FS()))
	c, err := Open(context.Background(), files, Options{Charts: charts(t)})
	if err != nil {
		t.Fatal(err)
	}
	r := trial{t: t, files: files, chain: c, counts: map[string]int{}}
	for _, u := range c.world.units {
		if u.err != nil {
			r.row(u, "", "", refused(t, u.err))
			continue
		}
		for _, o := range u.objects {
			r.workload(u, o)
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(r.counts)) {
		fmt.Printf("%6d %s\n", r.counts[outcome], outcome)
	}
	if len(c.world.units) == 0 {
		fmt.Println("     0 delivered by Flux or Argo CD")
	}
}

type trial struct {
	t      *testing.T
	files  locate.Files
	chain  *Chain
	counts map[string]int
}

func refused(t *testing.T, err error) string {
	t.Helper()
	var own *locate.Refusal
	var edits *edit.Refusal
	switch {
	case errors.As(err, &own):
		return fmt.Sprintf("refused, %s: %s", own.Reason, own.Why)
	case errors.As(err, &edits):
		return "refused, uneditable: " + edits.Error()
	}
	t.Errorf("refused without a reason: %v", err)
	return "refused: " + err.Error()
}

func (r trial) row(u *unit, object, field, outcome string) {
	short, _, _ := strings.Cut(outcome, ":")
	if !strings.HasPrefix(outcome, "refused") {
		short = "proven"
	}
	r.counts[short]++
	fmt.Printf("%s\t%s\t%s\t%s\n", u.where(), object, field, outcome)
}

var podsAt = map[string]string{"Deployment": "spec.template.spec", "StatefulSet": "spec.template.spec", "DaemonSet": "spec.template.spec",
	"Job": "spec.template.spec", "CronJob": "spec.jobTemplate.spec.template.spec", "Rollout": "spec.template.spec"}

func (r trial) workload(u *unit, o locate.Object) {
	spec, ok := podsAt[o.Kind]
	if !ok {
		return
	}
	doc, err := decode(o.JSON)
	if err != nil {
		r.t.Fatal(err)
	}
	containers, _ := parsed(r.t, spec+".containers").Get(doc)
	all, _ := containers.([]any)
	for _, c := range all {
		at := spec + ".containers[name=" + text(c, "name") + "]"
		r.field(u, o, doc, at+".image", func(s string) string {
			to, err := edit.Image(s, "v0.0.1-cortexops", "")
			if err != nil {
				return "cortexops:v0.0.1"
			}
			return to
		})
		r.field(u, o, doc, at+".resources.limits.memory", func(string) string { return "777Mi" })
	}
	if o.Kind != "DaemonSet" && o.Kind != "Job" && o.Kind != "CronJob" {
		r.field(u, o, doc, "spec.replicas", func(string) string { return "7" })
	}
}

// field proposes one change. A field that nothing sets is none to change.
func (r trial) field(u *unit, o locate.Object, doc any, field string, to func(string) string) {
	p := parsed(r.t, field)
	was, ok := p.Get(doc)
	if !ok {
		return
	}
	ctx := context.Background()
	ns := first(o.Namespace, u.defaults)
	q := Query{Query: locate.Query{Object: edit.Selector{Group: o.Group, Kind: o.Kind, Namespace: ns, Name: o.Name}, Field: p}}
	value := to(edit.Text(was))
	found, err := r.chain.Place(ctx, q, value)
	var refusal *locate.Refusal
	if errors.As(err, &refusal) && refusal.Reason == locate.Ambiguous { // name the cluster, as whoever runs several does
		q.Overlays = []string{u.root().file}
		found, err = r.chain.Place(ctx, q, value)
	}
	if err != nil {
		r.row(u, o.String(), field, refused(r.t, err))
		return
	}
	changed, err := found.Write(r.files, value)
	if err != nil {
		r.t.Errorf("%s %s of %s: it was placed, and is not written: %v", u, field, o, err)
		return
	}
	after, err := r.chain.With(ctx, changed)
	if err == nil {
		err = r.chain.Prove(after, q, value)
	}
	if err != nil {
		r.t.Errorf("%s %s of %s: it was placed, and is not proven: %v", u, field, o, err)
		return
	}
	outcome := fmt.Sprintf("%s:%d:%d", found.File, found.Line, found.Column)
	if found.New {
		outcome += " added"
	}
	r.row(u, o.String(), field, outcome)
}

func parsed(t *testing.T, field string) edit.Path {
	t.Helper()
	p, err := edit.ParsePath(field)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
