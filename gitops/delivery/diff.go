package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/aymanbagabas/go-udiff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Field is one leaf that differs, by a path as edit writes it; From or To is empty where it is absent.
type Field struct{ Path, From, To string }

// compare is the difference without what the server writes by itself. live is nil where there is no object yet. salt goes
// into the digests of a Secret's values.
func compare(live, would *unstructured.Unstructured, salt string) (Change, error) {
	before, after := clean(live, salt), clean(would, salt)
	var c Change
	for _, d := range edit.Differences(before, after) {
		c.Fields = append(c.Fields, Field(d))
	}
	c.InSync = len(c.Fields) == 0
	if c.InSync {
		return c, nil
	}
	old, err := text(before)
	if err != nil {
		return c, err
	}
	now, err := text(after)
	if err != nil {
		return c, err
	}
	c.Diff = udiff.Unified("live", "dry-run", old, now)
	return c, nil
}

func text(object map[string]any) (string, error) {
	if len(object) == 0 {
		return "", nil
	}
	out, err := yaml.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("write the object as YAML: %w", err)
	}
	return string(out), nil
}

// clean is a copy without managedFields, status and the like. A Secret's values are given by their digest only.
func clean(u *unstructured.Unstructured, salt string) map[string]any {
	if u == nil {
		return map[string]any{}
	}
	out := u.DeepCopy().Object
	delete(out, "status")
	if m, ok := out["metadata"].(map[string]any); ok {
		for _, key := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"} {
			delete(m, key)
		}
		if a, ok := m["annotations"].(map[string]any); ok {
			delete(a, "kubectl.kubernetes.io/last-applied-configuration")
			delete(a, "deployment.kubernetes.io/revision")
			if len(a) == 0 {
				delete(m, "annotations")
			}
		}
	}
	if u.GetKind() == "Secret" && u.GroupVersionKind().Group == "" {
		for _, key := range []string{"data", "stringData"} {
			values, _ := out[key].(map[string]any)
			for k, v := range values {
				sum := sha256.Sum256([]byte(salt + "\x00" + edit.Text(v)))
				values[k] = "sha256:" + hex.EncodeToString(sum[:8])
			}
		}
	}
	return out
}
