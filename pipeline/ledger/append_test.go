package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
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

// TestWhoLeavesDoesNotTakeTheOthersAlong: a batch is given up when nobody waits for it any more.
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
		batch, stop := wanted(l.waiting)
		leave()
		if batch.Err() != nil {
			t.Error("the batch was given up")
		}
		stop()
		drain()
		all.Wait()
		rows, err := l.Entries(t.Context(), "")
		if err != nil || len(rows) != 1 || rows[0].Step != "stays" {
			t.Errorf("%v %v", rows, err)
		}
		alone, cancel := context.WithCancel(t.Context())
		batch, stop = wanted([]*pending{{ctx: alone}, {ctx: alone}})
		defer stop()
		cancel()
		<-batch.Done()
	})
}
