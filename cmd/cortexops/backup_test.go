package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/advise/memory"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
)

// TestNoBackupIsTakenForAnothers: what is restored replaces all that is there.
func TestNoBackupIsTakenForAnothers(t *testing.T) {
	t.Parallel()
	var all []place
	for _, at := range []string{"postgres://a:x@one/postgres", "postgres://a:x@two/postgres"} {
		p, err := database(at)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := apart(all); err == nil || !strings.Contains(err.Error(), "two databases are called postgres") {
		t.Errorf("two servers' databases of one name: %v", err)
	}
	if err := apart(append(all[:1], place{name: "memory", ending: ".db"})); err != nil {
		t.Error(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"x-20260101T000000Z.dump", "x-20260102T000000Z.dump", "x-3-20260103T000000Z.dump", "x-20260104T000000Z.dump.part"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := (place{name: "x", ending: ".dump"}).newest(folder); filepath.Base(got) != "x-20260102T000000Z.dump" {
		t.Errorf("%s %v would be restored into x", got, err)
	}
}

var restored = incident.Key{Incident: "0123456789ab", Attempt: 1}

// TestRestoreTheLedger from a backup that was taken before a merge: the chain is whole, and what the restore lost is named.
func TestRestoreTheLedger(t *testing.T) { // not parallel: it sets the environment
	for name, place := range map[string]func(t *testing.T) (at, path string){
		"SQLite":   func(t *testing.T) (string, string) { at := filepath.Join(t.TempDir(), "ledger.db"); return at, at },
		"Postgres": func(t *testing.T) (string, string) { return postgresURL(t), "" },
	} {
		t.Run(name, func(t *testing.T) {
			at, path := place(t)
			if path == "" {
				t.Setenv("CORTEXOPS_LEDGER_URL", at)
			}
			work, backups := t.TempDir(), filepath.Join(t.TempDir(), "backups")
			git(t, work, "init", "-q", "-b", "main")
			git(t, work, "commit", "-q", "--allow-empty", "-m", "the team's own")
			config := configured(t, "file://"+work, path)
			must := func(args ...string) string {
				t.Helper()
				return say(t, config, args...)
			}
			c, err := loadConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			must("migrate")
			remember(t, c.memoryFile())
			row(t, at, "plan", incident.Event, nil)
			before := must("ledger", "verify")
			must("backup", backups)

			git(t, work, "commit", "-q", "--allow-empty", "-m", "fix: it\n\nCortexops-Incident: 0123456789ab\nCortexops-Workflow: "+restored.Workflow()+"\nCortexops-Diff-Hash: sha256:ab")
			merge := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
			row(t, at, "merge", incident.Done, map[string]string{"sha": merge})
			row(t, at, "apply-0", incident.Done, nil)
			if out := must("ledger", "reconcile"); !strings.Contains(out, "1 merge(s), the same") {
				t.Errorf("reconcile says %s", out)
			}

			if path != "" {
				if out, err := says(t, config, "restore", backups); err == nil || !strings.Contains(err.Error(), "move it away first") {
					t.Errorf("a restore over a ledger: %v %s", err, out)
				}
				away(t, path)
			}
			away(t, c.memoryFile())
			must("restore", backups)
			if n := recalled(t, c.memoryFile()); n != 1 {
				t.Errorf("the restored memory has %d cases, want 1", n)
			}
			if after := must("ledger", "verify"); after != before {
				t.Errorf("verify says %s before the backup, %s after the restore", before, after)
			}
			out, err := says(t, config, "ledger", "reconcile")
			if err == nil || !strings.Contains(out, `the ledger lacks the row merge of "remediation/0123456789ab/1": commit `+merge) {
				t.Errorf("reconcile says %v: %s", err, out)
			}
			row(t, at, "approval-merged", incident.Event, map[string]string{"state": "merged", "merge": merge}) // as the workflow does that finds it on the forge
			must("ledger", "reconcile")
			row(t, at, "merge", incident.Done, map[string]string{"sha": merge})
			must("ledger", "reconcile")
			git(t, work, "reset", "-q", "--hard", "HEAD~1")
			if out, err := says(t, config, "ledger", "reconcile"); err == nil || !strings.Contains(out, "git lacks the merge of") {
				t.Errorf("reconcile says %v: %s", err, out)
			}
		})
	}
}

// configured writes a configuration of a repository and of a ledger in the file at path, or none.
func configured(t *testing.T, repository, path string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "cortexops.yaml")
	text := fmt.Sprintf("cluster: c\nserver: {address: \":0\"}\nkubernetes: {namespaces: [shop]}\nforge: {owner: o, repo: r, user: bot}\ngit: {url: %q, directory: %q}\n"+
		"overlays: [o]\ndelivery: {direct: {fieldManager: gitops}}\nprometheus: {url: http://127.0.0.1:1}\nledger: {path: %q}\n", cmp.Or(repository, "none"), filepath.Join(t.TempDir(), "mirror"), path)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// says is what a command printed, and how it ended.
func says(t *testing.T, config string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), append(args, "--config", config), &out, &out)
	return out.String(), err
}

// say a command that must not fail.
func say(t *testing.T, config string, args ...string) string {
	t.Helper()
	out, err := says(t, config, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// remember one case in the file.
func remember(t *testing.T, path string) {
	t.Helper()
	s, err := memory.NewSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Put(t.Context(), memory.Case{Incident: restored.Incident, Attempt: 1, Words: []string{"oom"}}); err != nil {
		t.Fatal(err)
	}
}

// recalled is what the file has of it.
func recalled(t *testing.T, path string) int {
	t.Helper()
	s, err := memory.NewSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, err := s.Near(t.Context(), []string{"oom"}, 9)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func row(t *testing.T, at, step string, kind incident.EntryKind, detail any) {
	t.Helper()
	l, err := ledger.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data, _ := json.Marshal(detail)
	if detail == nil {
		data = nil
	}
	_, err = l.Append(t.Context(), incident.Entry{Incident: restored.Incident, Attempt: 1, Phase: incident.Merging, Step: step, Kind: kind,
		Actor: "cortexops", Detail: data, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@t"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func away(t *testing.T, path string) {
	t.Helper()
	for _, old := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.RemoveAll(old); err != nil {
			t.Fatal(err)
		}
	}
}

// postgresURL of a server of the test's own with these settings, run by somebody who is not root, since it refuses root.
func postgresURL(t *testing.T, settings ...string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		t.Skip("not run: no Postgres: apt-get install postgresql")
	}
	bin := found[len(found)-1]
	dir, err := os.MkdirTemp("/tmp", "pg") // short: the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	who := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Skip("not run: Postgres does not run as root, and there is no user nobody: add one")
		}
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		who.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	start := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.SysProcAttr, cmd.Dir = who, dir
		return cmd
	}
	if out, err := start(t.Context(), "initdb", "-D", dir+"/data", "-U", "ledger", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	server := start(context.Background(), "postgres", append([]string{"-D", dir + "/data", "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off"}, settings...)...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Signal(syscall.SIGQUIT); _ = server.Wait() })
	for n := 0; ; n++ {
		out, err := start(t.Context(), "createdb", "-h", dir, "-U", "ledger", "cortexops").CombinedOutput()
		if err == nil {
			return "postgres://ledger@/cortexops?host=" + dir
		}
		if n == 300 {
			t.Fatalf("Postgres does not come up: %v: %s", err, out)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
