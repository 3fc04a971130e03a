package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// TestComposeLoads reads compose.yaml as Compose itself does: its schema, its merging, its variables, its checks.
func TestComposeLoads(t *testing.T) {
	t.Parallel()
	text := string(read(t, "manifests/compose.yaml"))
	env := secretsExample(t)
	p, err := loadCompose(t.Context(), text, env)
	if err != nil {
		t.Fatal(err)
	}
	work, err := p.GetService("cortexops-work")
	if err != nil {
		t.Fatal(err)
	}
	if at := work.Environment["CORTEXOPS_LEDGER_URL"]; at == nil || !strings.Contains(*at, "cortexops:of-CORTEXOPS_DB_PASSWORD@postgres") {
		t.Errorf("the ledger of cortexops-work is not at the database with its password")
	}
	for name, c := range map[string]struct{ from, to, says string }{
		"a span that is none":      {"interval: 10s", "interval: soon", "soon"},
		"waiting in a circle":      {"  nats:\n", "  nats:\n    depends_on: {cortexops-work: {condition: service_started}}\n", "cycle"},
		"a key that Compose lacks": {"shm_size:", "shmsize:", "shmsize"},
		"waiting for nobody":       {"      postgres: {condition: service_healthy}", "      postgresql: {condition: service_healthy}", "postgresql"},
	} {
		broken := strings.Replace(text, c.from, c.to, 1)
		if broken == text {
			t.Fatalf("compose.yaml has no %q: change this test with it", c.from)
		}
		if _, err := loadCompose(t.Context(), broken, env); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q in it", name, err, c.says)
		}
	}
	delete(env, "CORTEXOPS_QDRANT_API_KEY")
	if _, err := loadCompose(t.Context(), text, env); err == nil || !strings.Contains(err.Error(), "set an API key for Qdrant") {
		t.Errorf("without a secret: %v", err)
	}
}

func loadCompose(ctx context.Context, text string, env types.Mapping) (*types.Project, error) {
	return loader.LoadWithContext(ctx, types.ConfigDetails{WorkingDir: filepath.Join(root, "manifests"), Environment: env,
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(text)}}})
}

// secretsExample has a value for every variable that people are asked to set.
func secretsExample(t *testing.T) types.Mapping {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "manifests", "secrets.env.example"))
	if err != nil {
		t.Fatal(err)
	}
	env := types.Mapping{}
	for line := range strings.Lines(string(data)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			env[name] = "of-" + name
		}
	}
	return env
}
