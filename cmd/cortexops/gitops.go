package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

const (
	exitUsage   = 2
	exitRefused = 3
)

func gitopsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "gitops", Short: "Find and edit what sets a field, in a working directory; no server is asked", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			return usage(fmt.Errorf("gitops %s: say gitops locate or gitops edit", strings.Join(args, " ")))
		}}
	cmd.AddCommand(gitopsLocateCommand(), gitopsEditCommand())
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	return cmd
}

func usage(err error) error { return &exit{exitUsage, err} }

// question is what both commands are asked.
type question struct {
	repo, path, resource, field, output string
}

func (q *question) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&q.repo, "repo", ".", "a folder of the repository, which is read from its root: the folder above that has .git, or this one where none has; symbolic links out of it are not followed")
	f.StringVar(&q.path, "path", "", "the overlay that renders the object: a folder or file below --repo, or else below the root of the repository, as the paths that are printed; without it every kustomization and manifest is searched")
	f.StringVar(&q.resource, "resource", "", "GROUP/VERSION/KIND/NAMESPACE/NAME: apps/v1/Deployment/shop/checkout, /v1/Service/shop/checkout, rbac.authorization.k8s.io/v1/ClusterRole//view")
	f.StringVar(&q.field, "field", "", "spec.template.spec.containers[name=api].resources.limits.memory, metadata.annotations['a.b/c'], spec.args[0]")
	f.StringVar(&q.output, "output", "text", "text or json")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage(fmt.Errorf("%q is too much: everything is said by flags", args[0]))
		}
		return nil
	}
}

// read checks what was asked, and opens the repository.
func (q *question) read(ctx context.Context) (*source, locate.Query, error) {
	var none locate.Query
	if q.output != "text" && q.output != "json" {
		return nil, none, usage(fmt.Errorf("--output is text or json, not %q", q.output))
	}
	parts := strings.Split(q.resource, "/")
	if len(parts) != 5 || parts[1] == "" || parts[2] == "" || parts[4] == "" {
		return nil, none, usage(fmt.Errorf("--resource is GROUP/VERSION/KIND/NAMESPACE/NAME, in which GROUP and NAMESPACE may be empty, not %q", q.resource))
	}
	field, err := edit.ParsePath(q.field)
	if err != nil {
		return nil, none, usage(fmt.Errorf("--field: %w", err))
	}
	root, err := gitRoot(q.repo)
	if err != nil {
		return nil, none, usage(fmt.Errorf("--repo: %w", err))
	}
	files, err := openTree(root)
	if err != nil {
		return nil, none, usage(fmt.Errorf("--repo: %w", err))
	}
	query := locate.Query{Object: edit.Selector{Group: parts[0], Kind: parts[2], Namespace: parts[3], Name: parts[4]}, Field: field, Whole: true}
	if q.path != "" {
		if query.Overlays, err = files.units(root, q.repo, q.path); err != nil {
			return nil, none, usage(fmt.Errorf("--path: %w", err))
		}
	}
	from, err := openSource(ctx, files, query)
	return from, query, err
}

func gitopsLocateCommand() *cobra.Command {
	var q question
	cmd := &cobra.Command{Use: "locate", Short: "Say which file sets a field of an object, and prove it; exit 3 and why where that cannot be said",
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer silence()()
			from, query, err := q.read(cmd.Context())
			if err != nil {
				return err
			}
			defer from.close()
			found, err := from.locate(cmd.Context(), query)
			return q.answer(cmd.OutOrStdout(), located{Place: placeOf(found, found.Value)}, err)
		}}
	q.flags(cmd)
	return cmd
}

// Place is where a field is set.
type Place struct {
	File   string   `json:"file"`
	Line   int      `json:"line"`
	Column int      `json:"column"`
	Value  string   `json:"value"`
	Chain  []string `json:"chain"` // the proof, for people
}

func placeOf(f locate.Found, value string) Place {
	return Place{File: f.File, Line: f.Line, Column: f.Column, Value: value, Chain: f.Chain}
}

// answered is what a command prints where it is not refused.
type answered interface{ text(w io.Writer) }

type located struct{ Place }

func (l located) text(w io.Writer) {
	fmt.Fprintf(w, "%s:%d:%d %s\n", l.File, l.Line, l.Column, line(l.Value))
	for _, step := range l.Chain {
		fmt.Fprintln(w, line(step))
	}
}

// line keeps text that comes from files on one line, and control sequences from the terminal.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// answer prints what was found, or the refusal, which is an answer too.
func (q *question) answer(w io.Writer, a answered, err error) error {
	reason, refused := refusal(err)
	switch {
	case err != nil && !refused:
		return err
	case q.output == "json" && refused:
		err = errors.Join(encode(w, map[string]string{"refusal": reason, "why": err.Error()}), err)
	case q.output == "json":
		return encode(w, a)
	case !refused:
		a.text(w)
		return nil
	}
	hint := ""
	if reason == string(locate.Ambiguous) && q.path == "" {
		hint = "; say which by --path"
	}
	return &exit{exitRefused, fmt.Errorf("refused (%s): %w%s", reason, err, hint)}
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// refusal is the reason of a typed refusal.
func refusal(err error) (reason string, ok bool) {
	var located *locate.Refusal
	var edited *edit.Refusal
	var syntax *edit.SyntaxError
	switch {
	case err == nil:
		return "", false
	case errors.As(err, &located):
		return string(located.Reason), true
	case errors.As(err, &edited) && edited.Encrypted:
		return string(locate.Encrypted), true
	case errors.As(err, &edited), errors.Is(err, errNoQuantity), errors.Is(err, errNoImage):
		return string(locate.Uneditable), true
	case errors.As(err, &syntax):
		return string(locate.Invalid), true
	case errors.Is(err, edit.ErrAmbiguous):
		return string(locate.Ambiguous), true
	case errors.Is(err, edit.ErrNotFound):
		return string(locate.NotFound), true
	}
	return "", false
}

var (
	errNoQuantity = errors.New("the value cannot be scaled")
	errNoImage    = errors.New("the image cannot be given that")
)

// warn writes to where people look and no program reads.
func warn(format string, args ...any) { fmt.Fprintf(stderr, "cortexops: "+format+"\n", args...) }

var stderr = os.Stderr

// silence keeps what kustomize says of deprecated fields, once for each file and each rendering, from standard error,
// until it is undone.
func silence() (undo func()) {
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return func() {}
	}
	os.Stderr = nowhere
	return func() {
		os.Stderr = stderr
		nowhere.Close()
	}
}
