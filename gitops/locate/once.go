package locate

import (
	"sync"

	"github.com/cortexops/cortexops/gitops/edit"
)

// Once is files that are each read once, for as long as what is asked goes over one snapshot. It may be used by many at a
// time. What discovery finds is remembered with it.
func Once(files Files) Files {
	return &once{files: files, read: map[string]result{}, lists: map[string]listing{}, layouts: map[string]*kustomized{}, small: map[string]bool{}}
}

type once struct {
	files Files

	mu      sync.Mutex
	read    map[string]result
	lists   map[string]listing
	layouts map[string]*kustomized // what the kustomization of each folder reads
	small   map[string]bool        // the files that are bounded, as read
}

type listing struct {
	paths []string
	err   error
}

func (o *once) ReadFile(path string) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	got, ok := o.read[path]
	if !ok {
		got.data, got.err = o.files.ReadFile(path)
		o.read[path] = got
	}
	return got.data, got.err
}

func (o *once) List(dir string) ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	got, ok := o.lists[dir]
	if !ok {
		got.paths, got.err = o.files.List(dir)
		o.lists[dir] = got
	}
	return append([]string(nil), got.paths...), got.err
}

// layout is collect, remembered.
func (o *once) layout(dir string) *kustomized {
	o.mu.Lock()
	got, ok := o.layouts[dir]
	o.mu.Unlock()
	if ok {
		return got
	}
	got = collect(o, dir)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.layouts[dir] = got
	return got
}

// bounded is edit.Bounded, remembered for what is as it was read.
func bounded(files Files, f source) bool {
	o := onceOf(files)
	if o == nil {
		return edit.Bounded(f.data, maxNodes)
	}
	o.mu.Lock()
	was, ok := o.read[f.path]
	known := ok && len(f.data) > 0 && len(was.data) == len(f.data) && &was.data[0] == &f.data[0]
	small, told := o.small[f.path]
	o.mu.Unlock()
	if known && told {
		return small
	}
	small = edit.Bounded(f.data, maxNodes)
	if known {
		o.mu.Lock()
		o.small[f.path] = small
		o.mu.Unlock()
	}
	return small
}

// onceOf is what files are changes of; nil where that is not read once.
func onceOf(files Files) *once {
	switch f := files.(type) {
	case *once:
		return f
	case overlaid:
		return onceOf(f.Files)
	}
	return nil
}

// untouched reports whether what changes from before to after, in files that were there, is nothing that u reads.
func untouched(u unit, before, after Files) bool {
	o, ok := after.(overlaid)
	from := onceOf(before)
	if !ok || from == nil || onceOf(o.Files) != from {
		return false
	}
	if _, changed := before.(overlaid); changed {
		return false
	}
	if _, twice := o.Files.(overlaid); twice {
		return false
	}
	for p := range o.changed {
		if u.reads(p) || !exists(from, p) {
			return false
		}
	}
	return true
}
