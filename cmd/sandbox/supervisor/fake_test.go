package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// The test binary plays its own children: `run NAME --dir DIR`, as the sandbox
// does, and a whole supervisor that can be killed: `supervise DIR`.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 5 && os.Args[1] == "run":
		err = fake(os.Args[2], os.Args[4])
	case len(os.Args) == 3 && os.Args[1] == "supervise":
		err = supervise(os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fake is a web server on the workload's or the forge's address. `stubborn` does
// not hear SIGTERM; `broken` ends at once; any of them dies when asked for /die.
func fake(name, dir string) error {
	s, err := stack.Load(dir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	addr := strings.TrimPrefix(s.Workload.URL, "http://")
	switch name {
	case "broken":
		return fmt.Errorf("the disk is on fire")
	case "second":
		addr = strings.TrimPrefix(s.Forge.URL, "http://")
	case "stubborn":
		ctx = context.Background()
	}
	fmt.Println(name, "serves")
	srv := &http.Server{Addr: addr, ReadHeaderTimeout: time.Second}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("/die", func(http.ResponseWriter, *http.Request) {
		fmt.Println("out of cheese")
		os.Exit(7)
	})
	srv.Handler = mux
	go func() { <-ctx.Done(); _ = srv.Close() }()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func firstURL(s *stack.Stack) string  { return s.Workload.URL }
func secondURL(s *stack.Stack) string { return s.Forge.URL }

var (
	first  = Child{Name: "first", Ready: answers(firstURL), Listens: listens(firstURL)}
	second = Child{Name: "second", Needs: []string{"first"}, Ready: answers(secondURL), Listens: listens(secondURL)}
)

func twoStages() []Stage {
	return []Stage{{Children: []Child{first}}, {Children: []Child{second}}}
}

func supervise(dir string) error {
	if _, err := Start(context.Background(), Options{Dir: dir, Stages: twoStages()}); err != nil {
		return err
	}
	fmt.Println("up")
	select {}
}

// start brings up a sandbox of fakes that ends with the test.
func start(t *testing.T, dir string, stages []Stage) *Supervisor {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir, Stages: stages})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// pidAt asks a fake who it is; "" when nobody answers soon.
func pidAt(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	var pid string
	fmt.Fscan(res.Body, &pid)
	return pid
}

// whoIs waits until a fake tells who it is.
func whoIs(t *testing.T, url string) (pid string) {
	t.Helper()
	await(t, url+" answers", func() bool { pid = pidAt(t, url); return pid != "" })
	return pid
}

// expect tells whether a fake answers as it should by now.
func expect(t *testing.T, after, url string, answers bool) {
	t.Helper()
	if answers {
		whoIs(t, url)
	} else if pid := pidAt(t, url); pid != "" {
		t.Fatalf("after %s %s still answers (process %s)", after, url, pid)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	give := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-give:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func rewriteJSON(t *testing.T, path string, change func(*identity)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var id identity
	if err := json.Unmarshal(b, &id); err != nil {
		t.Fatal(err)
	}
	change(&id)
	if b, err = json.Marshal(id); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
