package policies

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// written is a folder with the small policy.
func written(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, policy(nil)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func put(t *testing.T, dir, name, src string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	allows = "package cortexops.plan\nallow := true\nreasons := []"
	denies = "package cortexops.plan\nallow := false\nreasons := [\"no\"]"
	broken = "package cortexops.plan\nallow := "
)

type lived struct {
	*Live
	metrics *prometheus.Registry
	log     bytes.Buffer
}

// metric with that value of its one label, or without one.
func (l *lived) metric(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := l.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s %s", name, label)
	return 0
}

func live(t *testing.T, source Source) *lived {
	t.Helper()
	l := &lived{metrics: prometheus.NewRegistry()}
	var err error
	l.Live, err = Open(t.Context(), LiveOptions{Source: source, Metrics: l.metrics, Log: slog.New(slog.NewTextHandler(&l.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lived) plan(t *testing.T) bool {
	t.Helper()
	in := input()
	in.DryRun = nil
	d, err := l.Evaluate(t.Context(), Plan, in)
	if err != nil {
		t.Fatal(err)
	}
	return d.Allow
}

// A new version is taken as a whole; a broken one is not, and the log, the metric and Current say so until it is mended.
func TestLiveFollowsItsFolder(t *testing.T) {
	t.Parallel()
	dir := written(t)
	l := live(t, Files(os.DirFS(dir)))
	first := l.Revision()
	for _, step := range []struct {
		name, src             string
		looks                 int
		allow                 bool
		current, taken, times float64
		says                  string
	}{
		{"as it was", allows, 2, true, 1, 0, 0, ""},
		{"seen once", denies, 1, true, 1, 0, 0, ""},
		{"seen twice", denies, 1, false, 1, 1, 0, "the policies changed"},
		{"broken", broken, 3, false, 0, 1, 1, "are not taken"},
		{"mended", allows, 2, true, 1, 2, 1, "the policies changed"},
		{"broken by a gate that is missing", "package x", 3, true, 0, 2, 2, "no rule data.cortexops.plan.allow"},
		{"taken back", allows, 1, true, 1, 2, 2, ""},
	} {
		l.log.Reset()
		put(t, dir, "plan.rego", step.src)
		for range step.looks {
			l.look(t.Context())
		}
		if got := l.plan(t); got != step.allow {
			t.Errorf("%s: allows %v", step.name, got)
		}
		if err := l.Current(t.Context()); (err == nil) != (step.current == 1) {
			t.Errorf("%s: current: %v", step.name, err)
		}
		current, taken, times := l.metric(t, "cortexops_policy_current", ""), l.metric(t, "cortexops_policy_loads_total", "taken"), l.metric(t, "cortexops_policy_loads_total", "broken")
		if current != step.current || taken != step.taken || times != step.times {
			t.Errorf("%s: current %v, taken %v, broken %v", step.name, current, taken, times)
		}
		if got := l.log.String(); !strings.Contains(got, step.says) || step.says == "" && got != "" || strings.Count(got, "\n") > 1 {
			t.Errorf("%s: the log says %q", step.name, got)
		}
	}
	if l.Revision() != first {
		t.Error("the same policies have another revision")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	l.look(t.Context())
	if err := l.Current(t.Context()); !errors.Is(err, fs.ErrNotExist) || !l.plan(t) {
		t.Errorf("without its folder: %v", err)
	}
}

// Files that are written one after the other count when all are there.
func TestLiveWaitsForTheWholeVersion(t *testing.T) {
	t.Parallel()
	dir := written(t)
	l := live(t, Files(os.DirFS(dir)))
	put(t, dir, "plan.rego", "package cortexops.plan\nimport data.mine\nallow := true\nreasons := mine.reasons")
	l.look(t.Context())
	put(t, dir, "mine.rego", "package mine\nreasons := []")
	l.look(t.Context())
	if l.seen == l.Revision() {
		t.Fatal("taken at the first look at it")
	}
	l.look(t.Context())
	if l.seen != l.Revision() || l.metric(t, "cortexops_policy_loads_total", "taken") != 1 || !l.plan(t) {
		t.Errorf("%v", l.Current(t.Context()))
	}
}

// Whoever asks while versions change is answered by one of them.
func TestLiveIsAtomic(t *testing.T) {
	t.Parallel()
	dir := written(t)
	l := live(t, Files(os.DirFS(dir)))
	var stop atomic.Bool
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			in := input()
			in.DryRun = nil
			for !stop.Load() {
				if d, err := l.Evaluate(context.Background(), Plan, in); err != nil || d.Allow != (len(d.Reasons) == 0) {
					t.Errorf("%+v %v", d, err)
					return
				}
			}
		})
	}
	for i := range 20 {
		put(t, dir, "plan.rego", []string{denies, broken, allows}[i%3])
		l.look(t.Context())
		l.look(t.Context())
	}
	stop.Store(true)
	all.Wait()
}

func TestOpenFailsClosed(t *testing.T) {
	t.Parallel()
	dir := written(t)
	put(t, dir, "plan.rego", broken)
	for name, source := range map[string]Source{"broken": Files(os.DirFS(dir)), "empty": Files(os.DirFS(t.TempDir()))} {
		if _, err := Open(t.Context(), LiveOptions{Source: source, Metrics: prometheus.NewRegistry(), Log: slog.Default()}); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// A mounted ConfigMap has its files in a folder ..DATE, and links to them beside it.
func TestFilesOfAConfigMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "..2026_11_28"), policy(nil)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..2026_11_28", "deep", "apply.rego"), filepath.Join(dir, "..2026_11_28", "apply.rego")); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"..data": "..2026_11_28", "plan.rego": "..data/plan.rego", "approve.rego": "..data/approve.rego", "apply.rego": "..data/apply.rego"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	set, err := Files(os.DirFS(dir)).Load(t.Context())
	if err != nil || len(set.files) != 3 {
		t.Fatalf("%v %v", set, err)
	}
	if _, err := set.compile(t.Context()); err != nil {
		t.Error(err)
	}
}
