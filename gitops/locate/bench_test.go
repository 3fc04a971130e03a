package locate

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

// large is an overlay that renders 200 Deployments, 20 to a file, with two patches, and a second one over the same base.
func large() memory {
	files := memory{staging + "/kustomization.yaml": "namespace: shop-staging\nresources: [../../base]\n"}
	var resources []string
	for i := range 10 {
		name := fmt.Sprintf("part-%d.yaml", i)
		resources = append(resources, name)
		for j := range 20 {
			app := "app-" + strconv.Itoa(20*i+j)
			files["base/"+name] += "---\n" + strings.ReplaceAll(strings.SplitN(shop["base/checkout.yaml"], "---\n", 2)[0], "checkout", app)
		}
	}
	files["base/kustomization.yaml"] = "resources: [" + strings.Join(resources, ", ") + "]\n"
	files[production+"/kustomization.yaml"] = "namespace: shop\nresources: [../../base]\npatches: [{path: memory.yaml}]\nimages: [{name: shop/app-7, newTag: 2.0.0}]\n"
	files[production+"/memory.yaml"] = strings.ReplaceAll(shop[production+"/checkout-memory.yaml"], "checkout", "app-3")
	return files
}

func BenchmarkRender200BeforeAndAfter(b *testing.B) {
	files := large()
	for i := range b.N {
		files[production+"/memory.yaml"] += fmt.Sprintf("# %d\n", i) // so that nothing is remembered
		if _, err := Render(files, production); err != nil {
			b.Fatal(err)
		}
		files[production+"/memory.yaml"] += "# after\n"
		if _, err := Render(files, production); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlace200(b *testing.B) {
	for name, c := range map[string]struct{ app, field, value string }{
		"patch":    {"app-3", memoryPath, "1Gi"},
		"image":    {"app-7", "spec.template.spec.containers[name=app].image", "shop/app-7:2.0.1"},
		"newPatch": {"app-150", "spec.replicas", "5"},
	} {
		b.Run(name, func(b *testing.B) {
			files := large()
			p, err := edit.ParsePath(c.field)
			if err != nil {
				b.Fatal(err)
			}
			q := Query{Overlays: both, Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: c.app}, Field: p}
			for i := range b.N {
				files["base/part-0.yaml"] += fmt.Sprintf("# %d\n", i)
				if _, err := Place(files, q, c.value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
