package locate

import (
	"testing"

	"github.com/cortexops/cortexops/gitops/edit"
)

type counted struct {
	memory
	reads map[string]int
}

func (c counted) ReadFile(path string) ([]byte, error) {
	c.reads[path]++
	return c.memory.ReadFile(path)
}

// Once reads each file once for any number of questions, and an edit of one app proves nothing of the other anew.
func TestOnce(t *testing.T) {
	t.Parallel()
	disk := counted{memory{
		"a/kustomization.yaml":    "resources: [../base]\nnamespace: a\n",
		"b/kustomization.yaml":    "resources: [api.yaml]\nnamespace: b\n",
		"b/api.yaml":              "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: pay}\nspec: {replicas: 1}\n",
		"base/kustomization.yaml": "resources: [api.yaml]\n",
		"base/api.yaml":           "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec: {replicas: 1}\n",
	}, map[string]int{}}
	files := Once(disk)
	q := Query{Object: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "a", Name: "api"}, Field: fieldPath(t, "spec.replicas")}
	for _, value := range []string{"2", "3", "4"} {
		found, err := Place(files, q, value)
		if err != nil || found.File != "base/api.yaml" {
			t.Fatalf("%+v %v", found, err)
		}
	}
	for path, n := range disk.reads {
		if n > 1 {
			t.Errorf("%s is read %d times", path, n)
		}
	}
	before := files
	edited := map[string][]byte{"base/api.yaml": []byte("apiVersion: apps/v1\n")}
	fresh := map[string][]byte{"b/kustomization.yml": []byte("resources: []\n")}
	for _, c := range []struct {
		unit  string
		after Files
		want  bool
	}{{"a", With(files, edited), false}, {"b", With(files, edited), true}, {"b", With(files, fresh), false}, {"b", With(disk, edited), false}, {"b", With(With(files, fresh), edited), false}} {
		if got := untouched(open(files, c.unit), before, c.after); got != c.want {
			t.Errorf("%s: %v", c.unit, got)
		}
	}
}
