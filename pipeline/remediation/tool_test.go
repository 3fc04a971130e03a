package remediation

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// asked is a tool that says what it is told to, of what it was asked.
type asked struct {
	err     error
	commits []string
	objects []delivery.Ref
}

func (a *asked) Request(_ context.Context, objects []delivery.Ref, commit string) ([]string, error) {
	a.commits, a.objects = append(a.commits, commit), objects
	return []string{"Kustomization flux-system/apps"}, a.err
}

func (a *asked) Follow(_ context.Context, objects []delivery.Ref, commit string, w delivery.Watch) error {
	if err := w.Write("Kustomization flux-system/shop", func() error { return nil }); err != nil {
		return err
	}
	a.commits, a.objects = append(a.commits, commit), objects
	return a.err
}

// released is a cluster in which a tool has delivered, and that nothing is applied to.
type released struct {
	server
	waited []delivery.Ref
}

func (r *released) Wait(_ context.Context, refs []delivery.Ref, _ func(string)) error {
	r.waited = refs
	return nil
}

// TestAToolIsAsked only for what renders as it was approved; we apply nothing.
func TestAToolIsAsked(t *testing.T) {
	t.Parallel()
	const approved, other = `{"memory":"96Mi"}`, `{"memory":"128Mi"}`
	release := incident.Resource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease", Namespace: "shop", Name: "checkout"}
	workload := incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	for name, c := range map[string]struct {
		render string
		err    error
		kind   string
	}{
		"as approved":    {approved, nil, ""},
		"something else": {other, nil, "Mismatch"},
		"suspended":      {approved, &delivery.NotDelivered{Message: "it is suspended"}, "NotDelivered"},
		"no right":       {approved, &delivery.Forbidden{Rule: "- apiGroups: []"}, typeUnauthorized},
		"another's":      {approved, &delivery.Mismanaged{By: delivery.ByArgoCD, Mode: delivery.ByFlux}, "Mismanaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book, cluster, tool, seen := &pages{}, &released{}, &asked{err: c.err}, ""
			digest, err := put(t.Context(), book, incident.Proposal{Objects: []incident.RenderedObject{incident.Rendered(release, []byte(approved))},
				Edits: []incident.Edit{{Resource: workload}, {Resource: release}}})
			if err != nil {
				t.Fatal(err)
			}
			a := &Applier{Book: book, Repo: line{head: "head", asked: &seen}, Base: "main", Cluster: cluster, Tool: tool,
				Render: func(context.Context, locate.Files, string) ([]locate.Object, error) {
					return []locate.Object{{Group: release.Group, Kind: release.Kind, Namespace: "shop", Name: "checkout", JSON: []byte(c.render)}}, nil
				}}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(a.Apply)
			_, err = env.ExecuteActivity(a.Apply, ApplyInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: digest, Merge: "merge"})
			var app *temporal.ApplicationError
			if got := errors.As(err, &app); got != (c.kind != "") || got && (app.Type() != c.kind || !app.NonRetryable()) {
				t.Errorf("%v, want %q", err, c.kind)
			}
			if c.kind == "Mismatch" && (len(tool.commits) > 0 || strings.Contains(err.Error(), "nothing was applied")) {
				t.Errorf("asked for %q: %v", tool.commits, err)
			}
			if c.kind != "Mismatch" && (len(tool.commits) != 1 || tool.commits[0] != "merge" || len(tool.objects) != 2) {
				t.Errorf("asked for %q to %v", tool.commits, tool.objects)
			}
			if len(cluster.applied) > 0 {
				t.Errorf("applied %q", cluster.applied)
			}
			if done := book.has("apply", incident.Done); done != (c.kind == "") {
				t.Errorf("the ledger's done row is there: %v", done)
			}
		})
	}
}

// TestAToolIsFollowed before the rollout is waited for; of a revert the rollout is not.
func TestAToolIsFollowed(t *testing.T) {
	t.Parallel()
	stuck := &delivery.Stuck{Message: "BuildFailed: no such file"}
	workload := incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	object := incident.Rendered(workload, []byte(`{}`))
	for name, c := range map[string]struct {
		err    error
		revert bool
		inSync bool
		stuck  string
		waited int
	}{
		"delivered":                         {nil, false, true, "", 1},
		"not delivered":                     {stuck, false, false, stuck.Message, 0},
		"reverted":                          {nil, true, true, "", 0},
		"reverted, and unhealthy as before": {stuck, true, true, "", 0},
		"not reverted":                      {stuck, true, false, "still differs", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book, cluster, tool := &pages{}, &released{server: server{inSync: c.inSync}}, &asked{err: c.err}
			digest, err := put(t.Context(), book, incident.Proposal{Before: []incident.RenderedObject{object}, Objects: []incident.RenderedObject{object},
				Edits: []incident.Edit{{Resource: workload}}})
			if err != nil {
				t.Fatal(err)
			}
			a := &Applier{Book: book, Cluster: cluster, Tool: tool}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(a.Wait)
			out, err := env.ExecuteActivity(a.Wait, ApplyInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: digest, Merge: "merge", Revert: c.revert})
			if err != nil {
				t.Fatal(err)
			}
			var got Rollout
			if err := out.Get(&got); err != nil {
				t.Fatal(err)
			}
			if step := map[bool]string{false: "apply", true: "apply-revert"}[c.revert] + "-Kustomization flux-system/shop"; !book.has(step, incident.Intent) || !book.has(step, incident.Done) {
				t.Errorf("the ledger does not say who was asked on the way: %+v", book.rows)
			}
			if (got.Stuck == "") != (c.stuck == "") || !strings.Contains(got.Stuck, c.stuck) || len(cluster.waited) != c.waited || tool.commits[0] != "merge" {
				t.Errorf("%+v, waited for %v after %q", got, cluster.waited, tool.commits)
			}
		})
	}
}

// TestAToolDeliversWhatPolicyRefuses after the merge: that is recorded, and the change is watched as any other.
func TestAToolDeliversWhatPolicyRefuses(t *testing.T) {
	t.Parallel()
	for tool, want := range map[string]incident.Phase{"": incident.Escalated, "flux": incident.Succeeded} {
		w := happy()
		w.planned.Tool = tool
		w.gates[incident.GateApply] = incident.Decision{Reasons: []string{"frozen"}}
		w.judge = func(int, JudgeInput) Judgement { return Judgement{State: "merged", By: []string{"sam"}, Merge: "m"} }
		if end := w.play(t); end.Phase != want {
			t.Errorf("with the tool %q: %+v", tool, end)
		}
	}
}

// TestAToolsRevertIsHeldToPolicy as any other.
func TestAToolsRevertIsHeldToPolicy(t *testing.T) {
	t.Parallel()
	w := happy()
	w.planned.Tool = "flux"
	w.gates[incident.GateApply] = incident.Decision{Reasons: []string{"frozen"}}
	w.judge = func(int, JudgeInput) Judgement { return Judgement{State: "merged", By: []string{"sam"}, Merge: "m"} }
	w.verdict = incident.Verdict{Result: incident.Fail}
	if end := w.play(t); end.Phase != incident.Escalated || !strings.Contains(end.Reason, "refuses the revert") {
		t.Errorf("%+v", end)
	}
}
