// Package testrun runs the tests of both modules on a sandbox that it starts for them, and ends with the list of what
// did not run and why: a skipped test is never counted as passed.
package testrun

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/cmd/sandbox/supervisor"
)

// parts are what the product's own tests need.
var parts = []string{"kube", "temporal", "nats", "forge", "prometheus"}

// noStack is the reason of a test that should have had a stack: with one running, it is a failure.
const noStack = "no stack"

// Run tests the product on a stack of its own, then the sandbox with its end-to-end stories. root is the repository.
func Run(ctx context.Context, root string, out io.Writer) error {
	all := &tally{out: out}
	if err := product(ctx, root, all); err != nil {
		return err
	}
	// The end-to-end stories wait for alerts most of their time: three at once on two cores, each with a stack of its own.
	if err := all.run(ctx, filepath.Join(root, "cmd", "sandbox"), nil, "-parallel=3"); err != nil {
		return err
	}
	return all.close()
}

func product(ctx context.Context, root string, all *tally) error {
	dir, err := os.MkdirTemp("", "cortexops-test")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sup, err := supervisor.Start(ctx, supervisor.Options{Dir: dir, Parts: parts, Progress: func(s string) { fmt.Fprintln(all.out, s) }})
	if err != nil {
		return err
	}
	addresses := filepath.Join(dir, "addresses.json")
	err = sup.Stack().WriteFile(addresses)
	if err == nil {
		err = all.run(ctx, root, []string{"CORTEXOPS_TEST_STACK=" + addresses})
	}
	return errors.Join(err, sup.Close())
}

// event is a line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

type tally struct {
	out                     io.Writer
	passed, failed, skipped int
	notRun                  []string
	noStack                 bool
	lines                   map[string][]string // what a test printed, until it ends
	only                    map[string][]string // tests by package below the repository; nil: all
	results                 map[string]string   // by "package test": pass, fail, or why it did not run; nil: not kept
}

const module = "github.com/cortexops/cortexops"

// chosen are the arguments of go test for the module in dir, none where nothing in it is to be run.
func (t *tally) chosen(dir string) []string {
	if t.only == nil {
		return []string{"./..."}
	}
	var packages, tests []string
	for _, pkg := range slices.Sorted(maps.Keys(t.only)) {
		below, sandbox := strings.CutPrefix(pkg, "cmd/sandbox/")
		if sandbox != (filepath.Base(dir) == "sandbox") {
			continue
		}
		packages, tests = append(packages, "./"+below), append(tests, t.only[pkg]...)
	}
	if len(packages) == 0 {
		return nil
	}
	return append([]string{"-run", "^(" + strings.Join(tests, "|") + ")$"}, packages...)
}

func (t *tally) run(ctx context.Context, dir string, env []string, flags ...string) error {
	// -count=1: what the tests talk to is not part of what Go caches by.
	chosen := t.chosen(dir)
	if chosen == nil {
		return nil
	}
	flags = append([]string{"test", "-json", "-count=1", "-timeout=60m"}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(flags, chosen...)...)
	cmd.Dir, cmd.Stderr, cmd.Env = dir, t.out, append(supervisor.GoEnv(), env...)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	t.lines = map[string][]string{}
	before := t.failed
	in := bufio.NewScanner(pipe)
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Fprintln(t.out, in.Text()) // a compiler's words
			continue
		}
		t.see(e)
	}
	if err := cmd.Wait(); err != nil && t.failed == before {
		t.failed++ // it did not even build
	}
	return in.Err()
}

func (t *tally) see(e event) {
	key := e.Package + "." + e.Test
	switch e.Action {
	case "output", "build-output":
		t.lines[key] = append(t.lines[key], e.Output)
		if e.Action == "build-output" {
			fmt.Fprint(t.out, e.Output)
		}
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	said := t.lines[key]
	delete(t.lines, key)
	if e.Test == "" {
		if e.Action == "fail" {
			fmt.Fprint(t.out, strings.Join(said, ""))
		}
		if e.Action == "skip" {
			e.Action = "none" // it has no tests
		}
		fmt.Fprintf(t.out, "%-4s %s %.1fs\n", e.Action, e.Package, e.Elapsed)
		return
	}
	if t.results != nil {
		result := e.Action
		if result == "skip" {
			result = reason(said)
		}
		t.results[strings.TrimPrefix(e.Package, module+"/")+" "+e.Test] = result
	}
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		fmt.Fprintf(t.out, "%s", strings.Join(said, ""))
	case "skip":
		t.skipped++
		why := reason(said)
		t.noStack = t.noStack || strings.Contains(why, noStack)
		t.notRun = append(t.notRun, fmt.Sprintf("not run: %s %s (%s)", e.Package, e.Test, why))
	}
}

// reason is what the test said when it skipped.
func reason(said []string) string {
	for _, line := range slices.Backward(said) {
		if _, why, ok := strings.Cut(line, "not run: "); ok {
			return strings.TrimSpace(why)
		}
	}
	return strings.TrimSpace(strings.Join(said, " "))
}

func (t *tally) close() error {
	for _, line := range t.notRun {
		fmt.Fprintln(t.out, line)
	}
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	switch {
	case t.failed > 0:
		return errors.New("tests failed")
	case t.noStack:
		return errors.New("tests did not run because they had no stack, although one was running")
	}
	return nil
}
