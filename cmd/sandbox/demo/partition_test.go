package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// process is a `work` or a `serve` beside that of the stack. Nothing of it is shared but the ledger. changes are of its configuration.
type process struct {
	url string
	cmd *exec.Cmd
}

func (h *house) beside(t *testing.T, role string, changes ...func(config map[string]any)) *process {
	t.Helper()
	raw, err := os.ReadFile(h.Stack.Product.Config)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config["server"] = map[string]any{"address": address}
	config["git"].(map[string]any)["directory"] = filepath.Join(dir, "repository.git")
	for _, change := range changes {
		change(config)
	}
	if raw, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cortexops.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(h.Stack.Product.Binary, role, "--config", file)
	cmd.Env = os.Environ()
	for k, v := range h.Stack.Product.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have been
		_ = cmd.Wait()
		if said, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("the log of the %s beside it ends:\n%s", role, said[max(0, len(said)-6000):])
		}
		log.Close()
	})
	return &process{"http://" + address, cmd}
}

// takeover is within what partitions have a new owner, counted from when it says that it is there.
const takeover = 10 * time.Second

// owns waits until the process at url says that it owns so many partitions.
func (h *house) owns(t *testing.T, url string, partitions int) {
	t.Helper()
	says := func(what string) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			text, err := h.get(ctx, url+"/metrics")
			return strings.Contains(text, what), err
		}
	}
	if err := wait(t.Context(), url+" to be there", time.Minute, says("\ncortexops_bus_partitions_owned ")); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := wait(t.Context(), fmt.Sprintf("%s to own %d partitions", url, partitions), takeover, says(fmt.Sprintf("\ncortexops_bus_partitions_owned %d\n", partitions))); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s owns %d partitions after %s", url, partitions, time.Since(began).Round(100*time.Millisecond))
}

// get is what a page says, where it answers at all within a second; an error says which status if not 200.
func (h *house) get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := h.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", url, res.Status)
	}
	return string(text), err
}

// outbreak tells of one pod in trouble in each of many namespaces, over some seconds, while meanwhile happens. Then each
// has its one remediation: none lost, none doubled.
func (h *house) outbreak(t *testing.T, name string, meanwhile func()) {
	t.Helper()
	const namespaces = 24
	token := h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"]
	known := len(h.remediations(t))
	began := time.Now().UTC()
	for n := range namespaces {
		if n == namespaces/2 {
			meanwhile()
		}
		for _, alert := range []string{"Slow", "Errors"} { // both are of one incident
			body := fmt.Sprintf(`{"version":"4","status":"firing","receiver":"r","alerts":[{"status":"firing","startsAt":%q,"fingerprint":"%s%s%d",
				"labels":{"alertname":%q,"namespace":"%s-%d","pod":"p-0"}}]}`, began.Format(time.RFC3339Nano), name, alert, n, alert, name, n)
			if status, said := h.post(t, "/webhooks/alertmanager", token, strings.NewReader(body)); status != http.StatusAccepted {
				t.Fatalf("%d %s", status, said)
			}
		}
		time.Sleep(100 * time.Millisecond) // signals flow; nothing is measured by it
	}
	if err := wait(t.Context(), "every namespace's remediation", 90*time.Second, func(context.Context) (bool, error) {
		return len(h.remediations(t))-known >= namespaces, nil
	}); err != nil {
		t.Errorf("%s: %d of %d: %v", name, len(h.remediations(t))-known, namespaces, err)
	}
	time.Sleep(8 * time.Second) // what would come twice comes after the wait for an acknowledgement
	if got := len(h.remediations(t)) - known; got != namespaces {
		t.Errorf("%s: %d remediations of %d incidents", name, got, namespaces)
	}
}

func partitionsMove(t *testing.T, h *house) {
	first := h.Stack.Product.URL
	h.owns(t, first, 8)
	second := h.beside(t, "work")
	h.owns(t, second.url, 4)
	h.owns(t, first, 4)
	h.outbreak(t, "shared", func() {})
	h.outbreak(t, "killed", func() {
		if err := second.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	})
	h.owns(t, first, 8)
	third := h.beside(t, "work")
	h.owns(t, third.url, 4)
	h.outbreak(t, "stopped", func() {
		if err := third.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		h.owns(t, first, 8)
		if err := third.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	})
	h.owns(t, third.url, 4)
}
