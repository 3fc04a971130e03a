package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

var (
	// ErrRunning means that another supervisor has the folder.
	ErrRunning = errors.New("a sandbox is already running")
	// ErrNotOurs means that the folder holds something else.
	ErrNotOurs = errors.New("the folder is not empty and holds no sandbox")
)

const leftoverTimeout = 5 * time.Second

// identity tells a process from a later one under the same number.
type identity struct {
	PID     int    `json:"pid"`
	Started string `json:"started"` // clock ticks since boot
	Command string `json:"command"` // /proc/PID/cmdline
}

// prepare takes the folder for this supervisor, ends what a crashed one has left
// running and wipes its data unless it is to be kept. The lock goes with the process, however it ends.
func prepare(dir string, keep bool) (lock *os.File, err error) {
	run := filepath.Join(dir, "run")
	if err := ours(dir); err != nil {
		return nil, err
	}
	for _, d := range []string{dir, run} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make the sandbox's folder: %w", err)
		}
	}
	lock, err = os.OpenFile(filepath.Join(run, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the sandbox's folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return lock, fmt.Errorf("%w in %s (process %s): end it with Ctrl-C there, or give another --dir", ErrRunning, dir, holder(lock))
	}
	if err != nil {
		return lock, fmt.Errorf("lock the sandbox's folder: %w", err)
	}
	if err := endLeftovers(run); err != nil {
		return lock, err
	}
	if err := wipe(dir, run, keep); err != nil {
		return lock, fmt.Errorf("wipe the data of the last run: %w", err)
	}
	if err := lock.Truncate(0); err != nil {
		return lock, fmt.Errorf("lock the sandbox's folder: %w", err)
	}
	if _, err := lock.WriteAt(fmt.Appendln(nil, os.Getpid()), 0); err != nil {
		return lock, fmt.Errorf("lock the sandbox's folder: %w", err)
	}
	return lock, nil
}

func holder(lock *os.File) string {
	b := make([]byte, 32)
	n, _ := lock.ReadAt(b, 0)
	return strings.TrimSpace(string(b[:n]))
}

// ours refuses to wipe a folder that no sandbox made.
func ours(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the sandbox's folder: %w", err)
	}
	early := func(e fs.DirEntry) bool { return e.Name() == "run" || e.Name() == "logs" }
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !early(e) }) {
		return nil // cut short before stack.json was written
	}
	if s, err := stack.Load(dir); err == nil && s.Dir == dir {
		return nil
	}
	return fmt.Errorf("%s: %w: empty it, or give another --dir", dir, ErrNotOurs)
}

// wipe leaves what belongs to no run; keep leaves all but what was the last run's alone.
func wipe(dir, run string, keep bool) error {
	gone := []string{dir, run}
	if keep {
		gone = []string{run}
	}
	for _, d := range gone {
		entries, err := os.ReadDir(d)
		if err != nil {
			return err
		}
		for _, e := range entries {
			path := filepath.Join(d, e.Name())
			if path == run || d == run && e.Name() == "lock" || d == dir && e.Name() == "stack.json" {
				continue
			}
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return os.MkdirAll(filepath.Join(dir, "logs"), 0o700)
}

func pidFile(dir, name string) string { return filepath.Join(dir, "run", name+".pid") }

// writePID takes the arguments from cmd: just after a start the system may not
// know them yet.
func writePID(path string, cmd *exec.Cmd) error {
	id, err := identify(cmd.Process.Pid)
	if err != nil {
		return err
	}
	id.Command = strings.Join(cmd.Args, "\x00") + "\x00"
	b, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// identify reads what the system knows of a process; it fails for one that has
// ended, waited for or not.
func identify(pid int) (identity, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return identity{}, err
	}
	// PID (NAME) STATE … the 20th after NAME, which may hold anything, is the start.
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 20 || f[0][0] == 'Z' {
		return identity{}, fs.ErrNotExist
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return identity{}, err
	}
	return identity{PID: pid, Started: string(f[19]), Command: string(cmdline)}, nil
}

// endLeftovers kills the children of a crashed run that still run. Who has got
// such a number since is left alone.
func endLeftovers(run string) error {
	files, err := filepath.Glob(filepath.Join(run, "*.pid"))
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("look for leftovers: %w", err)
		}
		var was identity
		if json.Unmarshal(b, &was) != nil || was.PID <= 1 {
			continue // cut short while it was written
		}
		if err := endLeftover(was); err != nil {
			return fmt.Errorf("end %s of the last run: %w", strings.TrimSuffix(filepath.Base(file), ".pid"), err)
		}
	}
	return nil
}

func endLeftover(was identity) error {
	alive := func() bool { is, err := identify(was.PID); return err == nil && is == was }
	if !alive() {
		return nil
	}
	if err := syscall.Kill(-was.PID, syscall.SIGKILL); err != nil {
		return err
	}
	deadline := time.NewTimer(leftoverTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for alive() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("process %d does not end", was.PID)
		}
	}
	return nil
}
