package topology

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func custom(t *testing.T, text string) (schema.GroupVersionKind, *unstructured.Unstructured) {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u.GroupVersionKind(), u
}

const kustomization = `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {namespace: flux-system, name: shop},
  spec: {sourceRef: {kind: GitRepository, name: fleet}},
  status: {lastAppliedRevision: main@sha1:77e0b41, lastAttemptedRevision: main@sha1:9f3c1d2, conditions: [{type: Ready, lastTransitionTime: "2026-03-02T12:01:00Z"}],
    inventory: {entries: [{id: shop_web_apps_Deployment, v: v1}, {id: _admin_rbac.authorization.k8s.io_ClusterRole, v: v1}, {id: odd, v: v1}]}}}`

// TestCustomResources: routes of the Gateway API, and Flux with its sources and inventories.
func TestCustomResources(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		object string
		want   []string
	}{
		"a route": {`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {namespace: shop, name: web}, spec: {rules: [{backendRefs: [{name: web}, {name: api, namespace: back},
			{kind: Bucket, group: x, name: b}]}, {}]}}`, []string{"HTTPRoute shop/web routes Service back/api", "HTTPRoute shop/web routes Service shop/web"}},
		"a Kustomization": {kustomization, []string{"Kustomization flux-system/shop applies ClusterRole admin", "Kustomization flux-system/shop applies Deployment shop/web",
			"Kustomization flux-system/shop sources GitRepository flux-system/fleet"}},
		"a HelmRelease": {`{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {namespace: shop, name: db}, spec: {chartRef: {kind: OCIRepository, name: db, namespace: charts}}}`,
			[]string{"HelmRelease shop/db sources OCIRepository charts/db"}},
		"of another form": {`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {namespace: shop, name: web}, spec: {rules: nonsense}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, g := newFeed(), NewGraph()
			f.Put(custom(t, c.object))
			for _, r := range f.told() {
				if err := g.Apply(r); err != nil {
					t.Fatal(err)
				}
			}
			got := slices.DeleteFunc(linesOf(g), func(l string) bool { return l[len(l)-1] == ' ' })
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestAWorkloadOfAReleaseIsAppliedByIt, also where the HelmRelease keeps no inventory; what a Kustomization applies is in that's own.
func TestAWorkloadOfAReleaseIsAppliedByIt(t *testing.T) {
	t.Parallel()
	for group, want := range map[string][]string{"helm": {"HelmRelease apps/shop applies Deployment shop/web"}, "kustomize": nil} {
		f, g := newFeed(), NewGraph()
		d := feedLoad("web", "", "")
		d.Labels = map[string]string{group + ".toolkit.fluxcd.io/name": "shop", group + ".toolkit.fluxcd.io/namespace": "apps"}
		f.Put(loadKind, d)
		for _, r := range f.told() {
			if err := g.Apply(r); err != nil {
				t.Fatal(err)
			}
		}
		if got := slices.DeleteFunc(linesOf(g), func(l string) bool { return !strings.Contains(l, " applies ") }); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", group, got, want)
		}
	}
}

// TestARolloutIsFluxsWhereFluxBroughtIt, and stays so when Flux goes on to other things.
func TestARolloutIsFluxsWhereFluxBroughtIt(t *testing.T) {
	t.Parallel()
	f, g := newFeed(), NewGraph()
	web := of("Deployment", "web")
	rollout := func() incident.Rollout {
		for _, r := range f.told() {
			if err := g.Apply(r); err != nil {
				t.Fatal(err)
			}
		}
		return g.Rollout(web)
	}
	d := feedLoad("web", "", "")
	d.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
	f.Put(loadKind, d)
	f.Put(rsKind, feedSet("web-5d9", "web"))
	if got := rollout(); got.Revision != "web-5d9" || !got.At.Equal(midday) {
		t.Errorf("by its ReplicaSet: %+v", got)
	}
	kind, k := custom(t, kustomization)
	f.Put(kind, k)
	if got := rollout(); got.Revision != "main@sha1:9f3c1d2" || !got.At.Equal(midday) {
		t.Errorf("by Flux: %+v", got)
	}
	later := k.DeepCopy()
	_ = unstructured.SetNestedField(later.Object, "main@sha1:aaaaaaa", "status", "lastAttemptedRevision")
	_ = unstructured.SetNestedSlice(later.Object, []any{map[string]any{"type": "Ready", "lastTransitionTime": "2026-03-02T18:00:00Z"}}, "status", "conditions")
	f.Put(kind, later)
	if got := rollout(); got.Revision != "main@sha1:9f3c1d2" {
		t.Errorf("after Flux applied something else: %+v", got)
	}
	young := feedSet("web-6c8", "web")
	young.CreationTimestamp = metav1.NewTime(midday.Add(time.Hour))
	f.Put(rsKind, young)
	if got := rollout(); got.Revision != "web-6c8" || !got.At.Equal(midday.Add(time.Hour)) {
		t.Errorf("by hand: %+v", got)
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	series := []map[string]string{
		{"source_namespace": "shop", "source_workload": "web", "destination_namespace": "shop", "destination_service": "api"},
		{"source_namespace": "shop", "source_workload": "db", "source_kind": "StatefulSet", "destination_namespace": "back", "destination_workload": "store"},
		{"source_namespace": "shop", "source_workload": "unknown", "destination_namespace": "shop", "destination_service": "api"},
	}
	edges, err := Traffic("prod", series)
	if err != nil || len(edges) != 2 || edges[0].To.String() != "Service shop/api" || edges[1].From.String() != "StatefulSet shop/db" || edges[1].To.String() != "Deployment back/store" {
		t.Errorf("%+v, %v", edges, err)
	}
	f := newFeed()
	f.Edges("traffic", edges)
	f.Edges("traffic", edges[:1])
	if told := f.told(); len(told) != 3 || told[2].Delete == nil || told[2].Delete.Edge.Kind != incident.Calls {
		t.Errorf("%+v", told)
	}
	var lacks *TrafficError
	if _, err := Traffic("prod", []map[string]string{{"source_workload": "web"}}); !errors.As(err, &lacks) || lacks.Label != "source_namespace" {
		t.Error(err)
	}
}
