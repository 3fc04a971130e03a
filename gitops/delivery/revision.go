package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Revision tells apart what of an object is rolled out: a digest of its pods' template, so that scaling it is none, or its
// generation where it has no pods. It is empty where there is no such object. Errors: *Forbidden, *Unauthorized, *Invalid; any
// other may be retried.
func (d *Direct) Revision(ctx context.Context, r Ref) (string, error) {
	t, err := d.of(r)
	if err != nil {
		return "", err
	}
	live, err := t.resource.Get(ctx, r.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", d.explain(ctx, err, t, "get")
	}
	template, found, err := unstructured.NestedMap(live.Object, "spec", "template")
	if err != nil || !found {
		return fmt.Sprintf("%s/%d", live.GetUID(), live.GetGeneration()), nil
	}
	data, err := json.Marshal(template) // its keys are sorted
	if err != nil {
		return "", fmt.Errorf("read the pods' template of %s: %w", r, err)
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%s/%s", live.GetUID(), hex.EncodeToString(sum[:8])), nil
}
