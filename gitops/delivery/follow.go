package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// requester is the field manager of the annotations that we ask with.
const requester = "cortexops"

// Watch is told of what Follow sees and does. Either may be nil.
type Watch struct {
	Progress func(string)
	// Write carries out each annotation that is not there yet, by which an object is asked for a reconciliation.
	Write func(object string, act func() error) error
}

func (w Watch) write(object string, act func() error) error {
	if w.Write == nil {
		return act()
	}
	return w.Write(object, act)
}

func refOf(live *unstructured.Unstructured) Ref {
	gvk := live.GroupVersionKind()
	return Ref{gvk.Group, gvk.Version, gvk.Kind, live.GetNamespace(), live.GetName()}
}

// get is the live object, nil where there is none.
func (d *Direct) get(ctx context.Context, r Ref) (*unstructured.Unstructured, error) {
	t, err := d.of(r)
	if err != nil {
		return nil, err
	}
	live, err := t.resource.Get(ctx, r.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, d.explain(ctx, err, t, "get")
	}
	return live, nil
}

// annotate sets one annotation, unless it is set already. Dry-run, it finds out whether we may.
func (d *Direct) annotate(ctx context.Context, r Ref, key, value string, w Watch, dryRun []string) error {
	t, err := d.of(r)
	if err != nil {
		return err
	}
	if dryRun == nil {
		live, err := d.get(ctx, r)
		if err != nil {
			return err
		}
		if live == nil {
			return &NotDelivered{r, "it is gone"}
		}
		if live.GetAnnotations()[key] == value {
			return nil
		}
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{key: value}}})
	if err != nil {
		return err
	}
	return w.write(r.String(), func() error {
		_, err := t.resource.Patch(ctx, r.Name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: requester, DryRun: dryRun})
		if err != nil {
			return d.explain(ctx, err, t, "patch")
		}
		return nil
	})
}

// poll reads one object of a tool until done says so. One that a person halts meanwhile is *NotDelivered, as one that is
// gone.
func (d *Direct) poll(ctx context.Context, r Ref, progress func(string), look func(*unstructured.Unstructured) (now string, done bool, err error)) error {
	said, failed := "", 0
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		now, done := "", false
		live, err := d.get(ctx, r)
		if err == nil && live == nil {
			return &NotDelivered{r, "it is gone"}
		}
		if err == nil {
			if why := halted(live); why != "" {
				return &NotDelivered{r, why}
			}
			now, done, err = look(live)
		}
		if err != nil {
			if failed++; final(err) || ctx.Err() != nil || failed > maxFailed {
				return err
			}
			now = fmt.Sprintf("%s: %v", r, err)
		} else {
			failed = 0
		}
		if said != now && progress != nil {
			progress(now)
		}
		said = now
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("follow the delivery: %s: %w", said, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
