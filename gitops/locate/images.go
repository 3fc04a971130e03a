package locate

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/cortexops/cortexops/gitops/edit"
)

// image is a reference to one, in its parts.
type image struct{ name, tag, digest string }

func splitImage(s string) (out image) {
	out.name, out.digest, _ = strings.Cut(s, "@")
	if i := strings.LastIndexByte(out.name, ':'); i > strings.LastIndexByte(out.name, '/') {
		out.name, out.tag = out.name[:i], out.name[i+1:]
	}
	return out
}

// images looks for the entries that give the image its tag, digest or name.
func (w *walk) images(l *layer) {
	is := splitImage(w.ask.value)
	if !isImage(w.ask.path) || is.name == "" {
		return
	}
	for i, e := range slices.Backward(l.fixed.Images) {
		p := edit.Path{key("images"), at(i)}
		if n := len(l.k.Images); i >= n {
			p = edit.Path{key("imageTags"), at(i - n)} // its old name
		}
		switch {
		case e.NewName == "" && e.Name != is.name || e.NewName != "" && e.NewName != is.name:
		case e.NewTag == "" && e.Digest == "" && (is.tag != "" || is.digest != ""):
			w.newNames = append(w.newNames, e)
		default:
			w.entry(l, p, e)
		}
	}
}

// entry is the candidate of one images: entry.
func (w *walk) entry(l *layer, p edit.Path, e types.Image) {
	sets, value := "newName", image{name: e.Name, tag: e.NewTag, digest: e.Digest}
	if e.NewName != "" {
		value.name = e.NewName
	}
	switch {
	case e.NewTag != "":
		sets = "newTag"
	case e.Digest != "":
		sets = "digest"
	}
	pos, err := edit.FindIn(l.file, l.data, in(append(slices.Clone(p), key(sets))...))
	if notFound(err) {
		return
	}
	if err != nil {
		w.block(err)
		return
	}
	c := candidate{file: l.file, pos: pos, value: value.String(), what: sets + " of the images: entry"}
	c.mark = sentinel(w.ask.path, c.value)
	c.write = func(files Files, wanted string) (map[string][]byte, error) {
		return writeEntry(files, l.file, p, value, splitImage(wanted))
	}
	c.read = func(data []byte) (string, bool) { return entryIn(data, e) }
	w.out = append(w.out, c)
}

// newTags adds a tag or a digest to the entries of a kustomization that only rename the image.
func (w *adder) newTags(l *layer) {
	is := splitImage(w.ask.value)
	if !isImage(w.ask.path) {
		return
	}
	for i, e := range slices.Backward(l.k.Images) {
		was := image{name: e.NewName}
		if was.name == "" {
			was.name = e.Name
		}
		if was.name != is.name || e.NewTag != "" || e.Digest != "" || e.TagSuffix != "" {
			continue
		}
		p := edit.Path{key("images"), at(i)}
		for _, sets := range []string{"newTag", "digest"} {
			w.out = append(w.out, addition{file: l.file, in: []edit.At{in(append(slices.Clone(p), key(sets))...)},
				write: func(files Files, value string) (map[string][]byte, error) {
					return writeEntry(files, l.file, p, was, splitImage(value))
				}})
		}
	}
}

// entryIn is the image as another kustomization's entry of that name has it.
func entryIn(data []byte, e types.Image) (string, bool) {
	var k types.Kustomization
	if err := k.Unmarshal(data); err != nil {
		return "", false
	}
	k.FixKustomization()
	i := slices.IndexFunc(k.Images, func(other types.Image) bool { return other.Name == e.Name })
	if i < 0 || k.Images[i].NewTag == "" && k.Images[i].Digest == "" {
		return "", false
	}
	is := image{name: e.Name, tag: k.Images[i].NewTag, digest: k.Images[i].Digest}
	if name := k.Images[i].NewName; name != "" {
		is.name = name
	}
	return is.String(), true
}

func (i image) String() string {
	s := i.name
	if i.tag != "" {
		s += ":" + i.tag
	}
	if i.digest != "" {
		s += "@" + i.digest
	}
	return s
}

// pinned tells which key of an entry takes the place of which, where a digest becomes a tag or a tag a digest.
func pinned(was, is image) (from, to, value string) {
	switch {
	case was.tag == "" && was.digest != "" && is.tag != "" && is.digest == "":
		return "digest", "newTag", is.tag
	case was.tag != "" && was.digest == "" && is.tag == "" && is.digest != "":
		return "newTag", "digest", is.digest
	}
	return "", "", ""
}

// writeEntry sets the parts of an images: entry that differ.
func writeEntry(files Files, file string, p edit.Path, was, is image) (map[string][]byte, error) {
	data, err := files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if from, to, value := pinned(was, is); from != "" {
		if data, err = edit.Swap(file, data, in(append(slices.Clone(p), key(from))...), to, value); err != nil {
			return nil, err
		}
		was.tag, was.digest = is.tag, is.digest
	}
	for _, part := range []struct{ key, was, is string }{{"newName", was.name, is.name}, {"newTag", was.tag, is.tag}, {"digest", was.digest, is.digest}} {
		if part.was == part.is {
			continue
		}
		if part.is == "" {
			return nil, &Refusal{Reason: Uneditable, Why: fmt.Sprintf("%s gives the image a %s, and %s has none", file, strings.TrimPrefix(strings.ToLower(part.key), "new"), is)}
		}
		at := in(append(slices.Clone(p), key(part.key))...)
		out, err := edit.SetIn(file, data, part.is, at)
		if notFound(err) {
			out, err = edit.AddIn(file, data, part.is, false, at)
		}
		if err != nil {
			return nil, err
		}
		data = out
	}
	return map[string][]byte{file: data}, nil
}

// renamed is the candidate of an image in a manifest, where an images: entry gives it another name and leaves the rest.
func (s spot) renamed(data []byte, a ask, c candidate, newNames []types.Image) candidate {
	was := splitImage(c.value)
	for _, e := range newNames {
		if e.Name != was.name || splitImage(a.value).name != e.NewName {
			continue
		}
		s.lead, s.before = e.Name, e.NewName
		s.what = "its name is from the images: entry"
		if c, ok := s.candidate(data, a); ok {
			c.mark = sentinel(a.path, c.value)
			return c
		}
	}
	return c
}
