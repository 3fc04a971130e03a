package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/procfs"
)

const (
	out   = "out/bench.jsonl"
	cache = "out/bench" // of what takes long to make
)

// result is one line of bench.jsonl. Its figures are in the unit that ends its name.
type result struct {
	Group string   `json:"group"`
	Name  string   `json:"name"`
	Ours  float64  `json:"ours"`
	Peer  *float64 `json:"peer"` // null: nobody else does it
	Ratio *float64 `json:"ratio"`
	Goal  string   `json:"goal"`
	Pass  bool     `json:"pass"`
}

// run gathers the results of one group.
type run struct {
	group   string
	dir     string // for what is not kept
	results []result
}

// ratio adds a result that must be no more than most times the peer's.
func (r *run) ratio(name string, ours, peer, most float64) {
	r.add(result{Name: name, Ours: ours, Peer: &peer, Goal: fmt.Sprintf("ratio ≤ %g", most), Pass: ours <= most*peer})
}

// limit adds a result that must be no more than most; peer 0: there is none.
func (r *run) limit(name string, ours, peer, most float64) {
	res := result{Name: name, Ours: ours, Goal: fmt.Sprintf("ours ≤ %g", most), Pass: ours <= most}
	if peer > 0 {
		res.Peer = &peer
	}
	r.add(res)
}

// atLeast adds a result that must be no less than least.
func (r *run) atLeast(name string, ours, least float64) {
	r.add(result{Name: name, Ours: ours, Goal: fmt.Sprintf("ours ≥ %g", least), Pass: ours >= least})
}

func (r *run) add(res result) {
	res.Group = r.group
	if res.Peer != nil {
		ratio := res.Ours / *res.Peer
		res.Ratio = &ratio
	}
	r.results = append(r.results, res)
}

// doing says what is measured now.
func doing(what string) { fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), what) }

// measure runs one group, prints and saves what it found, and says how many goals it missed.
func measure(ctx context.Context, group string) (missed int, err error) {
	r := &run{group: group}
	if r.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(r.dir)
	if err := groups[group](ctx, r); err != nil {
		return 0, err
	}
	for _, res := range r.results {
		if !res.Pass {
			missed++
		}
	}
	if err := r.print(os.Stdout); err != nil {
		return 0, err
	}
	return missed, r.save(out)
}

func (r *run) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tours\tpeer\tratio\tgoal\t\n", r.group)
	figure := func(f *float64, digits int) string {
		if f == nil {
			return "-"
		}
		return fmt.Sprintf("%.*f", digits, *f)
	}
	for _, res := range r.results {
		verdict := "pass"
		if !res.Pass {
			verdict = "MISSED"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", res.Name, figure(&res.Ours, 1), figure(res.Peer, 1), figure(res.Ratio, 2), res.Goal, verdict)
	}
	return t.Flush()
}

// save replaces the group's lines in the file.
func (r *run) save(file string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var b bytes.Buffer
	for _, line := range strings.SplitAfter(string(old), "\n") {
		var res result
		if json.Unmarshal([]byte(line), &res) == nil && res.Group != r.group {
			b.WriteString(line)
		}
	}
	e := json.NewEncoder(&b)
	for _, res := range r.results {
		if err := e.Encode(res); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// said is what a child prints: its answer, and how many MB it took at most. It looks for itself, since what the system tells of
// a process that has ended is never less than what its parent took until it began it.
type said struct {
	Answer any
	MB     float64
}

// child runs one of ours in a process of its own, and says how many MB that took at most.
func child(ctx context.Context, answer any, name string, args ...string) (peak float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	doing(name)
	cmd := exec.CommandContext(ctx, self, append([]string{"child", name}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("child %s: %w", name, err)
	}
	s := said{Answer: answer}
	if err := json.Unmarshal(stdout, &s); err != nil {
		return 0, fmt.Errorf("child %s: %w", name, err)
	}
	return s.MB, nil
}

// answer is what the child does.
func answer(ctx context.Context, name string, args []string) error {
	f := children[name]
	if f == nil {
		return fmt.Errorf("there is no child %q", name)
	}
	v, err := f(ctx, args)
	if err != nil {
		return err
	}
	mb, err := peak()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(said{v, mb})
}

// peak is how many MB of memory this process has had at most.
func peak() (float64, error) {
	self, err := procfs.Self()
	if err != nil {
		return 0, fmt.Errorf("the memory that a process took is read from /proc: %w", err)
	}
	status, err := self.NewStatus()
	return float64(status.VmHWM) / (1 << 20), err
}

// timed is how many milliseconds f takes.
func timed(f func() error) (float64, error) {
	began := time.Now()
	err := f()
	return float64(time.Since(began)) / float64(time.Millisecond), err
}

func median(of []float64) float64 {
	s := slices.Sorted(slices.Values(of))
	return s[len(s)/2]
}
