package locate

import (
	"strings"
	"testing"
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
		{"another overlay that does not render and reads the file", memory{patch: strings.Replace(shop[patch], "512Mi", "1Gi", 1)}, []string{"overlays/broken"}, Invalid, "overlays/broken"},
		{"another overlay that does not render and reads something else", memory{patch: strings.Replace(shop[patch], "512Mi", "1Gi", 1)}, []string{"nowhere"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := shop.but(memory{"overlays/broken/kustomization.yaml": "resources: [../production, nothing.yaml]\n"})
			err := Prove(before, before.but(tt.after), Query{Overlays: append([]string{production}, tt.others...), Object: checkout, Field: fieldPath(t, memoryPath)}, production, "1Gi")
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			isRefused(t, err, tt.want, tt.why)
		})
	}
}

// An edit of the base is right for its own overlay and refused for what it does to the other.
func TestProveRefusesASharedBase(t *testing.T) {
	t.Parallel()
	p := fieldPath(t, "spec.template.spec.containers[name=app].resources.limits.cpu")
	q := Query{Overlays: both, Object: checkout, Field: p}
	found, err := Locate(shop, q)
	if err != nil {
		t.Fatal(err)
	}
	out, err := found.Write(shop, "1")
	if err != nil {
		t.Fatal(err)
	}
	after := shop.but(memory{found.File: string(out[found.File])})
	isRefused(t, Prove(shop, after, q, production, "1"), Shared, staging)
	q.Overlays = []string{production}
	if err := Prove(shop, after, q, production, "1"); err != nil {
		t.Errorf("alone: %v", err)
	}
}
