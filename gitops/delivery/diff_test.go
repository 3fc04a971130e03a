package delivery

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func object(t *testing.T, s string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(s), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

const live = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  namespace: shop
  uid: a
  resourceVersion: "7"
  generation: 1
  creationTimestamp: "2026-05-01T12:00:00Z"
  managedFields: [{manager: gitops}]
  annotations: {deployment.kubernetes.io/revision: "1", kubectl.kubernetes.io/last-applied-configuration: "{}"}
spec:
  template:
    spec:
      containers:
      - {name: proxy, image: p}
      - {name: app, image: a, resources: {limits: {memory: 512Mi}}}
status: {replicas: 1}
`

func TestCompare(t *testing.T) {
	t.Parallel()
	would := strings.NewReplacer(`"7"`, `"8"`, "generation: 1", "generation: 2", "512Mi", "1Gi", "manager: gitops", "manager: x", "replicas: 1", "replicas: 2").Replace(live)
	c, err := compare(object(t, live), object(t, would), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{{"spec.template.spec.containers[name=app].resources.limits.memory", "512Mi", "1Gi"}}
	if c.InSync || !slices.Equal(c.Fields, want) {
		t.Errorf("%+v", c)
	}
	const diff = "--- live\n+++ dry-run\n"
	if !strings.HasPrefix(c.Diff, diff) || !strings.Contains(c.Diff, "\n-            memory: 512Mi\n+            memory: 1Gi\n") ||
		strings.Contains(c.Diff, "resourceVersion") || strings.Contains(c.Diff, "status") {
		t.Errorf("%s", c.Diff)
	}
	c, err = compare(object(t, live), object(t, strings.Replace(live, `"7"`, `"8"`, 1)), "")
	if err != nil || !c.InSync || c.Diff != "" {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = compare(nil, object(t, live), "")
	if err != nil || c.InSync || !slices.Contains(c.Fields, Field{"metadata.name", "", "checkout"}) || strings.Contains(c.Diff, "\n-") {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\ndata: {a: b25l, b: c2FtZQ==}\n"
	c, err := compare(object(t, secret), object(t, strings.Replace(secret, "b25l", "dHdv", 1)), "salt")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Fields) != 1 || c.Fields[0].Path != "data.a" || !strings.HasPrefix(c.Fields[0].To, "sha256:") {
		t.Errorf("%+v", c.Fields)
	}
	for _, value := range []string{"b25l", "dHdv", "c2FtZQ=="} {
		if strings.Contains(c.Diff, value) {
			t.Errorf("%s is in\n%s", value, c.Diff)
		}
	}
}
