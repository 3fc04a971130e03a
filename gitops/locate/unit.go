package locate

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/cortexops/cortexops/gitops/edit"
)

// unit is what is deployed as a whole, as it stands in one snapshot.
type unit interface {
	name() string // a path of the repository
	// digest of everything that render depends on.
	digest() [32]byte
	reads(path string) bool
	sources() []source
	// mayRender is false only where render cannot have the object.
	mayRender(sel edit.Selector) bool
	// render gives what is deployed, in order. Call rendered instead, which remembers.
	render() ([]*part, error)
	// candidates are the places that may set the field, the likeliest first.
	candidates(a ask) []candidate
	// additions are the places where the field can be added, the best first: in any file of the unit, or only in patches
	// that are the unit's own, a new one last.
	additions(a ask, own bool) []addition
}

// ask is which field of which rendered object has which value.
type ask struct {
	sel   edit.Selector
	path  edit.Path // list elements by name, where they have one
	value string
	doc   any  // the object as it is rendered
	depth int  // of asks that came of asks
	plain bool // the value is no text
}

// candidate is a place that may set the field.
type candidate struct {
	file  string
	pos   edit.Position
	value string // that the field has if nothing overrides it
	mark  string // another value that can be written there
	what  string // in words, where it is no manifest
	write func(files Files, value string) (map[string][]byte, error)
	read  func(data []byte) (value string, ok bool) // what other contents of the file say there
	err   error                                     // instead of all else: there may be one, and it cannot be edited
}

// open reads the unit of that name. Its errors show when it is rendered.
func open(files Files, name string) unit {
	if isPlain(files, name) {
		return openPlain(files, name)
	}
	if known, ok := files.(*once); ok {
		return known.layout(name)
	}
	return collect(files, name)
}

// seek finds the one unit that renders the object.
func seek(files Files, q Query) (*search, error) {
	units, err := q.units(files)
	if err != nil {
		return nil, err
	}
	var broken broken
	l := &looseness{q: q, units: units}
	for _, loose := range []bool{false, true} {
		if loose && len(q.Overlays) > 0 {
			break
		}
		for i, tier := range units {
			if l.tier = i; !loose {
				l.tier = strict
			}
			hit, err := seekIn(files, tier, l, &broken)
			if err != nil {
				return nil, err
			}
			if hit != nil {
				hit.units = units
				return hit, nil
			}
		}
	}
	switch {
	case broken.err != nil && len(q.Overlays) == 0:
		return nil, fmt.Errorf("%s is rendered by nothing that can be read: %w", q.Object, broken.err)
	case len(q.Overlays) == 0:
		return nil, &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s is rendered by no kustomization and in no manifest%s", q.Object, l.said)}
	}
	return nil, &Refusal{Reason: NotFound, Why: fmt.Sprintf("%s is rendered by none of %s", q.Object, list(q.Overlays))}
}

// broken are the units that cannot be rendered, and why the first cannot.
type broken struct {
	names []string
	err   error
}

// reads tells whether a file is in the folder of one: perhaps it is a patch, which nothing but that kustomization could tell.
func (b *broken) reads(file string) bool {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if slices.Contains(b.names, dir) {
			return true
		}
	}
	return path.Dir(file) == "." && slices.Contains(b.names, ".")
}

// seekIn finds the one of the units that renders the object.
func seekIn(files Files, units []unit, l *looseness, broken *broken) (*search, error) {
	var hit *search
	q := l.q
	for _, u := range units {
		if !u.mayRender(q.Object) {
			continue
		}
		objects, err := rendered(u)
		if err != nil {
			if len(q.Overlays) > 0 {
				return nil, err
			}
			broken.names = append(broken.names, u.name())
			if broken.err == nil {
				broken.err = err
			}
			continue
		}
		for i, o := range objects {
			if !o.is(q.Object) && !l.takes(u, o) {
				continue
			}
			if _, ok := u.(*plain); ok && (broken.reads(u.name()) || l.partial(u, o)) {
				continue
			}
			if hit != nil {
				return nil, &Refusal{Reason: Ambiguous, Why: fmt.Sprintf("%s is rendered by %s and by %s", q.Object, hit.unit.name(), u.name())}
			}
			hit = &search{unit: u, files: files, q: q, objects: objects, target: i}
		}
	}
	return hit, nil
}

func unnamespaced(sel edit.Selector) edit.Selector {
	sel.Namespace = ""
	return sel
}

// index of the object that sel names, or of the one without a namespace; -1 where there is none.
func index(objects []Object, sel edit.Selector) int {
	if i := slices.IndexFunc(objects, func(o Object) bool { return o.is(sel) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(objects, func(o Object) bool { return o.Namespace == "" && o.is(unnamespaced(sel)) })
}

// units are those that may render the object, in tiers: a tier counts only where those before it have no answer.
func (q Query) units(files Files) ([][]unit, error) {
	if len(q.Overlays) == 0 {
		return discover(files, q.Object)
	}
	var out []unit
	for _, name := range q.Overlays {
		if name != path.Clean(name) || path.IsAbs(name) || outside(name) {
			return nil, &Refusal{Reason: Invalid, Why: fmt.Sprintf("%q is no path in the repository", name)}
		}
		out = append(out, open(files, name))
	}
	return [][]unit{out}, nil
}

// digestOf says of a unit whether its rendering is remembered: what it is, and the bytes of all that it reads.
func digestOf(unit string, list []source) [32]byte {
	h := sha256.New()
	fmt.Fprintln(h, unit)
	for _, f := range list {
		fmt.Fprintf(h, "%q %d\n", f.path, len(f.data))
		h.Write(f.data)
	}
	return [32]byte(h.Sum(nil))
}

// exists tells whether there is a file of that name.
func exists(files Files, name string) bool {
	_, err := files.ReadFile(name)
	return !errors.Is(err, fs.ErrNotExist)
}

func unique(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}
