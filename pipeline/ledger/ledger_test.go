package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// openAt migrates what is there and opens it.
func openAt(t *testing.T, at string) *Ledger {
	t.Helper()
	if _, err := Migrate(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func entry(step string) incident.Entry {
	return incident.Entry{Incident: "0123456789ab", Attempt: 1, Phase: incident.Merging, Step: step, Kind: incident.Done,
		Actor: "cortexops", Detail: []byte(`{"sha":"1"}`), At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
}

func TestOpenRefusesAnOldSchema(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		if !databaseAt(at).postgres {
			if _, err := Open(t.Context(), at); !errors.Is(err, ErrNone) {
				t.Errorf("without a file: %v", err)
			}
			if _, err := os.Stat(at); err == nil {
				t.Error("looking made a file")
			}
			if err := create(at); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(t.Context(), at); !errors.Is(err, ErrOldSchema) {
			t.Fatalf("got %v", err)
		}
	})
}

// TestVerifyLooksAtBlobs, and Head at what no chain can see: rows that are cut off its end.
func TestVerifyLooksAtBlobs(t *testing.T) {
	for name, c := range map[string]struct{ sql, want string }{
		"whole":   {"", ""},
		"changed": {`UPDATE blobs SET bytes='y'`, "was changed"},
		"deleted": {`DELETE FROM blobs`, "names blob"},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, at string) {
				l := openAt(t, at)
				digest, err := l.PutBlob(t.Context(), []byte("a proposal"))
				if err != nil {
					t.Fatal(err)
				}
				before, err := l.Head(t.Context())
				if err != nil || before != "" {
					t.Errorf("the head of nothing is %q, %v", before, err)
				}
				e := entry("plan")
				e.Detail = []byte(`{"proposal":"` + digest + `"}`)
				if _, err := l.Append(t.Context(), e); err != nil {
					t.Fatal(err)
				}
				if head, err := l.Head(t.Context()); err != nil || len(head) != 64 {
					t.Errorf("head %q, %v", head, err)
				}
				if c.sql != "" {
					if _, err := l.db.ExecContext(t.Context(), c.sql); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := l.Verify(t.Context()); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
}

func TestAppendIsOncePerStep(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		for i, want := range []bool{true, false} {
			fresh, err := l.Append(t.Context(), entry("merge"))
			if err != nil || fresh != want {
				t.Fatalf("append %d: fresh=%v err=%v", i, fresh, err)
			}
		}
		got, err := l.Entries(t.Context(), "0123456789ab")
		if err != nil || len(got) != 1 || !got[0].At.Equal(entry("").At) || string(got[0].Detail) != `{"sha":"1"}` {
			t.Fatalf("%+v %v", got, err)
		}
	})
}

func TestEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		key := incident.Key{Incident: "0123456789ab", Attempt: 1}
		for _, c := range []struct {
			step string
			kind incident.EntryKind
			want bool
		}{{"merge", incident.Done, false}, {incident.StepEnding, incident.Event, true}} {
			e := entry(c.step)
			e.Kind = c.kind
			if _, err := l.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if got, err := l.Ended(t.Context(), key); err != nil || got != c.want {
				t.Errorf("after %s: %v %v", c.step, got, err)
			}
		}
		if got, err := l.Ended(t.Context(), incident.Key{Incident: key.Incident, Attempt: 2}); err != nil || got {
			t.Errorf("another attempt: %v %v", got, err)
		}
	})
}

func TestConcurrentWritersKeepOneChain(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		other, err := Open(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 10 {
					if _, err := []*Ledger{l, other}[w%2].Append(context.Background(), entry(fmt.Sprintf("s%d-%d", w, i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n, err := l.Verify(t.Context()); n != 80 || err != nil {
			t.Fatalf("%d %v", n, err)
		}
	})
}

// TestVerifyNamesTheRowThatWasTouched by somebody who may switch the triggers off, whichever row it was.
func TestVerifyNamesTheRowThatWasTouched(t *testing.T) {
	t.Parallel()
	type touch struct {
		sql  string
		want string
	}
	touches := map[string][]touch{"swapped": {
		{`UPDATE entries SET seq=30 WHERE seq=2; UPDATE entries SET seq=2 WHERE seq=3; UPDATE entries SET seq=3 WHERE seq=30`, "row 2 does not follow row 1"}}}
	for seq := 1; seq <= 3; seq++ {
		for column, value := range map[string]string{"incident": "'x'", "attempt": "9", "phase": "'x'", "step": "'x'", "kind": "'event'", "actor": "'mallory'",
			"detail": "'{}'", "at": "'2026-01-02T03:04:05Z'", "hash": "'00'", "prev_hash": "'00'"} {
			want := "was changed"
			if column == "prev_hash" {
				want = "does not follow"
			}
			touches["changed"] = append(touches["changed"], touch{fmt.Sprintf(`UPDATE entries SET %s=%s WHERE seq=%d`, column, value, seq), fmt.Sprintf("row %d %s", seq, want)})
		}
		touches["deleted"] = append(touches["deleted"], touch{fmt.Sprintf(`DELETE FROM entries WHERE seq=%d`, seq), fmt.Sprintf("row %d is missing", seq)})
		touches["cut off"] = append(touches["cut off"], touch{fmt.Sprintf(`DELETE FROM entries WHERE seq>=%d`, seq), fmt.Sprintf("row %d is missing", seq)})
		touches["moved"] = append(touches["moved"], touch{fmt.Sprintf(`UPDATE entries SET seq=30 WHERE seq=%d`, seq), fmt.Sprintf("row %d is missing", seq)})
	}
	// The last one, with a hash that fits.
	forged := entry("c")
	forged.Actor = "mallory"
	touches["forged"] = []touch{{`UPDATE entries SET actor='mallory', hash='%s' WHERE seq=3`, "row 3 was changed"}}
	for name, list := range touches {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, at string) {
				l := openAt(t, at)
				for _, s := range []string{"a", "b", "c"} {
					if _, err := l.Append(t.Context(), entry(s)); err != nil {
						t.Fatal(err)
					}
				}
				unlock(t, l)
				var before string
				if err := l.Rows(t.Context(), func(r Row) error { before = r.PrevHash; return nil }); err != nil {
					t.Fatal(err)
				}
				for _, c := range list {
					tx, err := l.db.BeginTx(t.Context(), nil)
					if err != nil {
						t.Fatal(err)
					}
					sql := strings.ReplaceAll(c.sql, "%s", chain(before, 3, forged, forged.At.Format(time.RFC3339Nano)))
					for _, s := range strings.Split(sql, ";") {
						if _, err := tx.ExecContext(t.Context(), s); err != nil {
							t.Fatal(s, err)
						}
					}
					if err := tx.Commit(); err != nil {
						t.Fatal(err)
					}
					if _, err := l.Verify(t.Context()); err == nil || !strings.HasPrefix(err.Error(), c.want) {
						t.Errorf("%s: got %v, want %q", c.sql, err, c.want)
					}
					restore(t, l)
				}
			})
		})
	}
}

// unlock lets rows be changed, as whoever owns the database can, and keeps a copy of them.
func unlock(t *testing.T, l *Ledger) {
	t.Helper()
	statements := []string{`DROP TRIGGER entries_are_not_changed`, `DROP TRIGGER entries_are_not_deleted`, `DROP TRIGGER entries_are_not_replaced`, `DROP TRIGGER entries_move_the_head`}
	if l.postgres {
		statements = []string{`ALTER TABLE entries DISABLE TRIGGER ALL`}
	}
	for _, s := range append(statements, `CREATE TABLE kept AS SELECT * FROM entries`) {
		if _, err := l.db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func restore(t *testing.T, l *Ledger) {
	t.Helper()
	for _, s := range []string{`DELETE FROM entries`, `INSERT INTO entries SELECT * FROM kept`} {
		if _, err := l.db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.Verify(t.Context()); n != 3 || err != nil {
		t.Fatalf("put back: %d %v", n, err)
	}
}

// TestARowAfterTheLastWasDeleted does not take its place.
func TestARowAfterTheLastWasDeleted(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		for _, s := range []string{"a", "b"} {
			if _, err := l.Append(t.Context(), entry(s)); err != nil {
				t.Fatal(err)
			}
		}
		statements := []string{`DROP TRIGGER entries_are_not_deleted`}
		if l.postgres {
			statements = []string{`ALTER TABLE entries DISABLE TRIGGER entries_are_append_only`}
		}
		for _, s := range append(statements, `DELETE FROM entries WHERE seq=2`) {
			if _, err := l.db.ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Append(t.Context(), entry("c")); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Verify(t.Context()); err == nil || err.Error() != "row 2 is missing" {
			t.Errorf("got %v", err)
		}
	})
}

func TestBlobsAreAddressedByContent(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		d, err := l.PutBlob(t.Context(), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := l.Blob(t.Context(), d); err != nil || string(got) != "x" {
			t.Fatalf("%q %v", got, err)
		}
		if _, err := l.Blob(t.Context(), strings.Repeat("0", 64)); !errors.Is(err, ErrNoBlob) {
			t.Fatal(err)
		}
		if _, err := l.db.Exec(`UPDATE blobs SET bytes='y'`); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Blob(t.Context(), d); err == nil {
			t.Fatal("a changed blob was handed out")
		}
	})
}
