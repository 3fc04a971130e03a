package supervisor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

func TestVerbsActOnOneChildAlone(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), twoStages())
	url := s.Stack().Workload.URL
	born, other := whoIs(t, url), whoIs(t, s.Stack().Forge.URL)

	for _, step := range []struct {
		verb    string
		do      func(string) error
		answers bool
	}{
		{"pause", s.Pause, false},
		{"resume", s.Resume, true},
		{"stop", s.Stop, false},
		{"restart", s.Restart, true},
		{"kill", s.Kill, false},
		{"restart", s.Restart, true},
		{"pause", s.Pause, false},
		{"stop", s.Stop, false}, // a paused one ends too
		{"restart", s.Restart, true},
		{"restart", s.Restart, true}, // one that runs
	} {
		if err := step.do("first"); err != nil {
			t.Fatalf("%s: %v", step.verb, err)
		}
		expect(t, step.verb, url, step.answers)
	}
	if whoIs(t, url) == born {
		t.Error("restart left the old process")
	}
	if now := whoIs(t, s.Stack().Forge.URL); now != other {
		t.Errorf("the other child changed from %s to %s", other, now)
	}
	select {
	case d := <-s.Died():
		t.Errorf("an intended end was reported: %v", d)
	default:
	}
}

func TestVerbsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), twoStages())
	if err := s.Stop("third"); !errors.Is(err, ErrNoChild) {
		t.Errorf("Stop of an unknown part: %v", err)
	}
	if err := s.Stop("first"); err != nil {
		t.Fatal(err)
	}
	for verb, do := range map[string]func(string) error{"stop": s.Stop, "pause": s.Pause, "resume": s.Resume} {
		if err := do("first"); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s of a stopped part: %v", verb, err)
		}
	}
}

func TestCrashIsReportedWithLog(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), twoStages())
	if pidAt(t, s.Stack().Workload.URL+"/die") != "" {
		t.Fatal("it did not die")
	}
	d := <-s.Died()
	if d.Name != "first" || d.State != "exit status 7" || !strings.Contains(d.Tail, "out of cheese") {
		t.Errorf("reported: %v", d)
	}
	if err := s.Restart("first"); err != nil {
		t.Errorf("restart after a crash: %v", err)
	}
}

func TestChildThatCannotStart(t *testing.T) {
	t.Parallel()
	never := func(context.Context, *stack.Stack) error { return errors.New("not yet") }
	for name, child := range map[string]Child{
		"the disk is on fire": {Name: "broken", Ready: never},
		"not yet":             {Name: "first", Ready: never, Timeout: 1},
		"no such file":        {Name: "first", Command: func(*stack.Stack) Command { return Command{Args: []string{"/no/such"}} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := Start(t.Context(), Options{Dir: dir, Stages: []Stage{{Children: []Child{second0()}}, {Children: []Child{child}}}})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Fatalf("Start: %v, want %q in it", err, name)
			}
			st, err := stack.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if pidAt(t, st.Forge.URL) != "" {
				t.Error("the child that did start was left behind")
			}
		})
	}
}

// second0 is second without its need.
func second0() Child { c := second; c.Needs = nil; return c }

func TestTakenPortIsSaidOnRestart(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), twoStages())
	if err := s.Stop("first"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", hostOf(s.Stack().Workload.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var taken *PortTaken
	if err := s.Restart("first"); !errors.As(err, &taken) || taken.Addr != l.Addr().String() {
		t.Errorf("Restart on a taken port: %v", err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stubborn := Child{Name: "stubborn", Ready: answers(firstURL)}
	s := start(t, dir, []Stage{{Children: []Child{stubborn}}, {Children: []Child{second0()}}})
	if err := s.Pause("second"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "run", "*.pid")); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if pidAt(t, s.Stack().Workload.URL) != "" {
		t.Error("the stubborn one still answers")
	}
	if err := s.Restart("second"); err == nil {
		t.Error("a part was started after Close")
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	var steps []string
	step := func(name string, needs ...string) Step {
		return Step{Name: name, Needs: needs, Do: func(context.Context, *stack.Stack) error { steps = append(steps, name); return nil }}
	}
	stages := twoStages()
	stages[1].Steps = []Step{step("always"), step("for first", "first"), step("for second", "second")}

	if _, err := Start(t.Context(), Options{Dir: t.TempDir(), Stages: stages, Parts: []string{"second"}}); err == nil || !strings.Contains(err.Error(), "second needs first") {
		t.Errorf("a part without what it needs: %v", err)
	}
	if _, err := Start(t.Context(), Options{Dir: t.TempDir(), Stages: stages, Parts: []string{"third"}}); !errors.Is(err, ErrNoChild) {
		t.Errorf("an unknown part: %v", err)
	}
	s, err := Start(t.Context(), Options{Dir: t.TempDir(), Stages: stages, Parts: []string{"first"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := strings.Join(steps, ", "); got != "always, for first" {
		t.Errorf("steps done: %s", got)
	}
	if pidAt(t, s.Stack().Forge.URL) != "" {
		t.Error("a part that was not asked for runs")
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-way-down/", 12)) // longer than a socket's path may be
	if err := Control(t.Context(), dir, "stop", "first"); !errors.Is(err, ErrNotUp) {
		t.Errorf("with no sandbox: %v", err)
	}
	s := start(t, dir, twoStages())
	url := s.Stack().Workload.URL
	for _, step := range []struct {
		verb    string
		answers bool
	}{{"pause", false}, {"resume", true}, {"stop", false}, {"restart", true}} {
		if err := Control(t.Context(), dir, step.verb, "first"); err != nil {
			t.Fatalf("%s: %v", step.verb, err)
		}
		expect(t, step.verb, url, step.answers)
	}
	for _, r := range []request{{"stop", "third"}, {"explode", "first"}} {
		if err := Control(t.Context(), dir, r.Verb, r.Name); !errors.Is(err, ErrRefused) {
			t.Errorf("%v: %v", r, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Control(t.Context(), dir, "stop", "first"); !errors.Is(err, ErrNotUp) {
		t.Errorf("after Close: %v", err)
	}
}

func TestReadyProbeReadsTheStatus(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), twoStages())
	url := s.Stack().Workload.URL
	if err := answers(func(*stack.Stack) string { return url })(t.Context(), s.Stack()); err != nil {
		t.Error(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	go srv.Serve(l)
	if err := answers(func(*stack.Stack) string { return "http://" + l.Addr().String() })(t.Context(), s.Stack()); err == nil {
		t.Error("404 was taken for ready")
	}
}
