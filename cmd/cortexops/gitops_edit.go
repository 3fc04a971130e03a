package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// wish is what the field is to become.
type wish struct {
	set, min, max, tag, digest string
	scale                      float64
	given                      func(flag string) bool
}

func gitopsEditCommand() *cobra.Command {
	var q question
	var w wish
	var render bool
	cmd := &cobra.Command{Use: "edit", Short: "Print the smallest edit that gives a field another value, as a diff for git apply; exit 3 and why where it cannot be proven",
		RunE: func(cmd *cobra.Command, _ []string) error {
			w.given = cmd.Flags().Changed
			if err := w.check(); err != nil {
				return usage(err)
			}
			defer silence()()
			from, query, err := q.read(cmd.Context())
			if err != nil {
				return err
			}
			defer from.close()
			made, err := propose(cmd.Context(), from, query, w, render)
			if errors.Is(err, errSame) {
				warn("%s is %s already%s: nothing to edit", query.Field, made.Value, w.beyond(made.Value))
				err = nil
			}
			return q.answer(cmd.OutOrStdout(), made, err)
		}}
	q.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&w.set, "set", "", "the new value")
	f.Float64Var(&w.scale, "scale-quantity", 0, "multiply the quantity that is there, within --min and --max")
	f.StringVar(&w.min, "min", "", "not below this quantity")
	f.StringVar(&w.max, "max", "", "not above this quantity")
	f.StringVar(&w.tag, "image-tag", "", "give the image that is there this tag")
	f.StringVar(&w.digest, "image-digest", "", "give the image that is there this digest")
	f.BoolVar(&render, "render", false, "print what the edit changes in everything that the overlay renders, and what stays as it is")
	return cmd
}

func (w wish) check() error {
	ways := 0
	for _, given := range []bool{w.given("set"), w.given("scale-quantity"), w.given("image-tag") || w.given("image-digest")} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return fmt.Errorf("say what the field is to become: --set, --scale-quantity, or --image-tag and --image-digest")
	case !w.given("scale-quantity") && (w.given("min") || w.given("max")):
		return fmt.Errorf("--min and --max go with --scale-quantity")
	case w.given("scale-quantity"):
		_, err := edit.ScaleQuantity("1", false, w.scale, w.min, w.max)
		return err
	}
	return nil
}

// value is the new one of the field that has the current one.
func (w wish) value(q locate.Query, current string) (string, error) {
	if w.given("set") {
		return w.set, nil
	}
	to, err := edit.Image(current, w.tag, w.digest)
	cannot := errNoImage
	if w.given("scale-quantity") {
		to, err = edit.ScaleQuantity(current, edit.Divides(q.Object, q.Field), w.scale, w.min, w.max)
		cannot = errNoQuantity
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", cannot, err)
	}
	return to, nil
}

// beyond says that a quantity is over a bound before it is scaled: it is not turned round, then.
func (w wish) beyond(current string) string {
	switch {
	case !w.given("scale-quantity"):
	case w.scale > 1 && w.max != "" && edit.Within(current, "", w.max) != nil:
		return ", which is above --max " + w.max
	case w.scale < 1 && w.min != "" && edit.Within(current, w.min, "") != nil:
		return ", which is below --min " + w.min
	}
	return ""
}

var errSame = errors.New("it has the value already")

// edited is an edit that was proven.
type edited struct {
	Place
	To       string     `json:"to"`
	Overlay  string     `json:"overlay"`
	Diff     string     `json:"diff"` // for git apply
	Rendered []rendered `json:"rendered,omitempty"`
	Others   []string   `json:"others,omitempty"` // kustomizations that render differently too
	related  []string   // and why, one to each
}

// rendered is one field that the edit changes in what is rendered.
type rendered struct {
	Object string `json:"object"`
	Field  string `json:"field"`
	From   string `json:"from"`
	To     string `json:"to"`
}

func (e edited) text(w io.Writer) {
	for _, step := range e.Chain { // git apply skips what stands before a diff
		fmt.Fprintf(w, "# %s\n", line(step))
	}
	for _, r := range e.Rendered {
		fmt.Fprintf(w, "# %s renders %s with %s: %s -> %s\n", e.Overlay, line(r.Object), line(r.Field), line(r.From), line(r.To))
	}
	for i, o := range e.Others {
		fmt.Fprintf(w, "# %s is rendered differently too%s\n", line(o), line(e.related[i]))
	}
	if e.Rendered != nil {
		fmt.Fprintln(w, "# everything else is rendered byte-identical")
	}
	_, _ = io.WriteString(w, e.Diff)
}

// propose makes the edit in memory and proves it.
func propose(ctx context.Context, from *source, q locate.Query, w wish, render bool) (edited, error) {
	current, there, err := from.current(q)
	if err != nil {
		return edited{}, err
	}
	if !there && !w.given("set") {
		_, err := from.locate(ctx, q)
		return edited{}, &locate.Refusal{Reason: locate.NotFound, Why: fmt.Sprintf("nothing sets it, and only --set can add it: %v", err), Err: err}
	}
	to, err := w.value(q, current)
	if err != nil {
		return edited{}, err
	}
	out := edited{Place: Place{Value: current}, To: to}
	if there && to == current {
		return out, errSame
	}
	found, err := from.place(ctx, q, to)
	if err != nil {
		return edited{}, err
	}
	changed, err := found.Write(from.files, to)
	if err != nil {
		return edited{}, err
	}
	out.Place, out.Overlay = placeOf(found, current), found.Overlay
	if out.Diff, err = diff(from.files, changed); err != nil {
		return edited{}, err
	}
	if render {
		out.Rendered, out.Others, err = prove(ctx, from, changed, q, found.Overlay, to)
		out.relate(from.files)
	}
	return out, err
}

// relate says how those that render differently too come by it.
func (e *edited) relate(files locate.Files) {
	for _, o := range e.Others {
		why := ""
		switch {
		case locate.Includes(files, o, e.Overlay):
			why = ": it includes " + e.Overlay
		case locate.Includes(files, e.Overlay, o):
			why = ": " + e.Overlay + " includes it"
		}
		e.related = append(e.related, why)
	}
}

// prove renders everything before and after, and lists what differs in the overlay, and what includes that. That it is
// the one field, and that nothing else differs anywhere, is the proof.
func prove(ctx context.Context, source *source, changed map[string][]byte, q locate.Query, overlay, to string) (fields []rendered, others []string, err error) {
	from, now, others, err := source.prove(ctx, changed, q, overlay, to)
	if err != nil {
		return nil, nil, err
	}
	out := []rendered{}
	for i, o := range now {
		if i >= len(from) || bytes.Equal(from[i].JSON, o.JSON) {
			continue
		}
		var a, b any
		if err := errors.Join(json.Unmarshal(from[i].JSON, &a), json.Unmarshal(o.JSON, &b)); err != nil {
			return nil, nil, err
		}
		for _, d := range edit.Differences(a, b) {
			out = append(out, rendered{o.String(), d.Path, d.From, d.To})
		}
	}
	return out, others, nil
}

// diff is the change of the files as git writes it.
func diff(files locate.Files, changed map[string][]byte) (string, error) {
	var b strings.Builder
	for _, file := range slices.Sorted(maps.Keys(changed)) {
		before, err := files.ReadFile(file)
		fresh := errors.Is(err, fs.ErrNotExist)
		if err != nil && !fresh {
			return "", err
		}
		if !fresh && bytes.Equal(before, changed[file]) {
			continue
		}
		old, now := "a/"+file, "b/"+file
		fmt.Fprintf(&b, "diff --git %s %s\n", gitName(old), gitName(now))
		if fresh {
			b.WriteString("new file mode 100644\n")
			old = "/dev/null"
		}
		text := udiff.Unified("", "", string(before), string(changed[file]))
		_, hunks, _ := strings.Cut(text, "\n+++ ")
		_, hunks, _ = strings.Cut(hunks, "\n")
		fmt.Fprintf(&b, "--- %s\n+++ %s\n%s", ended(gitName(old)), ended(gitName(now)), hunks)
	}
	return b.String(), nil
}

// ended is a name with the tab that git wants after one with spaces.
func ended(name string) string {
	if strings.Contains(name, " ") {
		return name + "\t"
	}
	return name
}

// gitName quotes a path as git does: where it has bytes that are not printable ASCII.
func gitName(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return name
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(name) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
