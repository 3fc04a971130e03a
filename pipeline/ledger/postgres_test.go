package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is one Postgres for all tests of this package, run by somebody who is not root, since it refuses root.
type server struct {
	dir     string
	cmd     *exec.Cmd
	missing string // why there is none
	err     error
}

var postgres = sync.OnceValue(startPostgres)

func TestMain(m *testing.M) {
	code := m.Run()
	if s := postgres(); s.dir != "" {
		if s.cmd != nil {
			_ = s.cmd.Process.Signal(syscall.SIGCONT)
			_ = s.cmd.Process.Signal(syscall.SIGQUIT) // at once: nothing in it is needed
			_ = s.cmd.Wait()
		}
		_ = os.RemoveAll(s.dir)
	}
	os.Exit(code)
}

// program finds one that Debian keeps out of the PATH.
func program(name string) string {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1]
	}
	path, _ := exec.LookPath(name)
	return path
}

func startPostgres() (s *server) {
	s = &server{}
	initdb, serve := program("initdb"), program("postgres")
	if initdb == "" || serve == "" {
		s.missing = "no Postgres: apt-get install postgresql"
		return s
	}
	who := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	uid := os.Getuid()
	if uid == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			s.missing = "Postgres does not run as root, and there is no user nobody"
			return s
		}
		id, _ := strconv.Atoi(nobody.Uid)
		group, _ := strconv.Atoi(nobody.Gid)
		uid, who.Credential = id, &syscall.Credential{Uid: uint32(id), Gid: uint32(group)}
	}
	// Short, since the path of a socket is limited; not below the user's own folders, which nobody may not enter.
	if s.dir, s.err = os.MkdirTemp("/tmp", "pg"); s.err != nil {
		return s
	}
	if s.err = os.Chown(s.dir, uid, -1); s.err != nil {
		return s
	}
	data := filepath.Join(s.dir, "data")
	made := exec.Command(initdb, "-D", data, "-U", "ledger", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	made.SysProcAttr, made.Dir = who, s.dir
	if out, err := made.CombinedOutput(); err != nil {
		s.err = fmt.Errorf("initdb: %w: %s", err, out)
		return s
	}
	s.cmd = exec.Command(serve, "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60")
	s.cmd.SysProcAttr, s.cmd.Dir = who, s.dir
	if s.err = s.cmd.Start(); s.err != nil {
		return s
	}
	for range 300 {
		if _, s.err = os.Stat(filepath.Join(s.dir, ".s.PGSQL.5432")); s.err == nil {
			if s.err = s.sql(context.Background(), "SELECT 1"); s.err == nil {
				return s
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return s
}

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://ledger:s3cret@/%s?host=%s", database, s.dir)
}

func (s *server) sql(ctx context.Context, statement string) error {
	db, _, err := databaseAt(s.url("postgres")).connect()
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}

// onPostgres is the URL of an empty database of the test's own.
func onPostgres(t *testing.T) string {
	t.Helper()
	s := postgres()
	if s.missing != "" {
		t.Skip("not run: " + s.missing)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	name := "t" + strings.ToLower(rand.Text()[:12])
	if err := s.sql(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}

// onBoth runs one test on an empty place in each kind of database.
func onBoth(t *testing.T, test func(t *testing.T, at string)) {
	t.Helper()
	t.Parallel()
	for name, at := range map[string]func(*testing.T) string{
		"SQLite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "ledger.db") },
		"Postgres": onPostgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, at(t))
		})
	}
}

// TestPasswordsAreNotShown by whatever goes wrong.
func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	for _, at := range []string{
		"postgres://u:s3cret@127.0.0.1:1/ledger", "postgres://u:s3cret@127.0.0.1:1/ledger?sslmode=nonsense", "postgres://u:s3cret@[::1/ledger",
		"postgres://u:s3cret%zz@127.0.0.1:1/ledger", "postgres://127.0.0.1:1/ledger?user=u&password=s3cret",
		"postgres://u:12/s3cret@127.0.0.1:1/ledger", "postgres://u:p@s3cret@127.0.0.1:1/ledger",
		"postgres://u:s3cret", "postgres://127.0.0.1:1/ledger?password=p@s3cret",
	} {
		_, opened := Open(t.Context(), at)
		_, migrated := Migrate(t.Context(), at)
		for _, err := range []error{opened, migrated} {
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v", at, err)
			}
		}
		if strings.Contains(Name(at), "s3cret") {
			t.Errorf("it is called %s", Name(at))
		}
	}
}

// TestAppendOnly holds for whoever may write rows.
func TestAppendOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		for _, step := range []string{"a", "b"} {
			if _, err := l.Append(t.Context(), entry(step)); err != nil {
				t.Fatal(err)
			}
		}
		head, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The row named so, at a place of its own, with the hash before it.
		row := func(seq, step, before string) string {
			return `INTO entries(seq,incident,attempt,phase,step,kind,actor,detail,at,prev_hash,hash) VALUES(` + seq +
				`,'0123456789ab',1,'MERGING','` + step + `','done','mallory','{}','2026-01-02T03:04:05Z','` + before + `','00')`
		}
		forbidden := []string{`UPDATE entries SET actor='mallory'`, `DELETE FROM entries`, `INSERT ` + row("4", "c", head), `INSERT ` + row("3", "c", "00"),
			`UPDATE head SET seq=1`, `UPDATE head SET seq=3`, `DELETE FROM head`}
		if l.postgres {
			forbidden = append(forbidden, `TRUNCATE entries`, `TRUNCATE head`,
				`INSERT `+row("3", "b", head)+` ON CONFLICT (incident,attempt,step,kind) DO UPDATE SET actor='mallory'`,
				`INSERT `+row("2", "c", head)+` ON CONFLICT (seq) DO UPDATE SET actor='mallory'`)
		} else {
			forbidden = append(forbidden, `INSERT OR REPLACE `+row("2", "c", head), `INSERT OR REPLACE `+row("3", "b", head), `REPLACE `+row("1", "a", ""),
				`UPDATE OR REPLACE entries SET seq=1 WHERE seq=2`, `INSERT OR REPLACE INTO head VALUES(1,0,'')`)
		}
		for _, s := range forbidden {
			if _, err := l.db.ExecContext(t.Context(), s); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", s, err)
			}
		}
		if n, err := l.Verify(t.Context()); n != 2 || err != nil {
			t.Errorf("%d %v", n, err)
		}
	})
}

// TestTwoMigrateAtOnce, as two replicas' init containers would.
func TestTwoMigrateAtOnce(t *testing.T) {
	t.Parallel()
	at := onPostgres(t)
	var all sync.WaitGroup
	counts := make([]int, 4)
	for i := range counts {
		all.Go(func() {
			n, err := Migrate(t.Context(), at)
			if err != nil {
				t.Error(err)
			}
			counts[i] = n
		})
	}
	all.Wait()
	if slices.Sort(counts); counts[3] != 7 || counts[2] != 0 {
		t.Errorf("they applied %v migrations", counts)
	}
}

// TestPingAStandby tells of a database that takes no rows.
func TestPingAStandby(t *testing.T) {
	t.Parallel()
	at := onPostgres(t)
	l := openAt(t, at)
	if err := l.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	readOnly := databaseAt(at + "&default_transaction_read_only=on")
	db, _, err := readOnly.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := (&Ledger{db: db, database: readOnly}).Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v", err)
	}
}

// TestPingHeedsItsContext against a server that takes the connection and says nothing.
func TestPingHeedsItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent := databaseAt("postgres://u@" + l.Addr().String() + "/x?sslmode=disable")
	db, _, err := silent.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := (&Ledger{db: db, database: silent}).Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
