package locate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cortexops/cortexops/gitops/edit"
)

const sharedDeployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: shop}\nspec:\n  replicas: 2\n"

func replicasOfAPI(overlays ...string) Query {
	path, _ := edit.ParsePath("spec.replicas")
	return Query{Overlays: overlays, Whole: true, Field: path, Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}}
}

// An overlay that the query does not name is deployed too, by somebody else: a base that it shares is not edited.
func TestOverlaysThatAreNotNamedStayAsTheyAre(t *testing.T) {
	t.Parallel()
	files := FromFS(fstest.MapFS{
		"base/kustomization.yaml": {Data: []byte("resources: [api.yaml]\n")}, "base/api.yaml": {Data: []byte(sharedDeployment)},
		"prod/kustomization.yaml":    {Data: []byte("resources: [../base]\n")},
		"staging/kustomization.yaml": {Data: []byte("resources: [../base]\n")},
		"cluster/kustomization.yaml": {Data: []byte("resources: [../prod]\n")}, // deploys the same
	})
	for name, files := range map[string]Files{"a snapshot": files, "read once": Once(files)} {
		q := replicasOfAPI("prod")
		found, err := Place(files, q, "5")
		if err != nil || !strings.HasPrefix(found.File, "prod/") {
			t.Errorf("%s: %v %s", name, err, found.File)
		}
		q.Base = true
		if found, err = Place(files, q, "5"); err != nil || found.File != "base/api.yaml" {
			t.Errorf("%s: the base: %v %s", name, err, found.File)
		}
	}
	edited := With(files, map[string][]byte{"base/api.yaml": []byte(strings.Replace(sharedDeployment, "2", "5", 1))})
	var r *Refusal
	if err := Prove(files, edited, replicasOfAPI("prod"), "prod", "5"); !errors.As(err, &r) || r.Reason != Shared || !strings.Contains(r.Why, "staging") {
		t.Errorf("an edit of the base is %v", err)
	}
}

// A patch that stands in a kustomization is held to the bounds of a file.
func TestAliasesOfInlinePatchesAreBounded(t *testing.T) {
	t.Parallel()
	bomb := "x0: &x0 [a,a,a,a,a,a,a,a,a,a]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("x%d: &x%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d,", i), 10), ","))
	}
	patch := "    " + strings.ReplaceAll(sharedDeployment+bomb, "\n", "\n    ") + "\n"
	for name, head := range map[string]string{"patches": "patches:\n- patch: |\n", "patchesStrategicMerge": "patchesStrategicMerge:\n- |\n", "transformers": "transformers:\n- |\n"} {
		files := FromFS(fstest.MapFS{
			"api.yaml": {Data: []byte(sharedDeployment)}, "kustomization.yaml": {Data: []byte("resources: [api.yaml]\n" + head + patch)},
		})
		var r *Refusal
		if _, err := Render(files, "."); !errors.As(err, &r) || r.Reason != Unsupported || !strings.Contains(r.Why, "aliases") && name != "transformers" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Why an edit is refused is told on pull requests: what a Secret holds is not.
func TestARefusalKeepsSecrets(t *testing.T) {
	t.Parallel()
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: shop}\nstringData: {a: hunter2}\n"
	files := FromFS(fstest.MapFS{
		"base/kustomization.yaml": {Data: []byte("resources: [key.yaml]\n")}, "base/key.yaml": {Data: []byte(secret)},
		"prod/kustomization.yaml": {Data: []byte("resources: [../base]\n")}, "staging/kustomization.yaml": {Data: []byte("resources: [../base]\n")},
	})
	edited := With(files, map[string][]byte{"base/key.yaml": []byte(strings.Replace(secret, "hunter2", "hunter3", 1))})
	path, _ := edit.ParsePath("stringData.a")
	q := Query{Overlays: []string{"prod", "staging"}, Field: path, Object: edit.Selector{Kind: "Secret", Namespace: "shop", Name: "key"}}
	err := Prove(files, edited, q, "prod", "hunter3")
	if err == nil || !strings.Contains(err.Error(), "staging") || strings.Contains(err.Error(), "hunter") {
		t.Error(err)
	}
}
