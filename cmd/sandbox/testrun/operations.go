package testrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// row is one section of docs/operations.md and how its proofs went; a line of out/operations.jsonl.
type row struct {
	N        int    `json:"n"`
	Sentence string `json:"sentence"`
	Proof    string `json:"proof"`
	Result   string `json:"result"` // passed | failed | not run | missing
	Why      string `json:"why,omitempty"`

	tests []string // "package test"
}

var (
	sectionLine = regexp.MustCompile(`^## (\d+)\. (.+)$`)
	proofLine   = regexp.MustCompile("^Proof: `([^ `]+) ([^`]+)`$")
	missingLine = regexp.MustCompile(`^Proof: (none yet.*)$`)
)

// Operations runs the tests that docs/operations.md names, and prints what each of its sections is worth.
func Operations(ctx context.Context, root string, out io.Writer) error {
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		return fmt.Errorf("read the operations page: %w", err)
	}
	rows, err := sections(string(page))
	if err != nil {
		return err
	}
	all := &tally{out: out, results: map[string]string{}, only: proofs(rows)}
	if err := product(ctx, root, all); err != nil {
		return err
	}
	if err := all.run(ctx, filepath.Join(root, "cmd", "sandbox"), nil); err != nil {
		return err
	}
	return report(root, rows, all.results, out)
}

func sections(page string) (rows []row, err error) {
	for i, line := range strings.Split(page, "\n") {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			rows = append(rows, row{N: n, Sentence: m[2]})
			continue
		}
		if !strings.HasPrefix(line, "Proof: ") {
			continue
		}
		if len(rows) == 0 {
			return nil, fmt.Errorf("docs/operations.md:%d: a proof before the first section", i+1)
		}
		last := &rows[len(rows)-1]
		if m := missingLine.FindStringSubmatch(line); m != nil {
			last.Why = m[1]
		} else if m := proofLine.FindStringSubmatch(line); m != nil {
			last.tests = append(last.tests, m[1]+" "+m[2])
		} else {
			return nil, fmt.Errorf("docs/operations.md:%d: write it as \"Proof: `PACKAGE TEST`\" or \"Proof: none yet …\"", i+1)
		}
	}
	return rows, nil
}

// proofs are the packages with the tests to run in them, without their subtests.
func proofs(rows []row) map[string][]string {
	only := map[string][]string{}
	for _, r := range rows {
		for _, test := range r.tests {
			pkg, name, _ := strings.Cut(test, " ")
			name, _, _ = strings.Cut(name, "/")
			if !slices.Contains(only[pkg], name) {
				only[pkg] = append(only[pkg], name)
			}
		}
	}
	return only
}

// judge says what the section is worth.
func (r *row) judge(results map[string]string) {
	r.Proof = strings.Join(r.tests, "; ")
	if r.Why != "" || len(r.tests) == 0 {
		r.Result = "missing"
		return
	}
	r.Result = "passed"
	for _, test := range r.tests {
		switch got, ran := results[test]; {
		case !ran:
			r.Result, r.Why = "failed", test+" is no test, or never began"
			return
		case got == "fail":
			r.Result, r.Why = "failed", test
			return
		case got != "pass":
			r.Result, r.Why = "not run", got
		}
	}
}

func report(root string, rows []row, results map[string]string, out io.Writer) error {
	var lines bytes.Buffer
	bad := 0
	fmt.Fprintf(out, "\n%2s  %-8s  %s\n", "", "result", "what docs/operations.md says")
	for i := range rows {
		r := &rows[i]
		r.judge(results)
		if r.Result == "failed" || r.Result == "missing" {
			bad++
		}
		fmt.Fprintf(out, "%2d  %-8s  %s\n", r.N, r.Result, r.Sentence)
		for _, detail := range []string{r.Proof, r.Why} {
			if detail != "" {
				fmt.Fprintf(out, "%14s%s\n", "", detail)
			}
		}
		if err := json.NewEncoder(&lines).Encode(r); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "out"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "out", "operations.jsonl"), lines.Bytes(), 0o644); err != nil {
		return err
	}
	if bad > 0 {
		return errors.New(strconv.Itoa(bad) + " section(s) of docs/operations.md failed or have no proof")
	}
	return nil
}
