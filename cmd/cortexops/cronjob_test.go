package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/advise/memory"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// script runs what a CronJob runs, and returns what it left in the folder of the backups.
func script(t *testing.T, name, backups string, env ...string) (files []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join("../../manifests/components/backup", name))
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "BACKUP_DIR="+backups, "TMPDIR="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	entries, err := os.ReadDir(backups)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		files = append(files, e.Name())
	}
	return files
}

// older makes a file of so many days ago.
func older(t *testing.T, path string, days int) {
	t.Helper()
	at := time.Now().AddDate(0, 0, -days)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestTheNightlyDump restores by our command what the CronJob dumped. Temporal's databases are dumped as the ledger's is.
func TestTheNightlyDump(t *testing.T) { // not parallel: it sets the environment
	at, backups := postgresURL(t), t.TempDir()
	host, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	config := configured(t, "", "")
	t.Setenv("CORTEXOPS_LEDGER_URL", at)
	say(t, config, "migrate")
	row(t, at, "plan", incident.Event, nil)
	before := say(t, config, "ledger", "verify")
	older(t, filepath.Join(backups, "cortexops-20200101T000000Z.dump"), 15)
	older(t, filepath.Join(backups, "cortexops-20200102T000000Z.dump"), 13)
	older(t, filepath.Join(backups, "memory-20200102T000000Z.db"), 13) // the memory's file, which no CronJob brings
	files := script(t, "postgres.sh", backups, "PGHOST="+host.Query().Get("host"), "PGUSER=ledger", "DATABASES=postgres cortexops")
	if len(files) != 4 || slices.Contains(files, "cortexops-20200101T000000Z.dump") || slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".part") }) {
		t.Errorf("there is now %v", files)
	}
	row(t, at, "merge", incident.Done, nil)
	t.Setenv("CORTEXOPS_TEMPORAL_DB_URLS", strings.Replace(at, "/cortexops?", "/postgres?", 1))
	say(t, config, "restore", backups)
	if after := say(t, config, "ledger", "verify"); after != before {
		t.Errorf("verify says %s before the dump, %s after the restore", before, after)
	}
}

// TestTheWeeklySnapshot fetches a snapshot of each collection, and leaves none on the server.
func TestTheWeeklySnapshot(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("not run: no curl: apt-get install curl")
	}
	left := map[string]bool{}
	qdrant := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const one = "cortexops_incidents-123-2026-01-01-00-00-00.snapshot"
		under := "/collections/" + memory.Collection + "/snapshots"
		switch {
		case r.Header.Get("api-key") != "k3y":
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodGet && r.URL.Path == "/collections":
			_, _ = io.WriteString(w, `{"result":{"collections":[{"name":"`+memory.Collection+`"}]},"status":"ok","time":0.1}`)
		case r.Method == http.MethodPost && r.URL.Path == under && r.URL.Query().Get("wait") == "true":
			left[one] = true
			_, _ = io.WriteString(w, `{"result":{"name":"`+one+`","creation_time":"2026-01-01T00:00:00","size":9,"checksum":"ab"},"status":"ok","time":0.1}`)
		case r.Method == http.MethodGet && r.URL.Path == under+"/"+one && left[one]:
			_, _ = io.WriteString(w, "the cases")
		case r.Method == http.MethodDelete && r.URL.Path == under+"/"+one:
			delete(left, one)
			_, _ = io.WriteString(w, `{"result":true,"status":"ok","time":0.1}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(qdrant.Close)
	backups := t.TempDir()
	older(t, filepath.Join(backups, "qdrant-x-20200101T000000Z.snapshot"), 36)
	files := script(t, "qdrant.sh", backups, "QDRANT_URL="+qdrant.URL, "QDRANT_API_KEY=k3y")
	if len(files) != 1 || !strings.HasPrefix(files[0], "qdrant-"+memory.Collection+"-2") || len(left) != 0 {
		t.Fatalf("there is now %v; the server keeps %v", files, left)
	}
	if data, err := os.ReadFile(filepath.Join(backups, files[0])); err != nil || string(data) != "the cases" {
		t.Errorf("%q %v", data, err)
	}
}
