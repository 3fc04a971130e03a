package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// refresh is the annotation that Argo CD compares an Application anew for, and takes away when it has.
const refresh = "argocd.argoproj.io/refresh"

// ArgoCD brings a merged revision to the cluster by asking Argo CD to look, and follows it there. An Application has to sync
// by itself: we start no sync. It is safe for concurrent use.
type ArgoCD struct {
	*Direct
	o         FollowOptions
	namespace string
}

// NewArgoCD takes the namespace of those Applications that name none in what they track. It calls nothing.
func NewArgoCD(rc *rest.Config, namespace string, o FollowOptions) (*ArgoCD, error) {
	if o.Ours == nil || o.Contains == nil || namespace == "" {
		return nil, errors.New("to follow Argo CD, somebody must know the repository, and the namespace of the Applications")
	}
	d, err := connect(rc)
	if err != nil {
		return nil, err
	}
	d.mode = ByArgoCD
	return &ArgoCD{d, o, namespace}, nil
}

// Preview is that of Direct, and asks whether Argo CD would deliver the object, and we may ask it to.
func (a *ArgoCD) Preview(ctx context.Context, before, after []byte) (Change, error) {
	change, err := a.Direct.Preview(ctx, before, after)
	if err != nil {
		return change, err
	}
	way, err := a.way(ctx, []Ref{change.Ref})
	for _, app := range way {
		if err == nil {
			err = a.annotate(ctx, app, refresh, "normal", Watch{}, dry)
		}
	}
	return change, err
}

// Request asks Argo CD to look at the repository, for the first Application on the way to the objects, and returns whom it
// has asked. Follow asks the others. Errors as those of Flux.
func (a *ArgoCD) Request(ctx context.Context, objects []Ref, _ string) (asked []string, err error) {
	way, err := a.way(ctx, objects)
	if err != nil {
		return nil, err
	}
	return []string{way[0].String()}, a.annotate(ctx, way[0], refresh, "normal", Watch{}, nil)
}

// Follow waits until the Applications on the way are synced to the commit, or to one that comes after it, and healthy. *Stuck
// carries Argo CD's own word of why it could not sync, or says which of the objects will not become ready.
func (a *ArgoCD) Follow(ctx context.Context, objects []Ref, commit string, w Watch) error {
	way, err := a.way(ctx, objects)
	if err != nil {
		return err
	}
	for i, app := range way {
		if err := a.annotate(ctx, app, refresh, "normal", w, nil); err != nil {
			return err
		}
		err := a.poll(ctx, app, w.Progress, func(live *unstructured.Unstructured) (now string, done bool, err error) {
			now, synced, err := a.synced(ctx, app, live, commit)
			if err != nil || !synced {
				return now, false, err
			}
			if valueAt(live, "status", "health", "status") == "Healthy" {
				return now, true, nil
			}
			if i == len(way)-1 {
				err = a.stuck(ctx, objects)
			}
			return now, false, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stuck is the error of the first of the objects that will not become ready.
func (d *Direct) stuck(ctx context.Context, objects []Ref) error {
	for _, r := range objects {
		if _, _, err := d.rollout(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// way are the Applications that deliver the objects, from the first that takes from our repository on.
func (a *ArgoCD) way(ctx context.Context, objects []Ref) ([]Ref, error) {
	var way []Ref
	for _, r := range objects {
		live, err := a.get(ctx, r)
		if err != nil {
			return nil, err
		}
		by, err := a.charge(r, live)
		if err != nil {
			return nil, err
		}
		var of []Ref // this object's that count, the nearest first
		var seen []Ref
		for by.mode == ByArgoCD {
			app := by.unit
			app.Namespace = cmp.Or(app.Namespace, a.namespace)
			if slices.Contains(seen, app) {
				break
			}
			seen = append(seen, app)
			if live, err = a.get(ctx, app); err != nil {
				return nil, err
			}
			if live == nil {
				return nil, &NotDelivered{app, "it is not there, so that nothing brings " + r.String() + " what was merged"}
			}
			if a.takes(live) {
				if why := unattended(live); why != "" {
					return nil, &NotDelivered{app, why}
				}
				of = append(of, app)
			}
			by = ownerOf(live)
		}
		if len(of) == 0 {
			return nil, &NotDelivered{seen[0], fmt.Sprintf("it does not take %s from our repository: one of its sources must have the repoURL that is git.url in the configuration", r)}
		}
		for _, app := range slices.Backward(of) {
			if !slices.Contains(way, app) {
				way = append(way, app)
			}
		}
	}
	return way, nil
}

// takes reports whether an Application takes from our repository.
func (a *ArgoCD) takes(app *unstructured.Unstructured) bool {
	if a.o.Ours(valueAt(app, "spec", "source", "repoURL")) {
		return true
	}
	list, _, _ := unstructured.NestedSlice(app.Object, "spec", "sources")
	return slices.ContainsFunc(list, func(s any) bool {
		m, _ := s.(map[string]any)
		url, _ := m["repoURL"].(string)
		return a.o.Ours(url)
	})
}

// unattended says why an Application does not sync by itself, or "".
func unattended(app *unstructured.Unstructured) string {
	policy, on, _ := unstructured.NestedMap(app.Object, "spec", "syncPolicy", "automated")
	if enabled, set := policy["enabled"].(bool); !on || set && !enabled {
		return "it does not sync by itself, and we start no sync: set spec.syncPolicy.automated"
	}
	return halted(app)
}

// synced tells whether an Application is synced to a revision that has the commit, since it was last asked to look.
func (a *ArgoCD) synced(ctx context.Context, r Ref, live *unstructured.Unstructured, commit string) (now string, done bool, err error) {
	if why := unattended(live); why != "" {
		return "", false, &NotDelivered{r, why}
	}
	state := valueAt(live, "status", "sync", "status")
	now = fmt.Sprintf("%s: %s, %s", r, cmp.Or(state, "not compared yet"), cmp.Or(valueAt(live, "status", "health", "status"), "of unknown health"))
	if live.GetAnnotations()[refresh] != "" { // what it says is older
		return now, false, nil
	}
	phase := valueAt(live, "status", "operationState", "phase")
	if phase == "Failed" || phase == "Error" {
		tried, err := a.has(ctx, live, commit, "status", "operationState", "syncResult")
		if err == nil && !tried {
			tried, err = a.has(ctx, live, commit, "status", "operationState", "operation", "sync")
		}
		if err != nil {
			return now, false, err
		}
		if tried {
			return now, false, &Stuck{r, phase + ": " + valueAt(live, "status", "operationState", "message")}
		}
	}
	list, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, e := range list {
		if c, _ := e.(map[string]any); c["type"] == "ComparisonError" || c["type"] == "InvalidSpecError" {
			return now, false, &NotDelivered{r, fmt.Sprintf("%v: %v", c["type"], c["message"])}
		}
	}
	if state != "Synced" {
		return now, false, nil
	}
	done, err = a.has(ctx, live, commit, "status", "sync")
	return now, done && phase != "Running", err
}

// has reports whether the revision at a path, or one of the revisions of several sources, has the commit.
func (a *ArgoCD) has(ctx context.Context, live *unstructured.Unstructured, commit string, path ...string) (bool, error) {
	list, _, _ := unstructured.NestedStringSlice(live.Object, append(slices.Clone(path), "revisions")...)
	for _, revision := range append(list, valueAt(live, append(slices.Clone(path), "revision")...)) {
		if len(revision) != 40 {
			continue
		}
		if has, err := a.o.Contains(ctx, commit, revision); err != nil || has {
			return has, err
		}
	}
	return false, nil
}
