package locate

import (
	recency "container/list"
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

// One name in many namespaces of one file is looked up once, and not once for each of them.
func TestPlainCandidatesAreOfTheNamespace(t *testing.T) {
	t.Parallel()
	text := ""
	for _, ns := range []string{"a", "b", "c"} {
		text += "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: " + ns + "}\nspec: {replicas: 2}\n"
	}
	got := openPlain(memory{"all.yaml": text}, "all.yaml").candidates(ask{sel: edit.Selector{Group: "apps", Kind: "Deployment", Namespace: "b", Name: "api"}, path: fieldPath(t, "spec.replicas")})
	if len(got) != 1 || got[0].pos.Line != 10 {
		t.Errorf("%+v", got)
	}
}

// What renderings share is kept once, and goes with the last that has it.
func TestRenderingsShareParts(t *testing.T) {
	t.Parallel()
	m := kept{at: map[[32]byte]*recency.Element{}, parts: map[[32]byte]*part{}}
	big := func(digest byte) *part {
		return &part{digest: [32]byte{digest}, objects: []Object{{JSON: make([]byte, maxKept/4)}}}
	}
	m.put(rendering{digest: [32]byte{1}, parts: []*part{big(1), big(2), big(0)}})
	m.put(rendering{digest: [32]byte{2}, parts: []*part{big(1), big(2)}})
	if len(m.parts) != 2 || m.recent.Len() != 2 || m.parts[[32]byte{1}].used != 2 {
		t.Errorf("%d parts of %d renderings", len(m.parts), m.recent.Len())
	}
	m.put(rendering{digest: [32]byte{3}, parts: []*part{big(1), big(3)}})
	if _, there := m.get([32]byte{1}); there || m.recent.Len() != 2 || len(m.parts) != 3 {
		t.Errorf("%d parts of %d renderings", len(m.parts), m.recent.Len())
	}
	m.put(rendering{digest: [32]byte{4}, parts: []*part{big(4), big(5)}})
	size := 0
	for _, p := range m.parts {
		size += p.size()
	}
	if m.size != size || size > maxKept {
		t.Errorf("%d bytes are counted of %d", m.size, size)
	}
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
