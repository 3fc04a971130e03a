package locate

import (
	"strings"
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

func TestProve(t *testing.T) {
	t.Parallel()
	patch := production + "/checkout-memory.yaml"
	tests := []struct {
		name   string
		after  memory
		others []string
		want   Reason // "": proven
		why    string
	}{
		{"one line of the overlay", memory{patch: strings.Replace(shop[patch], "512Mi", "1Gi", 1)}, []string{staging}, "", ""},
		{"nothing changed", nil, nil, Unproven, memoryPath},
		{"another value", memory{patch: strings.Replace(shop[patch], "512Mi", "2Gi", 1)}, nil, Unproven, "1Gi"},
		{"another field too", memory{patch: strings.Replace(shop[patch], "memory: 512Mi", "{memory: 1Gi, cpu: 1}", 1)}, nil, Shared, "limits.cpu"},
		{"another object too", memory{patch: strings.Replace(shop[patch], "512Mi", "1Gi", 1), production + "/cart-replicas.yaml": strings.Replace(shop[production+"/cart-replicas.yaml"], "4", "5", 1)},
			nil, Shared, "Deployment shop/cart"},
		{"another overlay too", memory{patch: strings.Replace(shop[patch], "512Mi", "1Gi", 1), staging + "/kustomization.yaml": shop[staging+"/kustomization.yaml"] + "commonAnnotations: {a: b}\n"},
			[]string{staging}, Shared, staging},
		{"an object less", memory{patch: strings.Replace(shop[patch], "512Mi", "1Gi", 1), "base/kustomization.yaml": "resources: [checkout.yaml]\n",
			production + "/kustomization.yaml": strings.Replace(shop[production+"/kustomization.yaml"], "- path: cart-replicas.yaml\n", "", 1)}, nil, Shared, "which objects"},
		{"another overlay that does not render", memory{patch: strings.Replace(shop[patch], "512Mi", "1Gi", 1)}, []string{"nowhere"}, NotFound, "nowhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := Prove(shop, shop.but(tt.after), production, tt.others, checkout, fieldPath(t, memoryPath), "1Gi")
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, tt.want, tt.why)
		})
	}
}

// An edit of the base is right for its own overlay and refused for what it does to the other.
func TestProveRefusesASharedBase(t *testing.T) {
	t.Parallel()
	p := fieldPath(t, "spec.template.spec.containers[name=app].resources.limits.cpu")
	found, err := Locate(shop, both, checkout, p)
	if err != nil {
		t.Fatal(err)
	}
	out, err := edit.Set(found.File, []byte(shop[found.File]), found.Selector, p, "1")
	if err != nil {
		t.Fatal(err)
	}
	after := shop.but(memory{found.File: string(out)})
	if err := Prove(shop, after, production, nil, checkout, p, "1"); err != nil {
		t.Errorf("alone: %v", err)
	}
	refused(t, Prove(shop, after, production, []string{staging}, checkout, p, "1"), Shared, staging)
}
