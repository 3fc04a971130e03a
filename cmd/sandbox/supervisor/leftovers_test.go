package supervisor

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

func TestSecondStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir, twoStages())
	old := filepath.Join(s.Stack().Data("first"), "old")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir, Stages: twoStages()})
	if !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("while the first runs: %v", err)
	}
	whoIs(t, s.Stack().Workload.URL) // the refused start did it no harm
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir, twoStages())
	if again.Stack().Workload.URL != s.Stack().Workload.URL {
		t.Error("the ports changed")
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the data of the first run is still there")
	}
}

func TestFolderOfSomebodyElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	thesis := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(thesis, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir, Stages: twoStages()}); !errors.Is(err, ErrNotOurs) {
		t.Errorf("Start: %v", err)
	}
	if _, err := os.Stat(thesis); err != nil {
		t.Error(err)
	}
}

// TestKilledSupervisorTakesItsChildrenAlong kills a supervisor as the system
// would when memory runs out, and starts the next one in the same folder.
func TestKilledSupervisorTakesItsChildrenAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "supervise", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("it said %q, %v", line, err)
	}
	st, err := stack.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, "both children are gone", func() bool { return pidAt(t, st.Workload.URL)+pidAt(t, st.Forge.URL) == "" })
	start(t, dir, twoStages())
}

// TestLeftovers: what a crashed run left is ended, but only that: the number may
// belong to somebody else by now.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*identity){
		"ours":          func(*identity) {},
		"later process": func(id *identity) { id.Started = "1" },
		"other program": func(id *identity) { id.Command = "emacs\x00" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "sleep", "600")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { _ = cmd.Wait(); close(ended) }()
			defer func() { _ = cmd.Process.Kill(); <-ended }()
			file := filepath.Join(run, "kube.pid")
			if err := writePID(file, cmd); err != nil {
				t.Fatal(err)
			}
			rewriteJSON(t, file, change)
			await(t, "the system knows its arguments", func() bool {
				id, err := identify(cmd.Process.Pid)
				return err == nil && strings.HasPrefix(id.Command, "sleep\x00")
			})
			if err := endLeftovers(run); err != nil {
				t.Fatal(err)
			}
			if name == "ours" {
				<-ended
				return
			}
			if _, err := identify(cmd.Process.Pid); err != nil {
				t.Errorf("a process that is not ours was ended: %v", err)
			}
		})
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir, twoStages())
	old := filepath.Join(s.Stack().Data("first"), "old")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Start(t.Context(), Options{Dir: dir, Keep: true, Stages: twoStages()})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Stack().Workload.URL != s.Stack().Workload.URL {
		t.Error("the ports changed")
	}
	if _, err := os.Stat(old); err != nil {
		t.Errorf("what was to be kept is gone: %v", err)
	}
}
