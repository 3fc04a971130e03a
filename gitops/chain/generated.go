package chain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// generated finds what a generator of the unit's kustomization makes the field of: a literal, a line of a file, or the
// whole of one, which is a refusal that names it. It is nil where no kustomization says so.
func (s *search) generated(ctx context.Context) (*locate.Found, error) {
	made := s.unit.objects[s.target]
	if made.Group != "" || made.Kind != "ConfigMap" && made.Kind != "Secret" || s.unit.folder == "" || !hasKustomization(s.world.files, s.unit.folder) {
		return nil, nil
	}
	q := locate.Query{Overlays: []string{s.unit.folder}, Object: edit.Selector{Kind: made.Kind, Name: made.Name}, Field: s.field, Paths: s.q.Paths}
	f, err := locate.Locate(s.world.files, q)
	var r *locate.Refusal
	switch {
	case errors.As(err, &r) && r.Reason == locate.NotFound:
		return nil, nil // the unit makes more of it than the kustomization
	case err != nil:
		return nil, err
	case f.Value != s.value:
		return nil, nil
	}
	f.Overlay, f.Chain = s.unit.where(), append(s.chain, f.Chain...)
	return &f, ctx.Err()
}

// index is where the target is in what u makes: a generated ConfigMap has another name for each content.
func (s *search) index(u *unit) int {
	if i := u.has(s.q.Object); i >= 0 {
		return i
	}
	if now := locate.Follow(s.unit.objects, u.objects, s.target); now[s.target].Name != s.unit.objects[s.target].Name {
		return s.target
	}
	return -1
}

const maxShown = 80 // bytes of a value in a sentence

// shown is a value in a sentence: none of a Secret, and not a whole file.
func shown(q Query, value string) string {
	line, _, more := strings.Cut(value, "\n")
	switch {
	case q.Object.Group == "" && q.Object.Kind == "Secret":
		return "what is secret"
	case value == "":
		return `""`
	case len(line) > maxShown:
		for line = line[:maxShown]; !utf8.ValidString(line); {
			line = line[:len(line)-1]
		}
		return line + "…"
	case more:
		return line + "…"
	}
	return value
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
