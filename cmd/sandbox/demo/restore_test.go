package demo

import (
	"context"
	"errors"
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

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// TestRestore puts a backup back that was taken before a merge, with Temporal's state in the ledger's Postgres: the
// workflow finds the merge on the forge and goes on, and nothing is done a second time.
func TestRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	onPostgres(t, dir)
	h := startIn(t, dir)
	id := h.begun(t, "APPROVAL_PENDING")
	p, backups := h.pullOf(t, id), filepath.Join(t.TempDir(), "backups")
	t.Log(h.product(t, "backup", backups))
	then := h.product(t, "ledger", "verify")
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	once := h.outside(t)
	if once.pulls != 1 || once.merges != 1 || once.commits != 1 || once.applies != 1 {
		t.Fatalf("before anything is restored: %+v", once)
	}
	h.product(t, "ledger", "reconcile")

	h.lost(t, id, backups, then)

	if err := h.sup.Restart("temporal"); err != nil {
		t.Fatal(err)
	}
	h.reaches(t, id, "APPROVAL_PENDING")
	if err := h.sup.Restart("cortexops"); err != nil {
		t.Fatal(err)
	}
	// By itself it looks every five minutes; whatever happens on the pull request makes it look now.
	if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
		t.Fatal(err)
	}
	h.ends(t, id, "SUCCEEDED", "pass")
	twice := h.outside(t)
	if twice.rehearsals <= once.rehearsals {
		t.Errorf("nobody looked whether it is applied: %d dry-runs before, %d after", once.rehearsals, twice.rehearsals)
	}
	twice.rehearsals = once.rehearsals
	if twice != once {
		t.Errorf("%+v after the restore, %+v before", twice, once)
	}
	h.wentOn(t, id)
}

// lost stops what writes, restores, and sees that what is not in the backup is named.
func (h *house) lost(t *testing.T, id, backups, then string) {
	t.Helper()
	for _, part := range []string{"cortexops", "temporal"} {
		if err := h.sup.Stop(part); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"memory.db", "memory.db-wal", "memory.db-shm"} { // a restore over one is refused
		if err := os.RemoveAll(filepath.Join(h.Stack.Data("cortexops"), file)); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(h.product(t, "restore", backups))
	if now := h.product(t, "ledger", "verify"); now != then {
		t.Errorf("verify says %s, and said %s at the backup", now, then)
	}
	said, err := h.says(t, "ledger", "reconcile")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(said, "the ledger lacks the row merge of "+strconv.Quote(id)) {
		t.Errorf("reconcile after the restore: %v: %s", err, said)
	}
}

// wentOn is what Temporal and the ledger have of the second time.
func (h *house) wentOn(t *testing.T, id string) {
	t.Helper()
	runs, err := h.runs(t.Context())
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d remediations, %v", len(runs), err)
	}
	if did := runs[0].Done; did["Merge"] != 0 || did["Apply"] != 1 || did["Propose"] != 1 {
		t.Errorf("the restored workflow did %v", did)
	}
	if rows := h.product(t, "ledger", "show", strings.Split(id, "/")[1]); !strings.Contains(rows, `"approval-merged"`) {
		t.Errorf("the ledger does not say that it was merged already:\n%s", rows)
	}
	t.Log(h.product(t, "ledger", "verify"), h.product(t, "ledger", "reconcile"))
}

// outside is what everybody but CortexOps and Temporal keeps.
type outside struct {
	pulls, merges, commits, applies, rehearsals int
	version                                     string // of checkout, which every change of it changes
	generation                                  int64
}

func (h *house) outside(t *testing.T) (o outside) {
	t.Helper()
	pulls, err := h.Pulls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log, err := h.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	writes, err := WorkloadWrites(h.Stack.Kube.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	d, err := h.Deployment(t.Context(), "checkout")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range log {
		if c.Trailer("Cortexops-Head") != "" {
			o.commits++
		}
	}
	o.pulls, o.merges, o.applies = len(pulls), len(Merges(pulls)), Applied(writes)
	o.rehearsals, o.version, o.generation = len(writes)-o.applies, d.ResourceVersion, d.Generation
	return o
}

// onPostgres saves in dir the stack of a sandbox whose ledger and whose Temporal are on a Postgres, which it starts.
func onPostgres(t *testing.T, dir string) {
	t.Helper()
	at := postgres(t, "temporal", "temporal_visibility", "cortexops")
	s, err := stack.Choose(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Temporal.Postgres = at("")
	s.Product.Env["CORTEXOPS_LEDGER_URL"] = at("cortexops")
	s.Product.Env["CORTEXOPS_TEMPORAL_DB_URLS"] = at("temporal") + " " + at("temporal_visibility")
	if err := errors.Join(s.Save(), s.Release()); err != nil {
		t.Fatal(err)
	}
}

// postgres starts a server with empty databases, as somebody who is not root, since it refuses root; at is the URL of each.
func postgres(t *testing.T, databases ...string) (at func(database string) string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Skip("not run: no Postgres: apt-get install postgresql")
	}
	bin := filepath.Dir(found[len(found)-1])
	home, err := os.MkdirTemp("/tmp", "pg") // short: the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	who := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Skip("not run: Postgres does not run as root, and there is no user nobody: add one")
		}
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		who.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(home, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	command := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.SysProcAttr, cmd.Dir = who, home
		return cmd
	}
	if out, err := command(t.Context(), "initdb", "-D", home+"/data", "-U", "sandbox", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	server := command(context.Background(), "postgres", "-D", home+"/data", "-k", home, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Signal(syscall.SIGQUIT); _ = server.Wait() })
	for _, database := range databases {
		if err := wait(t.Context(), "Postgres to make "+database, 20*time.Second, func(ctx context.Context) (bool, error) {
			out, err := command(ctx, "createdb", "-h", home, "-U", "sandbox", database).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("createdb: %w: %s", err, out)
			}
			return err == nil, err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return func(database string) string {
		return fmt.Sprintf("postgres://sandbox@localhost/%s?host=%s", database, home)
	}
}
