package chain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/locate"
)

// The test binary is its own renderer of charts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "render-chart" {
		if err := helm.Serve(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func charts(t *testing.T) Charts {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &helm.Renderer{Command: []string{self, "render-chart"}, Timeout: time.Minute}
	t.Cleanup(r.Close)
	return r
}

// files is a repository in memory.
func files(m map[string]string) locate.Files {
	out := fstest.MapFS{}
	for name, text := range m {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return locate.FromFS(out)
}

// shape is one repository of the corpus with what is asked of it. A file of it is a text:
//
//	ask GROUP/KIND NAMESPACE/NAME FIELD
//	  overlay PATH | label KEY=VALUE | annotation KEY=VALUE     of the question
//	  is FILE:LINE:COLUMN VALUE                                 the place, with "new" behind it where it is added
//	  no REASON WORDS                                           or the refusal
//	  set VALUE                                                 an edit, and what follows:
//	    FILE - OLD LINE / FILE + NEW LINE                       all of its difference,
//	    no REASON WORDS                                         or the refusal
//	-- PATH --
//	a file of the repository
type shape struct {
	files map[string]string
	asks  []*question
}

type question struct {
	line    int
	query   Query
	is, no  string
	set     string
	diff    []string
	noPlace string
}

func readShape(t *testing.T, file string) shape {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := shape{files: map[string]string{}}
	var name string
	var q *question
	for i, line := range strings.SplitAfter(string(data), "\n") {
		trimmed := strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(trimmed, "-- "); ok && strings.HasSuffix(rest, " --") {
			name = strings.TrimSuffix(rest, " --")
			s.files[name] = ""
			continue
		}
		if name != "" {
			s.files[name] += line
			continue
		}
		word, rest, _ := strings.Cut(trimmed, " ")
		switch {
		case word == "ask":
			q = &question{line: i + 1, query: parseAsk(t, rest)}
			s.asks = append(s.asks, q)
		case word == "" || q == nil || word == "#":
		case word == "overlay":
			q.query.Overlays = append(q.query.Overlays, rest)
		case word == "label" || word == "annotation":
			k, v, _ := strings.Cut(rest, "=")
			if word == "label" {
				q.query.Labels[k] = v
			} else {
				q.query.Annotations[k] = v
			}
		case word == "is":
			q.is = rest
		case word == "set":
			q.set = rest
		case word == "no" && q.set == "":
			q.no = rest
		case word == "no":
			q.noPlace = rest
		default:
			q.diff = append(q.diff, trimmed)
		}
	}
	return s
}

func parseAsk(t *testing.T, s string) Query {
	t.Helper()
	words := strings.SplitN(s, " ", 3)
	group, kind, _ := strings.Cut(words[0], "/")
	ns, name, _ := strings.Cut(words[1], "/")
	p, err := edit.ParsePath(words[2])
	if err != nil {
		t.Fatal(err)
	}
	return Query{Query: locate.Query{Object: edit.Selector{Group: group, Kind: kind, Namespace: ns, Name: name}, Field: p},
		Labels: map[string]string{}, Annotations: map[string]string{}}
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	shapes, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(shapes) < 12 {
		t.Fatalf("%d shapes, %v", len(shapes), err)
	}
	renderer := charts(t)
	for _, file := range shapes {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			s := readShape(t, file)
			c, err := Open(context.Background(), files(s.files), Options{Charts: renderer})
			if err != nil {
				t.Fatal(err)
			}
			if len(s.asks) == 0 {
				t.Fatal("nothing is asked")
			}
			for _, q := range s.asks {
				t.Run(fmt.Sprintf("line %d", q.line), func(t *testing.T) { q.check(t, s.files, c) })
			}
		})
	}
}

func (q *question) check(t *testing.T, before map[string]string, c *Chain) {
	if q.is != "" || q.no != "" {
		f, err := c.Locate(context.Background(), q.query)
		if got := describe(f, err); q.is != got && (q.no == "" || !refusedAs(err, q.no)) {
			t.Errorf("got %s, want %s%s\n%s", got, q.is, q.no, strings.Join(f.Chain, "\n"))
		}
	}
	if q.set == "" {
		return
	}
	f, err := c.Place(context.Background(), q.query, q.set)
	if err != nil || q.noPlace != "" {
		if q.noPlace == "" || !refusedAs(err, q.noPlace) {
			t.Errorf("placed %s, want %s", describe(f, err), q.noPlace)
		}
		return
	}
	changed, err := f.Write(files(before), q.set)
	if err != nil {
		t.Fatal(err)
	}
	if got := difference(before, changed); !slices.Equal(got, q.diff) {
		t.Errorf("the edit is\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(q.diff, "\n"), strings.Join(f.Chain, "\n"))
	}
	after, err := c.With(context.Background(), changed)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Prove(after, q.query, q.set); err != nil {
		t.Error(err)
	}
	if len(f.Chain) < 3 {
		t.Errorf("the chain proves nothing: %q", f.Chain)
	}
}

func describe(f locate.Found, err error) string {
	var r *locate.Refusal
	if errors.As(err, &r) {
		return fmt.Sprintf("no %s %s", r.Reason, r.Why)
	}
	if err != nil {
		return "error " + err.Error()
	}
	out := fmt.Sprintf("%s:%d:%d %s", f.File, f.Line, f.Column, f.Value)
	if f.New {
		out += " new"
	}
	return out
}

func refusedAs(err error, want string) bool {
	var r *locate.Refusal
	reason, words, _ := strings.Cut(want, " ")
	return errors.As(err, &r) && string(r.Reason) == reason && strings.Contains(err.Error(), words)
}

// difference lists the lines that are not the same.
func difference(before map[string]string, changed map[string][]byte) []string {
	var out []string
	for _, p := range sortedKeys(toAny(changed)) {
		was, is := strings.Split(before[p], "\n"), strings.Split(string(changed[p]), "\n")
		if before[p] == "" {
			was = nil
		}
		for len(was) > 0 && len(is) > 0 && was[0] == is[0] {
			was, is = was[1:], is[1:]
		}
		for len(was) > 0 && len(is) > 0 && was[len(was)-1] == is[len(is)-1] {
			was, is = was[:len(was)-1], is[:len(is)-1]
		}
		for _, l := range was {
			out = append(out, p+" - "+strings.TrimSpace(l))
		}
		for _, l := range is {
			out = append(out, strings.TrimSpace(p+" + "+strings.TrimSpace(l)))
		}
	}
	return out
}

func toAny(in map[string][]byte) m {
	out := m{}
	for k, v := range in {
		out[k] = v
	}
	return out
}
