package demo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
	"github.com/cortexops/cortexops/cmd/sandbox/seed/git"
)

const (
	argoNamespace = "argocd"
	argoRefresh   = "argocd.argoproj.io/refresh"
	argoObjects   = `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec:
  project: default
  source: {repoURL: %q, path: overlays/production, targetRevision: main}
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  syncPolicy: {automated: {}}
`
)

var applications = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}

// argo plays the application controller, which looks when it is asked to: else every three minutes.
type argo struct {
	*tool
	mu     sync.Mutex
	looked bool
	fails  bool   // at the next revision
	failed string // at this revision
}

// argoMark is how Argo CD tracks what it applies.
func argoMark(o *unstructured.Unstructured) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	kind := o.GroupVersionKind()
	annotations["argocd.argoproj.io/tracking-id"] = fmt.Sprintf("shop:%s/%s:%s/%s", kind.Group, kind.Kind, o.GetNamespace(), o.GetName())
	o.SetAnnotations(annotations)
}

func argoDelivers(t *testing.T, h *house) {
	a := &argo{tool: delivering(t, h, argoNamespace, "argocd-controller", "argo-cd-*/*.yaml", fmt.Sprintf(argoObjects, git.URL(h.Stack)))}
	a.plays(t, a.reconcile)
	a.hasAll(t, argoMark)
	undo := h.reconfigured(t, func(config map[string]any) { config["delivery"] = map[string]any{"mode": "argocd"} })
	defer undo()
	for _, part := range []struct {
		name string
		run  func(*testing.T, *argo)
	}{{"it brings the merge", argoBrings}, {"it does not sync by itself", argoByHand}, {"its sync fails", argoFails}} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, a) }) {
			t.FailNow()
		}
	}
}

// reconcile is what the controller does next. An Application's status is no subresource.
func (a *argo) reconcile(ctx context.Context) error {
	app, err := a.client.Resource(applications).Namespace(argoNamespace).Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if _, asked := app.GetAnnotations()[argoRefresh]; a.looked && !asked {
		return nil
	}
	sha, err := a.fetch(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	if a.fails {
		a.fails, a.failed = false, sha
	}
	failed := a.failed == sha
	a.mu.Unlock()
	now := time.Now().UTC().Format(time.RFC3339)
	source := map[string]any{"repoURL": git.URL(a.h.Stack), "path": "overlays/production", "targetRevision": "main"}
	operation := func(phase, message string) map[string]any {
		return map[string]any{"phase": phase, "message": message, "startedAt": now, "finishedAt": now, "operation": map[string]any{"sync": map[string]any{"revision": sha}},
			"syncResult": map[string]any{"revision": sha, "source": source}}
	}
	status := map[string]any{"sync": map[string]any{"status": "OutOfSync", "revision": sha, "comparedTo": map[string]any{"source": source, "destination": map[string]any{"namespace": "shop"}}},
		"health": map[string]any{"status": "Healthy"}, "reconciledAt": now}
	automated, _, _ := unstructured.NestedMap(app.Object, "spec", "syncPolicy", "automated")
	switch {
	case automated == nil:
	case failed:
		status["operationState"] = operation("Failed", "one or more objects failed to apply, reason: admission webhook denied the request")
	default:
		if err := a.deploys(ctx, sha, argoMark); err != nil {
			return err
		}
		status["sync"].(map[string]any)["status"] = "Synced"
		status["operationState"] = operation("Succeeded", "successfully synced (all tasks run)")
	}
	a.looked = true
	return a.merge(ctx, applications, app, map[string]any{"metadata": map[string]any{"annotations": map[string]any{argoRefresh: nil}}, "status": status})
}

func (a *argo) change(t *testing.T, patch any) {
	t.Helper()
	app := &unstructured.Unstructured{}
	app.SetName("shop")
	app.SetNamespace(argoNamespace)
	check(t, a.merge(t.Context(), applications, app, patch))
}

// asked is `argocd app get shop --refresh`, or the webhook of a push.
func (a *argo) asked(t *testing.T) {
	t.Helper()
	a.change(t, map[string]any{"metadata": map[string]any{"annotations": map[string]any{argoRefresh: "normal"}}})
}

func (a *argo) automated(t *testing.T, on any) {
	t.Helper()
	a.change(t, map[string]any{"spec": map[string]any{"syncPolicy": map[string]any{"automated": on}}})
}

// begun is that of house, where Argo CD is told of the push.
func (a *argo) begun(t *testing.T) (id string) {
	t.Helper()
	known := a.h.remediations(t)
	_, err := seed.LowerMemory(t.Context(), a.h.Stack)
	check(t, err)
	a.asked(t)
	return a.h.another(t, known, "APPROVAL_PENDING")
}

func argoBrings(t *testing.T, a *argo) {
	h := a.h
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	check(t, err)
	id := a.begun(t)
	check(t, h.Approve(t.Context(), "sam", h.pullOf(t, id).Number))
	h.ends(t, id, "SUCCEEDED", "pass")
	p := a.delivered(t, id, writes)
	live, err := a.client.Resource(applications).Namespace(argoNamespace).Get(t.Context(), "shop", metav1.GetOptions{})
	check(t, err)
	if revision, _, _ := unstructured.NestedString(live.Object, "status", "sync", "revision"); revision != p.MergeSHA {
		t.Errorf("it is synced to %q, and %s was merged", revision, p.MergeSHA)
	}
	if rows := h.rows(t, id); !strings.Contains(rows, "Application argocd/shop") {
		t.Errorf("the ledger does not say who was asked:\n%s", rows)
	}
}

// argoByHand takes the automatic sync away after the approval: git has the change, and we start no sync.
func argoByHand(t *testing.T, a *argo) {
	h := a.h
	id := a.begun(t)
	h.between(t, h.pullOf(t, id), func() { a.automated(t, nil) })
	h.ends(t, id, "ESCALATED", "it does not sync by itself, and we start no sync: set spec.syncPolicy.automated")
	if memory, err := h.Memory(t.Context(), "checkout"); err != nil || memory != "256Mi" || h.pullOf(t, id).MergedAt == nil {
		t.Errorf("the limit is %s, %v, and %+v", memory, err, h.pullOf(t, id))
	}
	a.automated(t, map[string]any{})
	a.asked(t)
	check(t, h.quiet(t, "512Mi"))
}

// argoFails has the sync of what was merged fail, and not that of the revert.
func argoFails(t *testing.T, a *argo) {
	h := a.h
	id := a.begun(t)
	h.between(t, h.pullOf(t, id), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.fails = true
	})
	h.ends(t, id, "ROLLED_BACK", "Failed: one or more objects failed to apply")
	_, err := seed.RestoreMemory(t.Context(), h.Stack)
	check(t, err)
	a.asked(t)
	check(t, h.quiet(t, "512Mi"))
}
