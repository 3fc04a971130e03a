package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// freeze stops every process of the server, as a machine that hangs would, until thaw.
func (s *server) freeze(t *testing.T, l *Ledger) (thaw func()) {
	t.Helper()
	pids := []int{s.cmd.Process.Pid} // first: from here on it starts no other
	rows, err := l.db.QueryContext(t.Context(), `SELECT pid FROM pg_stat_activity`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	send := func(signal syscall.Signal) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, signal) // some of them may have ended
		}
	}
	thaw = sync.OnceFunc(func() { send(syscall.SIGCONT) })
	t.Cleanup(thaw)
	time.AfterFunc(10*time.Second, thaw) // who is deaf gets its answer then, and fails the test, instead of leaving a frozen server
	send(syscall.SIGSTOP)
	return thaw
}

// TestAHangingServer, on a connection that was there before and on a new one. It runs alone, since it stops the server of all
// tests: those that are parallel wait for it.
func TestAHangingServer(t *testing.T) {
	l := openAt(t, onPostgres(t))
	for name, ask := range map[string]func(ctx context.Context) error{
		"ping":   l.Ping,
		"append": func(ctx context.Context) error { _, err := l.Append(ctx, entry("hung")); return err },
	} {
		for _, kept := range []int{0, connections} {
			l.db.SetMaxIdleConns(kept)
			if err := l.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			thaw := postgres().freeze(t, l)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s, %d connection(s) kept: %v", name, kept, err)
			}
			cancel()
			thaw()
			if err := l.Ping(t.Context()); err != nil {
				t.Errorf("%s, %d connection(s) kept, after that: %v", name, kept, err)
			}
		}
	}
}

// waiting returns when a writer queues for the lock.
func waiting(t *testing.T, l *Ledger) {
	t.Helper()
	for n := 0; n == 0; time.Sleep(10 * time.Millisecond) {
		err := l.db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE NOT granted AND datname=current_database()`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestWaitingWriterSeesTheRowItWaitedFor whatever isolation the server gives by default.
func TestWaitingWriterSeesTheRowItWaitedFor(t *testing.T) {
	t.Parallel()
	at := onPostgres(t)
	first := openAt(t, at)
	second, err := Open(t.Context(), at+"&default_transaction_isolation=serializable")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	tx, _, err := first.writing(t.Context(), first.db)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	done := make(chan error, 1)
	go func() { _, err := second.Append(context.Background(), entry("second")); done <- err }()
	waiting(t, first)
	if _, err := tx.ExecContext(t.Context(), `INSERT INTO entries SELECT 1,'0123456789ab',1,'MERGING','first','done','a','{}',$1,'',$2`,
		entry("").At.Format(time.RFC3339Nano), chain("", 1, incident.Entry{Incident: "0123456789ab", Attempt: 1, Phase: incident.Merging,
			Step: "first", Kind: incident.Done, Actor: "a", Detail: []byte("{}")}, entry("").At.Format(time.RFC3339Nano))); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n, err := first.Verify(t.Context()); n != 2 || err != nil {
		t.Errorf("%d %v", n, err)
	}
}

// TestWriterThatStandsStill holds up the others for a while, not for ever; and they, more than the server takes connections
// (60), queue without taking them all.
func TestWriterThatStandsStill(t *testing.T) {
	t.Parallel()
	at := onPostgres(t)
	still := openAt(t, at)
	other, err := Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, _, err := still.writing(t.Context(), still.db)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of a queue that never moves
	defer cancel()
	var all sync.WaitGroup
	for n := range 70 {
		all.Go(func() {
			if fresh, err := other.Append(ctx, entry(strconv.Itoa(n))); !fresh || err != nil {
				t.Errorf("append %d: %v %v", n, fresh, err)
			}
		})
	}
	all.Wait()
	if err := tx.Commit(); err == nil {
		t.Error("the other kept its transaction, and with it the lock")
	}
}

// TestOpenWritesNothing, or the tables would not belong to the role that migrates.
func TestOpenWritesNothing(t *testing.T) {
	t.Parallel()
	at := onPostgres(t)
	if _, err := Open(t.Context(), at); !errors.Is(err, ErrOldSchema) {
		t.Fatal(err)
	}
	db, _, err := databaseAt(at).connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var tables int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_tables WHERE schemaname='public'`).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables, %v", tables, err)
	}
}

// TestAnyTextIsKept as text that both databases take.
func TestAnyTextIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		e := entry("a")
		e.Actor, e.Detail = "s\x00am", []byte("{\"said\":\"\xff\"}")
		for _, want := range []bool{true, false} {
			if fresh, err := l.Append(t.Context(), e); fresh != want || err != nil {
				t.Fatalf("%v %v", fresh, err)
			}
		}
		rows, err := l.Entries(t.Context(), "")
		if err != nil || len(rows) != 1 || rows[0].Actor != "s\uFFFDam" || string(rows[0].Detail) != "{\"said\":\"\uFFFD\"}" {
			t.Errorf("%+v %v", rows, err)
		}
		if n, err := l.Verify(t.Context()); n != 1 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		digest, err := l.PutBlob(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := l.Blob(t.Context(), digest); err != nil || len(data) != 0 {
			t.Errorf("%q %v", data, err)
		}
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l.db")
	if _, err := Migrate(t.Context(), "sqlite:"+path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	for _, at := range []string{"mysql://u:s3cret@h/d", "Postgres://u:s3cret@h/d", " postgres://u:s3cret@h/d", "postgres://u:12#s3cret@127.0.0.1:1/d"} {
		if _, err := Migrate(t.Context(), at); !errors.Is(err, errAddress) || strings.Contains(err.Error()+Name(at), "s3cret") {
			t.Errorf("%s: %v", at, err)
		}
	}
}
