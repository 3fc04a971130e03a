package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// The commits of the repository, each after the one before it; elsewhere is one of another.
var (
	before, merged, after = strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 40)
	elsewhere             = strings.Repeat("e", 40)
)

const ourURL = "https://git.example.com/acme/shop.git"

var history = FollowOptions{
	Ours: func(url string) bool { return url == ourURL },
	Contains: func(_ context.Context, commit, revision string) (bool, error) {
		line := []string{before, merged, after}
		return slices.Index(line, revision) >= slices.Index(line, commit), nil
	},
}

var customs = map[string]schema.GroupVersionResource{
	"Kustomization": {Group: kustomizeGroup, Version: "v1", Resource: "kustomizations"},
	"HelmRelease":   {Group: helmGroup, Version: "v2", Resource: "helmreleases"},
	"GitRepository": {Group: sourceGroup, Version: "v1", Resource: "gitrepositories"},
	"OCIRepository": {Group: sourceGroup, Version: "v1", Resource: "ocirepositories"},
	"HelmChart":     {Group: sourceGroup, Version: "v1", Resource: "helmcharts"},
	"Application":   {Group: argoGroup, Version: "v1alpha1", Resource: "applications"},
}

// tools is a cluster with the CRDs of the delivery tools, whose controllers the test plays.
type tools struct {
	*cluster
	client dynamic.Interface
}

func newTools(t *testing.T) tools {
	t.Helper()
	c := newCluster(t)
	client, err := dynamic.NewForConfig(c.config)
	check(t, err)
	files, err := filepath.Glob("testdata/crds/*/*.yaml")
	check(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		check(t, err)
		var crd unstructured.Unstructured
		check(t, yaml.Unmarshal(data, &crd.Object))
		of := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
		_, err = of.Apply(t.Context(), crd.GetName(), &crd, metav1.ApplyOptions{FieldManager: "test", Force: true})
		check(t, err)
		c.until(crd.GetName(), func(ctx context.Context) (bool, error) {
			live, err := of.Get(ctx, crd.GetName(), metav1.GetOptions{})
			return err == nil && condition(live, "Established").status == "True", err
		})
	}
	return tools{c, client}
}

func (c tools) of(kind string) dynamic.ResourceInterface {
	return c.client.Resource(customs[kind]).Namespace(c.namespace)
}

// put makes an object of a tool, with its spec in YAML, delivered by a Kustomization where by is not empty.
func (c tools) put(kind, name, by, spec string) {
	c.t.Helper()
	gvr := customs[kind]
	object := map[string]any{"apiVersion": gvr.GroupVersion().String(), "kind": kind}
	metadata := map[string]any{"name": name, "namespace": c.namespace}
	if by != "" {
		metadata["labels"] = map[string]any{kustomizeGroup + "/name": by, kustomizeGroup + "/namespace": c.namespace}
	}
	var body map[string]any
	check(c.t, yaml.Unmarshal([]byte(spec), &body))
	object["metadata"], object["spec"] = metadata, body
	_, err := c.of(kind).Apply(c.t.Context(), name, &unstructured.Unstructured{Object: object}, metav1.ApplyOptions{FieldManager: "kustomize-controller", Force: true})
	check(c.t, err)
}

func (c tools) live(kind, name string) *unstructured.Unstructured {
	c.t.Helper()
	live, err := c.of(kind).Get(c.t.Context(), name, metav1.GetOptions{})
	check(c.t, err)
	return live
}

func (c tools) annotation(kind, name, key string) string {
	c.t.Helper()
	return c.live(kind, name).GetAnnotations()[key]
}

// asked waits until an object is asked to reconcile.
func (c tools) asked(kind, name string) {
	c.t.Helper()
	c.until(kind+" "+name+" is asked", func(context.Context) (bool, error) {
		return c.annotation(kind, name, requested) == "cortexops-"+merged, nil
	})
}

const requested = "reconcile.fluxcd.io/requestedAt"

// says is a controller that has reconciled an object: it sets observedGeneration and lastHandledReconcileAt, as it does at
// the end, and what status, YAML, says.
func (c tools) says(kind, name, status string) {
	c.t.Helper()
	live := c.live(kind, name)
	var body map[string]any
	check(c.t, yaml.Unmarshal([]byte(status), &body))
	body["observedGeneration"] = live.GetGeneration()
	if at := live.GetAnnotations()[requested]; at != "" {
		body["lastHandledReconcileAt"] = at
	}
	data, err := json.Marshal(map[string]any{"status": body})
	check(c.t, err)
	_, err = c.of(kind).Patch(c.t.Context(), name, types.MergePatchType, data, metav1.PatchOptions{}, "status")
	check(c.t, err)
}

func conditions(list ...string) string {
	var out []string
	for _, s := range list {
		kind, rest, _ := strings.Cut(s, "=")
		status, rest, _ := strings.Cut(rest, " ")
		reason, message, _ := strings.Cut(rest, " ")
		out = append(out, fmt.Sprintf("{type: %s, status: %q, reason: %s, message: %q, lastTransitionTime: 2026-11-28T12:00:00Z}", kind, status, reason, message))
	}
	return "conditions: [" + strings.Join(out, ", ") + "]"
}

// fetches is the source-controller.
func (c tools) fetches(name, sha string) {
	c.t.Helper()
	c.says("GitRepository", name, artifact("main@sha1:"+sha)+conditions("Ready=True Succeeded stored artifact"))
}

func artifact(revision string) string {
	return fmt.Sprintf("artifact: {digest: \"sha256:%s\", lastUpdateTime: 2026-11-28T12:00:00Z, path: a, revision: %q, url: http://source/a}\n", strings.Repeat("0", 64), revision)
}

// applies is the kustomize-controller.
func (c tools) applies(name, sha string) {
	c.t.Helper()
	c.says("Kustomization", name, fmt.Sprintf("lastAppliedRevision: main@sha1:%s\nlastAttemptedRevision: main@sha1:%s\n", sha, sha)+
		conditions("Ready=True ReconciliationSucceeded Applied revision"))
}

// shop is a repository that Flux delivers: a root that delivers itself and the Kustomization apps, which delivers checkout.
func (c tools) shop() {
	c.t.Helper()
	c.put("GitRepository", "shop", "root", "{interval: 1m, url: "+ourURL+", ref: {branch: main}}")
	spec := "{interval: 1m, prune: true, path: ./, sourceRef: {kind: GitRepository, name: shop}}"
	c.put("Kustomization", "root", "root", spec)
	c.put("Kustomization", "apps", "root", spec)
	c.fetches("shop", before)
	c.applies("root", before)
	c.applies("apps", before)
	c.deploy(c.delivered("512Mi", kustomizeGroup, "apps"), "kustomize-controller")
}

// delivered is the deployment with Flux's labels.
func (c tools) delivered(memory, group, by string) []byte {
	labels := fmt.Sprintf(`"metadata":{"labels":{"%s/name":%q,"%s/namespace":%q},"name":"checkout"`, group, by, group, c.namespace)
	return []byte(strings.Replace(string(c.deployment(memory)), `"metadata":{"name":"checkout"`, labels, 1))
}

// shipped are the rules of the Role in manifests that is for following a tool.
func (c tools) shipped(tool string) (rules []rbacv1.PolicyRule) {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join("../../manifests", tool, "access.yaml"))
	check(c.t, err)
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		var role rbacv1.Role
		check(c.t, yaml.Unmarshal([]byte(doc), &role))
		rules = append(rules, role.Rules...)
	}
	return rules
}

// flux is one with the token of a worker who may do what rules say.
func (c tools) flux(rules ...rbacv1.PolicyRule) *Flux {
	c.t.Helper()
	d := c.worker(append([]rbacv1.PolicyRule{deployments}, rules...)...)
	return &Flux{asFlux(d), history}
}

func asFlux(d *Direct) *Direct {
	d.mode, d.manager = ByFlux, ""
	return d
}

// admin is one that may do anything.
func (c tools) admin() *Flux {
	c.t.Helper()
	f, err := NewFlux(rest.CopyConfig(c.config), history)
	check(c.t, err)
	return f
}
