package main

import (
	"strings"
	"testing"
)

const nameless = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  replicas: 2\n"

// What Flux or Argo CD delivers is in the namespace that they give it, and in no other that is asked for.
func TestEditOfAnObjectWithoutANamespace(t *testing.T) {
	t.Parallel()
	flux := map[string]string{
		"apps/base/d.yaml": nameless, "apps/base/kustomization.yaml": "resources: [d.yaml]\n",
		"apps/prod/kustomization.yaml": "resources: [../base]\nreplicas: [{name: api, count: 7}]\n",
		"clusters/prod.yaml":           "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: prod, namespace: flux-system}\nspec: {path: ./apps/prod, targetNamespace: prod, sourceRef: {kind: GitRepository, name: x}}\n",
	}
	argo := map[string]string{
		"argo/app.yaml":    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: api, namespace: argocd}\nspec:\n  destination: {namespace: shop}\n  source: {repoURL: https://example.com/r.git, path: plain}\n",
		"plain/sub/d.yaml": nameless,
	}
	for name, c := range map[string]struct {
		files     map[string]string
		namespace string
		code      int
		says      string
	}{
		"the namespace of Flux":        {flux, "prod", 0, "+++ b/apps/prod/kustomization.yaml"},
		"another than Flux's":          {flux, "payments", exitRefused, "refused (notFound): Deployment payments/api is rendered by no kustomization and in no manifest; apps/prod renders Deployment api without a namespace, and Kustomization flux-system/prod (under clusters/prod.yaml) delivers it as Deployment prod/api; did you mean apps/v1/Deployment/prod/api?"},
		"a folder that Argo leaves":    {argo, "shop", exitRefused, "refused (notFound): Deployment shop/api is rendered by no kustomization and in no manifest; plain/sub/d.yaml renders Deployment api without a namespace, and Application argocd/api (under argo/app.yaml) delivers plain, and in it nothing of that name"},
		"a plain folder of nobody":     {map[string]string{"plain/sub/d.yaml": nameless}, "any", 0, "+++ b/plain/sub/d.yaml"},
		"a kustomization of nobody":    {map[string]string{"d.yaml": nameless, "kustomization.yaml": "resources: [d.yaml]\n"}, "any", 0, "+++ b/d.yaml"},
		"a plain folder beside Flux's": {map[string]string{"tools/d.yaml": nameless, "apps/prod/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", "clusters/prod.yaml": flux["clusters/prod.yaml"]}, "any", 0, "+++ b/tools/d.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := gitTree(t, c.files)
			out, errs, code := ran(t, "gitops", "edit", "--repo", dir, "--resource", "apps/v1/Deployment/"+c.namespace+"/api", "--field", "spec.replicas", "--set", "9", "--render")
			if code != c.code || !strings.Contains(out+errs, c.says+"\n") {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
		})
	}
}
