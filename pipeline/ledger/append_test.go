package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stopped is a ledger whose queue nobody drains until go is called: what is appended meanwhile is one batch.
func stopped(t *testing.T, at string) (l *Ledger, drain func()) {
	t.Helper()
	l = openAt(t, at)
	l.busy = true
	return l, l.drain
}

// queued returns when so many rows wait.
func queued(l *Ledger, n int) {
	for {
		l.mu.Lock()
		have := len(l.waiting)
		l.mu.Unlock()
		if have == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestABatchIsOneChain, its rows each once, whether they were there before or come twice in it.
func TestABatchIsOneChain(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l, drain := stopped(t, at)
		go drain()
		for _, step := range []string{"a", "b"} {
			if fresh, err := l.Append(t.Context(), entry(step)); !fresh || err != nil {
				t.Fatal(fresh, err)
			}
		}
		for idle := false; !idle; time.Sleep(time.Millisecond) {
			l.mu.Lock()
			idle, l.busy = !l.busy, true
			l.mu.Unlock()
		}
		steps := []string{"a", "b", "c", "c", "d", "e"}
		fresh := make([]bool, len(steps))
		var all sync.WaitGroup
		for i, step := range steps {
			all.Go(func() {
				var err error
				if fresh[i], err = l.Append(context.Background(), entry(step)); err != nil {
					t.Error(err)
				}
			})
			queued(l, i+1)
		}
		drain()
		all.Wait()
		if got := fmt.Sprint(fresh); got != "[false false true false true true]" {
			t.Errorf("fresh: %s", got)
		}
		if n, err := l.Verify(t.Context()); n != 5 || err != nil {
			t.Errorf("%d %v", n, err)
		}
	})
}

// TestARefusedRowSparesTheOthers of its batch.
func TestARefusedRowSparesTheOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l, drain := stopped(t, at)
		var all sync.WaitGroup
		for i, step := range []string{"a", "refused", "b"} {
			all.Go(func() {
				e := entry(step)
				if step == "refused" {
					e.Kind = "hearsay"
				}
				fresh, err := l.Append(context.Background(), e)
				if fresh != (step != "refused") || (err == nil) != fresh || err != nil && !strings.Contains(strings.ToLower(err.Error()), "check") {
					t.Errorf("%s: %v %v", step, fresh, err)
				}
			})
			queued(l, i+1)
		}
		drain()
		all.Wait()
		if n, err := l.Verify(t.Context()); n != 2 || err != nil {
			t.Errorf("%d %v", n, err)
		}
	})
}

// TestWhoLeavesDoesNotTakeTheOthersAlong, and is not written when it left before its turn.
func TestWhoLeavesDoesNotTakeTheOthersAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l, drain := stopped(t, at)
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := l.Append(ctx, entry("leaves")); !errors.Is(err, context.Canceled) {
				t.Errorf("who leaves is told %v", err)
			}
		})
		queued(l, 1)
		all.Go(func() {
			if fresh, err := l.Append(context.Background(), entry("stays")); !fresh || err != nil {
				t.Errorf("%v %v", fresh, err)
			}
		})
		queued(l, 2)
		leave()
		drain()
		all.Wait()
		rows, err := l.Entries(t.Context(), "")
		if err != nil || len(rows) != 1 || rows[0].Step != "stays" {
			t.Errorf("%v %v", rows, err)
		}
	})
}

func TestABatchIsWantedUntilTheLastLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, leave := context.WithCancel(t.Context())
		second, goToo := context.WithCancel(t.Context())
		batch, stop := wanted([]*pending{{ctx: first}, {ctx: second}})
		defer stop()
		leave()
		synctest.Wait()
		if batch.Err() != nil {
			t.Error("given up although one waits")
		}
		goToo()
		synctest.Wait()
		if batch.Err() == nil {
			t.Error("not given up although nobody waits")
		}
	})
}

// TestATipThatIsAnothers is no tip: of two processes that write by turns each believes to know the head, and what comes again is told.
func TestATipThatIsAnothers(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		both := []*Ledger{openAt(t, at), openAt(t, at)}
		for n, by := range []int{0, 0, 1, 0, 1, 1, 0} {
			l, step := both[by], fmt.Sprint("step-", n)
			for i, want := range []bool{true, false} {
				if fresh, err := l.Append(t.Context(), entry(step)); fresh != want || err != nil {
					t.Fatalf("%s, time %d: fresh %v, %v", step, i+1, fresh, err)
				}
			}
			if fresh, err := both[1-by].Append(t.Context(), entry(step)); fresh || err != nil {
				t.Fatalf("%s, by the other: fresh %v, %v", step, fresh, err)
			}
		}
		if n, err := both[0].Verify(t.Context()); n != 7 || err != nil {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

// TestAnotherServer has taken the place of the one that was written to, and does not have the row.
func TestAnotherServer(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		if _, err := l.Append(t.Context(), entry("a")); err != nil {
			t.Fatal(err)
		}
		err := l.flush(t.Context(), l.db, `entries WHERE seq=? AND hash=?`, l.tip.Seq, "another")
		if l.postgres != errors.Is(err, errLost) {
			t.Errorf("got %v", err)
		}
	})
}
