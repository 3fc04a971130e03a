package chain

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkFleet opens a repository of 100 Kustomizations with 20 workloads each, and places one edit in it.
func BenchmarkFleet(b *testing.B) {
	repository := map[string]string{"clusters/a/sync.yaml": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {path: ./clusters/a, sourceRef: {kind: GitRepository, name: fleet}}
`}
	for i := range 100 {
		repository[fmt.Sprintf("clusters/a/k%d.yaml", i)] = fmt.Sprintf(`apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: k%d, namespace: flux-system}
spec: {path: ./apps/k%[1]d, targetNamespace: shop, sourceRef: {kind: GitRepository, name: fleet}}
`, i)
		for j := range 20 {
			repository[fmt.Sprintf("apps/k%d/a%d.yaml", i, j)] = fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a%d-%d}\nspec: {replicas: 2, template: {spec: {containers: [{name: app, image: shop/app}]}}}\n", i, j)
		}
	}
	ctx := context.Background()
	q := replicas("a7-3")
	q.Labels = nil
	for b.Loop() {
		c, err := Open(ctx, files(repository), Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Place(ctx, q, "3"); err != nil {
			b.Fatal(err)
		}
	}
}
