package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Field is one value in one file.
type Field struct {
	Path string
	// Name says which field. Answers of Read are kept by it: equal names and equal bytes have equal values.
	Name string
	// Read finds the value, if the file has it. It must not call the repository.
	Read func(data []byte) (value string, ok bool)
}

// Key tells fields apart.
func (f Field) Key() string { return f.Path + " " + f.Name }

// FieldOf is a field of an object in a manifest. Where edit.Find refuses it, it has no value.
func FieldOf(path string, object edit.Selector, field edit.Path) Field {
	return Field{path, fmt.Sprintf("%s %s %s", object.Group, object, field), func(data []byte) (string, bool) {
		p, err := edit.Find(path, data, object, field)
		return p.Value, err == nil
	}}
}

// FieldQuery asks for the last values of a field.
type FieldQuery struct {
	Head  string // of the branch that is deployed
	Field Field
	Last  int       // how many values
	Since time.Time // further back is not looked; zero: to the beginning
}

// Value is what a field was for some time, on the branch that is deployed.
type Value struct {
	Value string
	Set   bool // else the file or the field was not there
	// Commit set it, and was committed at the beginning of that time. It has no SHA where it is older than was looked.
	Commit
	Until  time.Time // the next value; zero: it is in effect
	Merged []Commit  // of a merge: the commits that changed the file, the newest first
}

// For is how long the value was in effect; 0 where its beginning is not known.
func (v Value) For(now time.Time) time.Duration {
	if v.SHA == "" {
		return 0
	}
	if !v.Until.IsZero() {
		now = v.Until
	}
	return now.Sub(v.When)
}

// FieldHistory is the last values of a field, the newest first. It follows the branch, not the commits that were merged
// into it: a value is in effect from the merge on, and comes after those of the commits behind, whatever the dates say. A file that was renamed begins there.
func (r *Repo) FieldHistory(ctx context.Context, q FieldQuery) ([]Value, error) {
	if !fs.ValidPath(q.Field.Path) || q.Field.Read == nil || q.Last <= 0 {
		return nil, fmt.Errorf("history of %q: a file, a way to read it and how many values are needed", q.Field.Path)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h := fieldHistory{r: r, q: q}
	boundary, err := r.mainline(ctx, q.Head, q.Since, h.step)
	if err == nil && boundary != nil {
		err = h.end(boundary)
	}
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", q.Field.Path, err)
	}
	when := map[*step]time.Time{}
	for i, at := range dated(h.line, time.Now()) {
		when[h.line[i]] = at
	}
	for i, s := range h.set {
		if i > 0 {
			h.values[i].Until = when[h.set[i-1]]
		}
		if s == nil {
			continue
		}
		h.values[i].Commit = s.Commit
		h.values[i].When = when[s]
		if h.values[i].Merged, err = r.mergedChanges(ctx, s, []string{q.Field.Path}); err != nil {
			return nil, fmt.Errorf("history of %s: %w", q.Field.Path, err)
		}
	}
	return h.values, nil
}

type fieldHistory struct {
	r      *Repo
	q      FieldQuery
	line   []*step // that was looked at
	values []Value
	set    []*step // by which each value is set, as far as was looked
}

func (h *fieldHistory) step(s *step) (enough bool, err error) {
	h.line = append(h.line, s)
	changes, err := h.r.touches(s, h.q.Field.Path)
	if err != nil || len(changes) == 0 {
		return false, err
	}
	if len(changes) > 1 || changes[0].path != h.q.Field.Path {
		return false, nil // it was a folder then
	}
	return h.add(changes[0].blob, s)
}

// end takes what the field was before all that was looked at: who set it is not known.
func (h *fieldHistory) end(boundary *step) error {
	e, err := h.r.at(boundary.tree, h.q.Field.Path)
	if err != nil {
		return err
	}
	_, err = h.add(e.Hash, nil)
	return err
}

func (h *fieldHistory) add(blob plumbing.Hash, by *step) (enough bool, err error) {
	value, ok, err := h.r.value(h.q.Field, blob)
	if err != nil {
		return false, err
	}
	if i := len(h.values) - 1; i >= 0 && h.values[i].Value == value && h.values[i].Set == ok {
		h.set[i] = by
		return false, nil
	}
	if len(h.values) == h.q.Last {
		return true, nil
	}
	h.values, h.set = append(h.values, Value{Value: value, Set: ok}), append(h.set, by)
	return false, nil
}

// answer is what a Field found in a blob.
type answer struct {
	value string
	ok    bool
}

type asked struct {
	blob       plumbing.Hash
	path, name string
}

// maxAnswers is how many answers are kept.
const maxAnswers = 50_000

func (r *Repo) value(f Field, blob plumbing.Hash) (string, bool, error) {
	if blob.IsZero() {
		return "", false, nil
	}
	key := asked{blob, f.Path, f.Name}
	if a, ok := r.answers[key]; ok {
		return a.value, a.ok, nil
	}
	data, err := r.readBlob(f.Path, blob)
	if errors.Is(err, plumbing.ErrObjectNotFound) { // a folder or a submodule
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	var a answer
	if a.value, a.ok = f.Read(data); !a.ok {
		a.value = ""
	}
	if len(r.answers) >= maxAnswers {
		clear(r.answers)
	}
	r.answers[key] = a
	return a.value, a.ok, nil
}
