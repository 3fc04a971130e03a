package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// argo is Argo CD that delivers checkout by the Application shop, which the Application root makes.
func (c tools) argo() *ArgoCD {
	c.t.Helper()
	for name, by := range map[string]string{"root": "", "shop": "root"} {
		c.application(name, by, ourURL, "{automated: {}}")
		c.compared(name, before, "Synced", "Healthy", "")
	}
	c.deploy(c.tracked("512Mi"), argoManager)
	a, err := NewArgoCD(c.config, c.namespace, history)
	check(c.t, err)
	return a
}

func (c tools) application(name, by, url, policy string) {
	c.t.Helper()
	tracking := ""
	if by != "" {
		tracking = fmt.Sprintf("annotations: {argocd.argoproj.io/tracking-id: '%s:argoproj.io/Application:%s/%s'}, ", by, c.namespace, name)
	}
	text := fmt.Sprintf("{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {%sname: %s}, spec: {project: default, destination: {namespace: %s}, source: {repoURL: %s, path: ./}, syncPolicy: %s}}",
		tracking, name, c.namespace, url, policy)
	var object any
	check(c.t, yaml.Unmarshal([]byte(text), &object))
	data, err := json.Marshal(object)
	check(c.t, err)
	force := true
	_, err = c.of("Application").Patch(c.t.Context(), name, types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: "test", Force: &force})
	check(c.t, err)
}

// compared is the application-controller that has refreshed and compared an Application; more of the status is YAML.
func (c tools) compared(name, sha, sync, health, more string) {
	c.t.Helper()
	status := map[string]any{}
	check(c.t, yaml.Unmarshal([]byte(more), &status))
	for _, key := range []string{"operationState", "conditions"} {
		if status[key] == nil {
			status[key] = nil // else that of the last time stays
		}
	}
	status["sync"] = map[string]any{"status": sync, "revision": sha, "comparedTo": map[string]any{"destination": map[string]any{}}}
	status["health"] = map[string]any{"status": health}
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{refresh: nil}}, "status": status})
	check(c.t, err)
	_, err = c.of("Application").Patch(c.t.Context(), name, types.MergePatchType, data, metav1.PatchOptions{})
	check(c.t, err)
}

// tracked is the deployment with Argo CD's annotation.
func (c tools) tracked(memory string) []byte {
	id := fmt.Sprintf(`"metadata":{"annotations":{"argocd.argoproj.io/tracking-id":"shop:apps/Deployment:%s/checkout"},"name":"checkout"`, c.namespace)
	return []byte(strings.Replace(string(c.deployment(memory)), `"metadata":{"name":"checkout"`, id, 1))
}

func (c tools) refreshed(name string) {
	c.t.Helper()
	c.until(name+" is asked", func(context.Context) (bool, error) {
		return c.annotation("Application", name, refresh) == "normal", nil
	})
}

func TestArgoCDBringsTheMergedRevision(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	c.argo()
	d := c.worker(append(c.shipped("argocd"), deployments)...)
	d.mode, d.manager = ByArgoCD, ""
	a := &ArgoCD{d, history, c.namespace}
	change, err := a.Preview(t.Context(), c.deployment("512Mi"), c.deployment("1Gi")) // git does not say Argo CD's annotation
	check(t, err)
	if len(change.Fields) != 1 || len(change.Drift) > 0 || c.annotation("Application", "root", refresh) != "" {
		t.Errorf("%+v", change)
	}
	asked, err := a.Request(t.Context(), []Ref{c.ref()}, merged)
	check(t, err)
	if want := []string{"Application " + c.namespace + "/root"}; !slices.Equal(asked, want) || c.annotation("Application", "root", refresh) != "normal" {
		t.Errorf("asked %q", asked)
	}
	w := c.follow(a, c.ref())
	w.hears("root: Synced, Healthy") // of the older revision
	if c.annotation("Application", "shop", refresh) != "" {
		t.Error("shop was asked before root was synced")
	}
	c.compared("root", after, "Synced", "Healthy", "")
	c.refreshed("shop")
	c.compared("shop", merged, "OutOfSync", "Healthy", "operationState: {phase: Running, startedAt: 2026-11-28T12:00:00Z, operation: {}}")
	w.hears("shop: OutOfSync, Healthy")
	c.deploy(c.tracked("1Gi"), argoManager)
	c.compared("shop", merged, "Synced", "Progressing", "")
	w.hears("shop: Synced, Progressing")
	c.compared("shop", merged, "Synced", "Healthy", "operationState: {phase: Succeeded, startedAt: 2026-11-28T12:00:00Z, operation: {}}")
	if err := <-w.done; err != nil {
		t.Fatalf("%v, after %q", err, w.said)
	}
}

func TestArgoCDFails(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	a := c.argo()
	failed := func(sha string) string {
		return "operationState: {phase: Failed, message: one or more objects failed to apply, startedAt: 2026-11-28T12:00:00Z, operation: {}, syncResult: {revision: " + sha + "}}"
	}
	var stuck *Stuck
	var not *NotDelivered
	for name, play := range map[string]struct {
		act   func()
		as    any
		words string
	}{
		"it cannot sync": {func() { c.compared("root", merged, "OutOfSync", "Healthy", failed(merged)) }, &stuck, "Failed: one or more objects failed to apply"},
		"it cannot render": {func() {
			c.compared("root", merged, "Unknown", "Healthy", "conditions: [{type: ComparisonError, message: no such file}]")
		}, &not, "ComparisonError: no such file"},
		"somebody stops it":      {func() { c.application("root", "", ourURL, "{syncOptions: [Validate=true]}") }, &not, "spec.syncPolicy.automated"},
		"an older one failed":    {func() { c.compared("root", before, "OutOfSync", "Healthy", failed(before)) }, nil, ""},
		"it is compared to less": {func() { c.compared("root", before, "Synced", "Healthy", "") }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := tools{&cluster{t, c.config, c.kube, c.namespace}, c.client}
			c.argo()
			_, err := a.Request(t.Context(), []Ref{c.ref()}, merged)
			check(t, err)
			w := c.follow(a, c.ref())
			w.hears("root: Synced, Healthy")
			play.act()
			if play.as == nil { // it waits on
				c.until("it is compared", func(context.Context) (bool, error) { return c.annotation("Application", "root", refresh) == "", nil })
				c.compared("root", merged, "Synced", "Healthy", "")
				c.refreshed("shop")
				c.compared("shop", merged, "Synced", "Healthy", "")
				check(t, <-w.done)
				return
			}
			if err := <-w.done; err == nil || !errors.As(err, play.as) || !strings.Contains(err.Error(), play.words) {
				t.Errorf("got %v, want %T and %q", err, play.as, play.words)
			}
		})
	}
}

func TestArgoCDIsNotAsked(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	a := c.argo()
	for name, play := range map[string]struct {
		act   func()
		words string
	}{
		"another repository":       {func() { c.application("shop", "", "https://git.example.com/other/repo", "{automated: {}}") }, "git.url in the configuration"},
		"synced by hand":           {func() { c.application("shop", "root", ourURL, "{syncOptions: [Validate=true]}") }, "spec.syncPolicy.automated"},
		"an Application not there": {func() { check(t, c.of("Application").Delete(t.Context(), "shop", metav1.DeleteOptions{})) }, "it is not there"},
		"Flux's object":            {func() { c.deploy(c.delivered("512Mi", kustomizeGroup, "apps"), argoManager) }, "configure delivery.mode: flux"},
	} {
		t.Run(name, func(t *testing.T) {
			c := tools{&cluster{t, c.config, c.kube, c.namespace}, c.client}
			c.argo()
			play.act()
			_, err := a.Preview(t.Context(), c.tracked("512Mi"), c.tracked("1Gi"))
			if err == nil || !final(err) || !strings.Contains(err.Error(), play.words) {
				t.Errorf("got %v, want %q", err, play.words)
			}
		})
	}
}
