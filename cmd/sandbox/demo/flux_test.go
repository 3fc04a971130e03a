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
	fluxNamespace = "flux-system"
	fluxRequest   = "reconcile.fluxcd.io/requestedAt"
	fluxObjects   = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: shop, namespace: flux-system}
spec: {interval: 1h, url: %q, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop, namespace: flux-system}
spec: {interval: 1h, prune: true, path: ./overlays/production, sourceRef: {kind: GitRepository, name: shop}}
`
)

var (
	gitRepositories = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
	kustomizations  = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
)

// flux plays source-controller and kustomize-controller, which look when they are asked to: their interval is an hour.
type flux struct {
	*tool
	mu     sync.Mutex
	stalls bool   // at the next revision
	stuck  string // at this revision
}

// fluxMark is how kustomize-controller labels what it applies.
func fluxMark(o *unstructured.Unstructured) {
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["kustomize.toolkit.fluxcd.io/name"], labels["kustomize.toolkit.fluxcd.io/namespace"] = "shop", fluxNamespace
	o.SetLabels(labels)
}

func fluxDelivers(t *testing.T, h *house) {
	f := &flux{tool: delivering(t, h, fluxNamespace, "kustomize-controller", "*-controller-*/*.yaml", fmt.Sprintf(fluxObjects, git.URL(h.Stack)))}
	f.plays(t, f.reconcile)
	f.hasAll(t, fluxMark)
	undo := h.reconfigured(t, func(config map[string]any) { config["delivery"] = map[string]any{"mode": "flux"} })
	defer undo()
	for _, part := range []struct {
		name string
		run  func(*testing.T, *flux)
	}{{"it brings the merge", fluxBrings}, {"it is suspended", fluxSuspended}, {"it is stalled", fluxStalled}} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, f) }) {
			t.FailNow()
		}
	}
}

// reconcile is what the controllers do next.
func (f *flux) reconcile(ctx context.Context) error {
	source, err := f.client.Resource(gitRepositories).Namespace(fluxNamespace).Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		return err
	}
	at := func(o *unstructured.Unstructured, path ...string) string {
		s, _, _ := unstructured.NestedString(o.Object, path...)
		return s
	}
	revision := at(source, "status", "artifact", "revision")
	if asked := source.GetAnnotations()[fluxRequest]; revision == "" || asked != at(source, "status", "lastHandledReconcileAt") {
		sha, err := f.fetch(ctx)
		if err != nil {
			return err
		}
		revision = "main@sha1:" + sha
		if err := f.merge(ctx, gitRepositories, source, fluxStatus(source, map[string]any{"artifact": map[string]any{"digest": "sha256:" + strings.Repeat("0", 64),
			"lastUpdateTime": time.Now().UTC().Format(time.RFC3339), "path": "shop", "revision": revision, "url": "http://source/shop"}},
			"Ready", "True", "Succeeded", "stored artifact for revision '"+revision+"'"), "status"); err != nil {
			return err
		}
	}
	k, err := f.client.Resource(kustomizations).Namespace(fluxNamespace).Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		return err
	}
	suspended, _, _ := unstructured.NestedBool(k.Object, "spec", "suspend")
	if suspended || at(k, "status", "lastAttemptedRevision") == revision && k.GetAnnotations()[fluxRequest] == at(k, "status", "lastHandledReconcileAt") {
		return nil
	}
	f.mu.Lock()
	if f.stalls && at(k, "status", "lastAttemptedRevision") != revision {
		f.stalls, f.stuck = false, revision
	}
	stuck := f.stuck == revision
	f.mu.Unlock()
	if stuck {
		return f.merge(ctx, kustomizations, k, fluxStatus(k, map[string]any{"lastAttemptedRevision": revision},
			"Ready", "False", "InvalidCELExpression", "failed to evaluate healthChecks", "Stalled", "True", "InvalidCELExpression", "it has no such field"), "status")
	}
	if err := f.deploys(ctx, strings.TrimPrefix(revision, "main@sha1:"), fluxMark); err != nil {
		return err
	}
	return f.merge(ctx, kustomizations, k, fluxStatus(k, map[string]any{"lastAttemptedRevision": revision, "lastAppliedRevision": revision},
		"Ready", "True", "ReconciliationSucceeded", "Applied revision: "+revision), "status")
}

// fluxStatus is that of an object that was reconciled; each condition is type, status, reason and message.
func fluxStatus(o *unstructured.Unstructured, status map[string]any, conditions ...string) any {
	var list []any
	for ; len(conditions) > 0; conditions = conditions[4:] {
		list = append(list, map[string]any{"type": conditions[0], "status": conditions[1], "reason": conditions[2], "message": conditions[3],
			"observedGeneration": o.GetGeneration(), "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)})
	}
	status["conditions"], status["observedGeneration"] = list, o.GetGeneration()
	if asked := o.GetAnnotations()[fluxRequest]; asked != "" {
		status["lastHandledReconcileAt"] = asked
	}
	return map[string]any{"status": status}
}

// asked is `flux reconcile source git shop`, or a Receiver that the forge has told of a push.
func (f *flux) asked(t *testing.T) {
	t.Helper()
	source := &unstructured.Unstructured{}
	source.SetName("shop")
	source.SetNamespace(fluxNamespace)
	check(t, f.merge(t.Context(), gitRepositories, source, map[string]any{"metadata": map[string]any{"annotations": map[string]any{fluxRequest: time.Now().Format(time.RFC3339Nano)}}}))
}

// begun is that of house, where Flux is told of the push.
func (f *flux) begun(t *testing.T) (id string) {
	t.Helper()
	known := f.h.remediations(t)
	_, err := seed.LowerMemory(t.Context(), f.h.Stack)
	check(t, err)
	f.asked(t)
	return f.h.another(t, known, "APPROVAL_PENDING")
}

func (f *flux) suspend(t *testing.T, on any) {
	t.Helper()
	k := &unstructured.Unstructured{}
	k.SetName("shop")
	k.SetNamespace(fluxNamespace)
	check(t, f.merge(t.Context(), kustomizations, k, map[string]any{"spec": map[string]any{"suspend": on}}))
}

func fluxBrings(t *testing.T, f *flux) {
	h := f.h
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	check(t, err)
	id := f.begun(t)
	check(t, h.Approve(t.Context(), "sam", h.pullOf(t, id).Number))
	h.ends(t, id, "SUCCEEDED", "pass")
	p := f.delivered(t, id, writes)
	for _, r := range []schema.GroupVersionResource{gitRepositories, kustomizations} {
		live, err := f.client.Resource(r).Namespace(fluxNamespace).Get(t.Context(), "shop", metav1.GetOptions{})
		check(t, err)
		if asked := live.GetAnnotations()[fluxRequest]; asked != "cortexops-"+p.MergeSHA {
			t.Errorf("%s was asked at last %q, and %s was merged", r.Resource, asked, p.MergeSHA)
		}
	}
	if rows := h.rows(t, id); !strings.Contains(rows, "GitRepository flux-system/shop") || !strings.Contains(rows, "Kustomization flux-system/shop") {
		t.Errorf("the ledger does not say who was asked:\n%s", rows)
	}
}

// fluxSuspended suspends the Kustomization after the approval: git has the change, and nobody brings it before a person helps.
func fluxSuspended(t *testing.T, f *flux) {
	h := f.h
	id := f.begun(t)
	p := h.pullOf(t, id)
	h.between(t, p, func() { f.suspend(t, true) })
	h.ends(t, id, "ESCALATED", "it is suspended; resume it: flux resume kustomization shop -n flux-system")
	if memory, err := h.Memory(t.Context(), "checkout"); err != nil || memory != "256Mi" || h.pullOf(t, id).MergedAt == nil {
		t.Errorf("the limit is %s, %v, and %+v", memory, err, h.pullOf(t, id))
	}
	f.suspend(t, nil)
	f.asked(t)
	check(t, h.quiet(t, "512Mi"))
}

// fluxStalled has Flux refuse what was merged, and not the revert of it.
func fluxStalled(t *testing.T, f *flux) {
	h := f.h
	id := f.begun(t)
	h.between(t, h.pullOf(t, id), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stalls = true
	})
	h.ends(t, id, "ROLLED_BACK", "InvalidCELExpression: it has no such field")
	_, err := seed.RestoreMemory(t.Context(), h.Stack)
	check(t, err)
	f.asked(t)
	check(t, h.quiet(t, "512Mi"))
}

// quiet waits until checkout has its memory and the alert has resolved.
func (h *house) quiet(t *testing.T, memory string) error {
	t.Helper()
	return wait(t.Context(), "the alert to resolve", time.Minute, func(ctx context.Context) (bool, error) {
		firing, err := h.Firing(ctx, "ContainerOOMKilled")
		if err != nil || firing {
			return false, err
		}
		now, err := h.Memory(ctx, "checkout")
		return now == memory, err
	})
}
