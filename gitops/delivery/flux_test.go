package delivery

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// following is a Follow, and a Wait after it, that run beside the test, and what they say.
type following struct {
	t    *testing.T
	c    tools
	done chan error

	mu    sync.Mutex
	said  []string
	wrote []string
}

func (c tools) follow(f interface {
	Follow(ctx context.Context, objects []Ref, commit string, w Watch) error
	Wait(ctx context.Context, refs []Ref, progress func(string)) error
}, refs ...Ref) *following {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	c.t.Cleanup(cancel)
	w := &following{t: c.t, c: c, done: make(chan error, 1)}
	go func() {
		progress := func(s string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.said = append(w.said, s)
		}
		err := f.Follow(ctx, refs, merged, Watch{Progress: progress, Write: func(object string, act func() error) error {
			w.mu.Lock()
			w.wrote = append(w.wrote, object)
			w.mu.Unlock()
			return act()
		}})
		if err == nil {
			err = f.Wait(ctx, refs, progress)
		}
		w.done <- err
	}()
	return w
}

// hears waits until it has said something.
func (w *following) hears(text string) {
	w.t.Helper()
	w.c.until("to hear "+text, func(context.Context) (bool, error) {
		select {
		case err := <-w.done:
			w.t.Fatalf("it ended before it said %q: %v", text, err)
		default:
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.ContainsFunc(w.said, func(s string) bool { return strings.Contains(s, text) }), nil
	})
}

// TestFluxBringsTheMergedRevision from the source through both Kustomizations: each is asked once what is before it has the
// commit, and what it says of an older revision, however bad, is no word on this one.
func TestFluxBringsTheMergedRevision(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	c.shop()
	f := c.flux(c.shipped("flux")...)
	c.says("Kustomization", "apps", conditions("Ready=False HealthCheckFailed checkout is not ready"))

	change, err := f.Preview(t.Context(), c.deployment("512Mi"), c.deployment("1Gi")) // git does not say Flux's labels
	check(t, err)
	if len(change.Fields) != 1 || change.InSync || len(change.Drift) > 0 {
		t.Errorf("%+v", change)
	}
	if at := c.annotation("GitRepository", "shop", requested); at != "" {
		t.Fatalf("the preview asked: %s", at)
	}
	asked, err := f.Request(t.Context(), []Ref{c.ref()}, merged)
	check(t, err)
	want := []string{"GitRepository " + c.namespace + "/shop", "Kustomization " + c.namespace + "/root"}
	if !slices.Equal(asked, want) || c.annotation("Kustomization", "root", requested) != "cortexops-"+merged {
		t.Errorf("asked %q", asked)
	}

	w := c.follow(f, c.ref())
	w.hears("is at main@sha1:" + before)
	c.fetches("shop", after)
	c.says("Kustomization", "root", conditions("Ready=Unknown Progressing reconciling", "Reconciling=True Progressing building"))
	w.hears("reconciling")
	if at := c.annotation("Kustomization", "apps", requested); at != "" {
		t.Errorf("apps was asked before root was ready: %s", at)
	}
	c.applies("root", after)
	w.hears("checkout is not ready")
	c.deploy(c.delivered("1Gi", kustomizeGroup, "apps"), "kustomize-controller")
	c.applies("apps", merged)
	if err := <-w.done; err != nil {
		t.Fatalf("%v, after %q", err, w.said)
	}
	if apps := []string{"Kustomization " + c.namespace + "/apps"}; !slices.Equal(w.wrote, apps) { // the others were asked before
		t.Errorf("it tells that it asked %q", w.wrote)
	}
	if same, err := f.DryRun(t.Context(), c.deployment("1Gi")); err != nil || !same.InSync {
		t.Errorf("what Flux has applied is not in sync: %+v, %v", same, err)
	}
	live, err := c.kube.AppsV1().Deployments(c.namespace).Get(t.Context(), "checkout", metav1.GetOptions{})
	check(t, err)
	if s := live.Status; s.ObservedGeneration != live.Generation || s.AvailableReplicas != 1 {
		t.Errorf("it was not rolled out: %+v", s)
	}
	for _, m := range live.ManagedFields {
		if m.Manager == requester {
			t.Errorf("we have applied %s", m.FieldsV1)
		}
	}
}

// TestFluxFails with Flux's own word, as soon as Flux has said it of this revision.
func TestFluxFails(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	c.shop()
	f := c.admin()
	for name, play := range map[string]struct {
		act   func()
		final any // the type
		words string
	}{
		"it cannot build": {func() {
			c.fetches("shop", merged)
			c.says("Kustomization", "root", "lastAttemptedRevision: main@sha1:"+merged+"\n"+conditions("Ready=False BuildFailed accumulating resources: no such file"))
		}, &Stuck{}, "BuildFailed: accumulating resources: no such file"},
		"it is stalled": {func() {
			c.fetches("shop", merged)
			c.says("Kustomization", "root", "lastAttemptedRevision: main@sha1:"+merged+"\n"+conditions("Ready=False X y", "Stalled=True InvalidCELExpression it has no such field"))
		}, &Stuck{}, "InvalidCELExpression: it has no such field"},
		"it cannot fetch": {func() {
			c.says("GitRepository", "shop", conditions("Ready=False GitOperationFailed authentication required"))
		}, &NotDelivered{}, "authentication required"},
		"somebody suspends it": {func() {
			c.fetches("shop", merged)
			_, err := c.of("Kustomization").Patch(t.Context(), "root", types.MergePatchType, []byte(`{"spec":{"suspend":true}}`), metav1.PatchOptions{})
			check(t, err)
		}, &NotDelivered{}, "flux resume kustomization root"},
		"somebody deletes it": {func() {
			c.fetches("shop", merged)
			check(t, c.of("Kustomization").Delete(t.Context(), "root", metav1.DeleteOptions{}))
		}, &NotDelivered{}, "it is gone"},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they share the objects
			c := tools{&cluster{t, c.config, c.kube, c.namespace}, c.client}
			c.shop()
			_, err := f.Request(t.Context(), []Ref{c.ref()}, merged)
			check(t, err)
			w := c.follow(f, c.ref())
			w.hears("is at main@sha1:" + before)
			play.act()
			err = <-w.done
			var stuck *Stuck
			var not *NotDelivered
			if _, is := play.final.(*Stuck); is != errors.As(err, &stuck) || is == errors.As(err, &not) || !strings.Contains(err.Error(), play.words) {
				t.Errorf("got %v, want %T and %q", err, play.final, play.words)
			}
			if name == "it cannot fetch" { // whoever says retry has it asked for again
				_, err := f.Request(t.Context(), []Ref{c.ref()}, merged)
				check(t, err)
				if at := c.annotation("GitRepository", "shop", requested); !strings.HasPrefix(at, "cortexops-"+merged+"-") {
					t.Errorf("after its failure it is asked %q", at)
				}
			}
			_, err = c.of("Kustomization").Patch(t.Context(), "root", types.MergePatchType, []byte(`{"spec":{"suspend":null}}`), metav1.PatchOptions{})
			if !strings.Contains(name, "deletes") {
				check(t, err)
			}
			c.says("Kustomization", "apps", conditions("Ready=True ReconciliationSucceeded again"))
		})
	}
}

// TestFluxIsNotAsked where it would not deliver: said before anything is proposed.
func TestFluxIsNotAsked(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	f := c.admin()
	for name, play := range map[string]struct {
		act   func()
		words string
	}{
		"a source of another repository": {func() {
			c.put("GitRepository", "shop", "root", "{interval: 1m, url: https://git.example.com/other/repo}")
		}, "git.url in the configuration"},
		"a suspended source": {func() { c.put("GitRepository", "shop", "root", "{interval: 1m, url: "+ourURL+", suspend: true}") }, "flux resume source git shop"},
		"a suspended Kustomization": {func() {
			c.put("Kustomization", "apps", "root", "{suspend: true, interval: 1m, prune: true, sourceRef: {kind: GitRepository, name: shop}}")
		}, "flux resume kustomization apps"},
		"an object left alone": {func() {
			c.deploy([]byte(strings.Replace(string(c.delivered("512Mi", kustomizeGroup, "apps")), `"labels":{`, `"labels":{"kustomize.toolkit.fluxcd.io/reconcile":"disabled",`, 1)), "kustomize-controller")
		}, "reconcile: disabled"},
		"a Kustomization that is gone": {func() { check(t, c.of("Kustomization").Delete(t.Context(), "apps", metav1.DeleteOptions{})) }, "it is not there"},
		"nobody's object":              {func() { c.deploy(c.deployment("512Mi"), "kustomize-controller") }, "configure delivery.mode: direct"},
	} {
		t.Run(name, func(t *testing.T) {
			c := tools{&cluster{t, c.config, c.kube, c.namespace}, c.client}
			c.shop()
			play.act()
			_, err := f.Preview(t.Context(), c.delivered("512Mi", kustomizeGroup, "apps"), c.delivered("1Gi", kustomizeGroup, "apps"))
			if err == nil || !final(err) || !strings.Contains(err.Error(), play.words) {
				t.Errorf("got %v, want %q", err, play.words)
			}
		})
	}
}

// A missing permission is found by the preview, before anything is proposed, and adding the rule as it stands is enough.
func TestFluxNamesTheRule(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	c.shop()
	f := c.flux()
	preview := func() error {
		_, err := f.Preview(t.Context(), c.delivered("512Mi", kustomizeGroup, "apps"), c.delivered("1Gi", kustomizeGroup, "apps"))
		return err
	}
	var rules []string
	for range 10 {
		err := preview()
		var no *Forbidden
		if !errors.As(err, &no) {
			check(t, err)
			break
		}
		rules = append(rules, no.Verb+" "+no.Ref.Kind+" "+no.Ref.Name)
		c.allow(no.Rule)
		c.until("the rule", func(context.Context) (bool, error) {
			var again *Forbidden
			return !errors.As(preview(), &again) || again.Rule != no.Rule, nil
		})
	}
	want := []string{"get Kustomization apps", "get GitRepository shop", "get Kustomization root", "patch GitRepository shop", "patch Kustomization root", "patch Kustomization apps"}
	if !slices.Equal(rules, want) {
		t.Errorf("it asked for %q, want %q", rules, want)
	}
}

// A release whose chart is in our repository is asked once the chart was packed anew, one whose values are in the
// HelmRelease once that was applied.
func TestFluxBringsARelease(t *testing.T) {
	t.Parallel()
	for name, chart := range map[string]string{
		"its values":      "HelmRepository",
		"a file of chart": "GitRepository",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTools(t)
			c.shop()
			release := Ref{helmGroup, "v2", "HelmRelease", c.namespace, "checkout"}
			c.put("HelmRelease", "checkout", "apps", "{interval: 1m, chart: {spec: {chart: ./chart, sourceRef: {kind: "+chart+", name: shop}}}}")
			c.put("HelmChart", "chart", "", "{interval: 1m, chart: ./chart, reconcileStrategy: Revision, sourceRef: {kind: "+chart+", name: shop}}")
			c.says("HelmRelease", "checkout", "helmChart: "+c.namespace+"/chart\n"+conditions("Ready=False UpgradeFailed out of memory"))
			c.says("HelmChart", "chart", "observedSourceArtifactRevision: main@sha1:"+before+"\n"+conditions("Ready=True ChartPackageSucceeded ok"))
			c.deploy(c.delivered("512Mi", helmGroup, "checkout"), "helm-controller")
			f := c.flux(c.shipped("flux")...)

			w := c.follow(f, c.ref(), release)
			c.fetches("shop", merged)
			w.hears("GitRepository " + c.namespace + "/shop: has main@sha1:" + merged)
			c.asked("Kustomization", "root")
			c.applies("root", merged)
			c.asked("Kustomization", "apps")
			c.applies("apps", merged)
			if chart == "GitRepository" {
				w.hears("made of main@sha1:" + before)
				c.says("HelmChart", "chart", "observedSourceArtifactRevision: main@sha1:"+merged+"\n"+conditions("Ready=True ChartPackageSucceeded ok"))
			}
			w.hears("out of memory")
			c.asked("HelmRelease", "checkout")
			c.deploy(c.delivered("1Gi", helmGroup, "checkout"), "helm-controller")
			c.says("HelmRelease", "checkout", conditions("Ready=True UpgradeSucceeded upgraded"))
			if err := <-w.done; err != nil {
				t.Errorf("%v, after %q", err, w.said)
			}
		})
	}
}

// Direct takes nothing from Flux, and says what to configure.
func TestDirectLeavesAToolsObjects(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	flux := tools{cluster: c}
	for name, by := range map[string]struct {
		object func(memory string) []byte
		words  string
	}{
		"a Kustomization's": {func(m string) []byte { return flux.delivered(m, kustomizeGroup, "apps") }, "Flux's Kustomization " + c.namespace + "/apps"},
		"a HelmRelease's":   {func(m string) []byte { return flux.delivered(m, helmGroup, "shop") }, "Flux's HelmRelease " + c.namespace + "/shop"},
		"an Application's":  {flux.tracked, "Argo CD's Application shop"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &cluster{t, c.config, c.kube, c.namespace}
			c.deploy(by.object("512Mi"), "gitops")
			d, err := NewDirect(c.config, "gitops")
			check(t, err)
			for what, act := range map[string]func() error{
				"dry-run": func() error { _, err := d.DryRun(t.Context(), by.object("1Gi")); return err },
				"preview": func() error { _, err := d.Preview(t.Context(), by.object("512Mi"), by.object("1Gi")); return err },
				"apply":   func() error { return d.Apply(t.Context(), by.object("1Gi")) },
			} {
				var refused *Mismanaged
				if err := act(); !errors.As(err, &refused) {
					t.Errorf("%s: %v", what, err)
				} else {
					contains(t, err.Error(), by.words, "configure delivery.mode: "+string(refused.By))
				}
			}
			if got := c.limit(); got != "512Mi" {
				t.Errorf("%s is stored", got)
			}
		})
	}
}

// What Flux applied in another way before is in nobody's way; what others own still is.
func TestFluxIsNotInItsOwnWay(t *testing.T) {
	t.Parallel()
	c := newTools(t)
	c.shop()
	f := c.admin()
	image := func(name, manager string) {
		t.Helper()
		_, err := c.kube.AppsV1().Deployments(c.namespace).Patch(t.Context(), "checkout", types.StrategicMergePatchType,
			[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"`+name+`"}]}}}}`), metav1.PatchOptions{FieldManager: manager})
		check(t, err)
	}
	wanted := []byte(strings.Replace(string(c.delivered("512Mi", kustomizeGroup, "apps")), "checkout:1", "checkout:3", 1))
	image("shop/checkout:2", "kustomize-controller")
	if _, err := f.DryRun(t.Context(), wanted); err != nil {
		t.Errorf("its own update: %v", err)
	}
	image("shop/checkout:4", "dana's laptop")
	var conflict *Conflict
	if _, err := f.DryRun(t.Context(), wanted); !errors.As(err, &conflict) || !slices.Contains(conflict.Managers, "dana's laptop") {
		t.Errorf("another's update: %v", err)
	}
	if err := f.Apply(t.Context(), wanted); err == nil {
		t.Error("it was applied")
	}
}
