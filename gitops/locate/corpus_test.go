package locate

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/cortexops/cortexops/gitops/edit"
)

var update = flag.Bool("update", false, "write the answers of the corpus anew; read what it changes")

// Each file of the corpus is a small repository. Above its files stand questions, one to a paragraph:
//
//	locate OBJECT FIELD
//	edit OBJECT FIELD VALUE
//
// The object is group/kind/namespace/name, each of which may be empty. Words before it narrow the question: in=a,b are
// the units to look at, paths=a,b what may be edited, base asks for an edit of the base. The lines below are the answer.
// An edit is made, proven, and answered with the lines that it changes.
func TestCorpus(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/corpus/*.txtar")
	if err != nil || len(names) < 25 {
		t.Fatalf("%d shapes, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			shape, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := memory{}
			for _, f := range shape.Files {
				files[f.Name] = string(f.Data)
			}
			var kept Files = files
			if !*update { // every answer is that of files that are read anew each time
				kept = Once(files)
			}
			paragraphs := strings.Split(strings.TrimSpace(string(shape.Comment)), "\n\n")
			for i, p := range paragraphs {
				if strings.HasPrefix(p, "#") {
					continue
				}
				question, want, _ := strings.Cut(p, "\n")
				got := answer(t, files, kept, question)
				if *update {
					paragraphs[i] = question + "\n" + got
				} else if again := answer(t, files, files, question); got != want || again != want {
					t.Errorf("%s\ngot:\n%s\nand without memory:\n%s\nwant:\n%s", question, got, again, want)
				}
			}
			if *update {
				shape.Comment = []byte(strings.Join(paragraphs, "\n\n") + "\n\n")
				if err := os.WriteFile(name, txtar.Format(shape), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func answer(t *testing.T, texts memory, files Files, question string) string {
	t.Helper()
	words := strings.Fields(question)
	what, words := words[0], words[1:]
	var q Query
	for {
		if list, ok := strings.CutPrefix(words[0], "in="); ok {
			q.Overlays = strings.Split(list, ",")
		} else if list, ok := strings.CutPrefix(words[0], "paths="); ok {
			q.Paths = strings.Split(list, ",")
		} else if words[0] == "base" {
			q.Base = true
		} else {
			break
		}
		words = words[1:]
	}
	object := strings.SplitN(words[0], "/", 4)
	q.Object = edit.Selector{Group: object[0], Kind: object[1], Namespace: object[2], Name: object[3]}
	q.Field = fieldPath(t, words[1])
	if what == "locate" {
		found, err := Locate(files, q)
		if err != nil {
			return refusalText(t, err)
		}
		return fmt.Sprintf("%s:%d:%d %s", found.File, found.Line, found.Column, found.Value)
	}
	value := strings.Join(words[2:], " ")
	found, err := Place(files, q, value)
	if err != nil {
		return refusalText(t, err)
	}
	if found.Value == value {
		return fmt.Sprintf("%s:%d:%d says so", found.File, found.Line, found.Column)
	}
	changed, err := found.Write(files, value)
	if err != nil {
		t.Errorf("%s: it was placed, and is not written: %v", question, err)
	}
	if err := Prove(files, With(files, changed), q, found.Overlay, value); err != nil {
		t.Errorf("%s: it was placed, and is not proven: %v", question, err)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		out = append(out, fmt.Sprintf("%s:\n%s", name, lineDiff(texts[name], string(changed[name]))))
	}
	return strings.Join(out, "\n")
}

func refusalText(t *testing.T, err error) string {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Errorf("no refusal: %v", err)
	}
	return fmt.Sprintf("refused, %s: %v", r.Reason, strings.ReplaceAll(err.Error(), "\n", " "))
}

// lineDiff is the lines that two texts do not share at their beginnings and ends.
func lineDiff(a, b string) string {
	was, is := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for len(was) > 0 && len(is) > 0 && was[0] == is[0] {
		was, is = was[1:], is[1:]
	}
	for len(was) > 0 && len(is) > 0 && was[len(was)-1] == is[len(is)-1] {
		was, is = was[:len(was)-1], is[:len(is)-1]
	}
	var out []string
	for _, line := range was {
		if line != "" {
			out = append(out, "- "+strings.TrimSuffix(line, "\n"))
		}
	}
	for _, line := range is {
		if line != "" {
			out = append(out, "+ "+strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.Join(out, "\n")
}
