package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Keys of an OCI artifact's metadata: the repository and the revision that it was made of.
const (
	ociSource   = "org.opencontainers.image.source"
	ociRevision = "org.opencontainers.image.revision"
)

// halted says why Flux or Argo CD leaves an object as it is, or "".
func halted(live *unstructured.Unstructured) string {
	if isUnit(refOf(live)) || refOf(live).Group == sourceGroup {
		if on, _, _ := unstructured.NestedBool(live.Object, "spec", "suspend"); on {
			return fmt.Sprintf("it is suspended; resume it: flux resume %s %s -n %s", resumed[live.GetKind()], live.GetName(), live.GetNamespace())
		}
	}
	if live.GetAnnotations()["argocd.argoproj.io/skip-reconcile"] == "true" && refOf(live).Group == argoGroup {
		return "Argo CD leaves it alone, since it says argocd.argoproj.io/skip-reconcile: true"
	}
	const key = kustomizeGroup + "/reconcile"
	if cmp.Or(live.GetAnnotations()[key], live.GetLabels()[key]) == "disabled" {
		return fmt.Sprintf("Flux leaves it alone, since it says %s: disabled", key)
	}
	return ""
}

// resumed is what the command line of Flux calls them.
var resumed = map[string]string{kustomizationKind: "kustomization", helmReleaseKind: "helmrelease", "GitRepository": "source git",
	"OCIRepository": "source oci", "HelmChart": "source chart"}

// unit reads where a Kustomization or a HelmRelease takes from what it applies.
func (f *Flux) unit(ctx context.Context, r Ref, live *unstructured.Unstructured) (fluxUnit, error) {
	u := fluxUnit{ref: r}
	from := []string{"spec", "sourceRef"}
	switch {
	case r.Kind == helmReleaseKind && valueAt(live, "spec", "chartRef", "kind") != "":
		from = []string{"spec", "chartRef"}
	case r.Kind == helmReleaseKind:
		from = []string{"spec", "chart", "spec", "sourceRef"}
		ns, name, _ := strings.Cut(valueAt(live, "status", "helmChart"), "/")
		u.chart = Ref{Group: sourceGroup, Kind: "HelmChart", Namespace: ns, Name: name}
	}
	u.source = sourceAt(live, from...)
	if u.source.Kind == "HelmChart" {
		u.chart = u.source
		chart, err := f.get(ctx, u.chart)
		if err != nil || chart == nil {
			return u, err
		}
		u.source = sourceAt(chart, "spec", "sourceRef")
	}
	if u.source.Kind != "GitRepository" && u.source.Kind != "OCIRepository" {
		return u, nil
	}
	source, err := f.get(ctx, u.source)
	if err != nil || source == nil {
		return u, err
	}
	u.ours = f.o.Ours(address(source))
	if !u.ours {
		return u, nil
	}
	if why := halted(source); why != "" {
		return u, &NotDelivered{u.source, why}
	}
	if u.source.Kind == "OCIRepository" {
		u.chart = Ref{} // it is the chart
	}
	if u.chart.Kind != "" && u.chart.Name == "" {
		return u, &NotDelivered{r, "it has no HelmChart yet: Flux has not installed it"}
	}
	return u, nil
}

// address is that of the git repository which a source stands for.
func address(source *unstructured.Unstructured) string {
	if source.GetKind() == "OCIRepository" {
		return valueAt(source, "status", "artifact", "metadata", ociSource)
	}
	return valueAt(source, "spec", "url")
}

func sourceAt(live *unstructured.Unstructured, path ...string) Ref {
	at := func(key string) string { return valueAt(live, append(slices.Clone(path), key)...) }
	return Ref{Group: sourceGroup, Kind: at("kind"), Namespace: cmp.Or(at("namespace"), live.GetNamespace()), Name: at("name")}
}

// fetched tells how a source stands, and which artifact of it has the commit.
func (f *Flux) fetched(ctx context.Context, r Ref, live *unstructured.Unstructured, commit string) (now, artifact string, err error) {
	artifact = valueAt(live, "status", "artifact", "revision")
	revision := artifact
	if r.Kind == "OCIRepository" {
		revision = valueAt(live, "status", "artifact", "metadata", ociRevision)
	}
	if has, err := f.contains(ctx, commit, revision); err != nil || has {
		return fmt.Sprintf("%s: has %s", r, artifact), artifact, err
	}
	if why := failure(live); why != "" && handled(live) {
		return "", "", &NotDelivered{r, why}
	}
	return fmt.Sprintf("%s: is at %s", r, cmp.Or(revision, "nothing yet")), "", nil
}

// packed tells whether the HelmChart was made of a revision of its source that has the commit.
func (f *Flux) packed(ctx context.Context, r Ref, live *unstructured.Unstructured, commit string) (now string, done bool, err error) {
	revision := valueAt(live, "status", "observedSourceArtifactRevision")
	has, err := f.contains(ctx, commit, revision)
	if err != nil {
		return "", false, err
	}
	if why := failure(live); why != "" && has {
		return "", false, &Stuck{r, why}
	}
	return fmt.Sprintf("%s: made of %s", r, revision), has, nil
}

// applied tells whether a unit has applied a revision that has the commit, or, where it takes from elsewhere, all that was
// asked of it. What it says of an older revision, or of what was asked before, is no word on this one.
func (f *Flux) applied(ctx context.Context, u fluxUnit, live *unstructured.Unstructured, commit, artifact string) (now string, done bool, err error) {
	has := func(fields ...string) (bool, error) {
		for _, field := range fields {
			revision := valueAt(live, "status", field)
			if there, err := f.contains(ctx, commit, revision); err != nil || there || revision != "" && revision == artifact {
				return err == nil, err
			}
		}
		return false, nil
	}
	tried, done := handled(live), handled(live)
	if u.ours && u.ref.Kind == kustomizationKind { // a HelmRelease has no revision of git
		if tried, err = has("lastAttemptedRevision"); err != nil {
			return "", false, err
		}
		if done, err = has("lastAppliedRevision", "lastAppliedOriginRevision"); err != nil {
			return "", false, err
		}
		done = done && handled(live)
	}
	if why := failure(live); why != "" && tried {
		return "", false, &Stuck{u.ref, why}
	}
	ready := condition(live, fluxmeta.ReadyCondition)
	now = fmt.Sprintf("%s: %s", u.ref, cmp.Or(ready.message, "nothing said yet"))
	return now, done && ready.status == "True" && observed(live) && condition(live, fluxmeta.ReconcilingCondition).status != "True", nil
}

// contains takes the commit out of a revision of Flux: BRANCH@sha1:SHA, sha1:SHA, or the older BRANCH/SHA.
func (f *Flux) contains(ctx context.Context, commit, revision string) (bool, error) {
	sha := revision[strings.LastIndexAny(revision, ":/")+1:]
	if len(sha) != 40 {
		return false, nil
	}
	return f.o.Contains(ctx, commit, sha)
}

type cond struct{ status, reason, message string }

func condition(live *unstructured.Unstructured, kind string) cond {
	list, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, e := range list {
		if c, ok := e.(map[string]any); ok && c["type"] == kind {
			at := func(key string) string { s, _ := c[key].(string); return s }
			return cond{at("status"), at("reason"), at("message")}
		}
	}
	return cond{}
}

// waiting are the reasons of not being ready that are about something else, or about work that goes on, and pass.
var waiting = []string{fluxmeta.DependencyNotReadyReason, "SourceNotReady", fluxmeta.ProgressingReason, fluxmeta.ProgressingWithRetryReason, fluxmeta.HealthCheckCanceledReason}

// failure is Flux's own word of why it is stalled, or not ready, for the generation that is there; "" where it is neither.
func failure(live *unstructured.Unstructured) string {
	for _, c := range []cond{condition(live, fluxmeta.StalledCondition), not(condition(live, fluxmeta.ReadyCondition))} {
		if c.status == "True" && !slices.Contains(waiting, c.reason) {
			return c.reason + ": " + c.message
		}
	}
	return ""
}

func not(c cond) cond {
	c.status = map[string]string{"True": "False", "False": "True"}[c.status]
	return c
}

// handled reports whether Flux has acted on the last request.
func handled(live *unstructured.Unstructured) bool {
	asked := live.GetAnnotations()[fluxmeta.ReconcileRequestAnnotation]
	return asked != "" && asked == valueAt(live, "status", "lastHandledReconcileAt")
}

func observed(live *unstructured.Unstructured) bool {
	seen, _, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	return seen == live.GetGeneration()
}

func valueAt(live *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(live.Object, path...)
	return s
}
