package repo

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"
)

// Place is where something of what broke is set: a file, or a folder with all below it.
type Place struct {
	Path     string
	Distance int // 0: what broke itself; else how many steps away from it
}

// SuspectQuery asks which changes may have broken something.
type SuspectQuery struct {
	Head   string // of the branch that is deployed
	Onset  time.Time
	Since  time.Time // older changes are no suspects
	Places []Place
}

// Suspect is a commit that the branch was at. Revert can undo it.
type Suspect struct {
	Commit
	Paths    []string      // of files that it changed in the places, sorted
	Distance int           // of the nearest place
	Before   time.Duration // the onset
	Merged   []Commit      // of a merge: the commits that changed those files, the newest first
}

// Suspects are the commits since q.Since and up to the onset that changed a file in one of the places, the likeliest
// first: a change is the likelier the nearer it is, in time and in distance. One step of distance counts as if the change
// were twice as old, two as if it were three times as old.
//
// A merge is one suspect: it is when its commits came to the branch, and what a revert can undo. A branch whose own
// history was merged into, instead of the other way round, dates those commits by that merge. Which commit came after which
// the parents say, and not the dates.
func (r *Repo) Suspects(ctx context.Context, q SuspectQuery) ([]Suspect, error) {
	for _, p := range q.Places {
		if !fs.ValidPath(p.Path) || p.Path == "." || p.Distance < 0 {
			return nil, fmt.Errorf("suspects: %q at distance %d is no place in a repository", p.Path, p.Distance)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var line []*step
	_, err := r.mainline(ctx, q.Head, q.Since, func(s *step) (bool, error) {
		line = append(line, s)
		return false, nil
	})
	if err != nil {
		return nil, fmt.Errorf("suspects: %w", err)
	}
	var out []Suspect
	for i, when := range dated(line, time.Now()) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("suspects: %w", err)
		}
		if when.After(q.Onset) || when.Before(q.Since) {
			continue
		}
		found, err := r.suspect(ctx, line[i], when, q)
		if err != nil {
			return nil, fmt.Errorf("suspects: %w", err)
		}
		if found != nil {
			out = append(out, *found)
		}
	}
	slices.SortStableFunc(out, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(a.age(), b.age()), cmp.Compare(a.Distance, b.Distance))
	})
	return out, nil
}

func (s Suspect) age() time.Duration { return s.Before * time.Duration(1+s.Distance) }

// suspect is nil if the commit changed nothing in the places.
func (r *Repo) suspect(ctx context.Context, s *step, when time.Time, q SuspectQuery) (*Suspect, error) {
	paths, nearest := map[string]bool{}, -1
	for _, p := range q.Places {
		changes, err := r.touches(s, p.Path)
		if err != nil {
			return nil, err
		}
		for _, c := range changes {
			paths[c.path] = true
		}
		if len(changes) > 0 && (nearest < 0 || p.Distance < nearest) {
			nearest = p.Distance
		}
	}
	if nearest < 0 {
		return nil, nil
	}
	out := Suspect{Commit: s.Commit, Paths: slices.Sorted(maps.Keys(paths)), Distance: nearest, Before: q.Onset.Sub(when)}
	out.When = when
	var err error
	out.Merged, err = r.mergedChanges(ctx, s, out.Paths)
	return &out, err
}
