package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Preview tells what an edit of git would change, apart from what it finds: it asks for the object as git says it before
// the edit and after it. Fields are the difference of the two answers; those of them that the edit does not name, and the
// API server or an admission webhook sets, are Server too. Drift is where the live object is not what the first answer
// says: the apply would take that back as well. Errors as DryRun's; an owner of a field that is in the way of the object
// after the edit is a *Conflict, of one that is only in the way of the object before it is drift.
func (d *Direct) Preview(ctx context.Context, before, after []byte) (Change, error) {
	user, err := d.whoAmI(ctx)
	if err != nil {
		return Change{}, err
	}
	t, err := d.target(after)
	if err != nil {
		return Change{}, err
	}
	if was, err := d.target(before); err != nil || was.ref != t.ref {
		return Change{}, &Invalid{Ref: t.ref, Message: fmt.Sprintf("before the edit it was another object: %v", was.ref)}
	}
	live, by, err := d.live(ctx, t)
	if err != nil {
		return Change{}, err
	}
	if before, err = by.marked(before, live); err != nil {
		return Change{}, err
	}
	if after, err = by.marked(after, live); err != nil {
		return Change{}, err
	}
	would, err := d.rehearse(ctx, t, after, by)
	if err != nil {
		return Change{}, err
	}
	was, err := d.patch(ctx, t, before, metav1.PatchOptions{FieldManager: by.manager, DryRun: dry, Force: new(true)}) // it is stored nowhere: what others own of it is drift, not a conflict
	if err != nil {
		return Change{}, err
	}
	salt := saltOf(live, t.ref)
	change, err := compare(was, would, salt)
	if err != nil {
		return Change{}, err
	}
	drift, err := compare(live, was, salt)
	if err != nil {
		return Change{}, err
	}
	change.User, change.Ref = user, t.ref
	change.Drift, change.DriftDiff = drift.Fields, drift.Diff
	change.InSync = change.InSync && drift.InSync
	change.Server, err = unasked(before, after, change.Fields)
	return change, err
}

var dry = []string{metav1.DryRunAll}

// unasked is which of the fields are no difference between what was sent.
func unasked(before, after []byte, fields []Field) ([]Field, error) {
	var a, b any
	if err := json.Unmarshal(before, &a); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(after, &b); err != nil {
		return nil, err
	}
	sent := edit.Differences(a, b)
	var out []Field
	for _, f := range fields {
		asked := false
		for _, s := range sent {
			asked = asked || within(f.Path, s.Path) || within(s.Path, f.Path)
		}
		if !asked {
			out = append(out, f)
		}
	}
	return out, nil
}

// within reports whether path is that of the field, or of something in it.
func within(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// saltOf keeps the digests of a Secret's values from being those of the same values elsewhere. An object that is not
// there gets another UID from each dry-run.
func saltOf(live *unstructured.Unstructured, r Ref) string {
	if live == nil {
		return r.String()
	}
	return string(live.GetUID())
}
