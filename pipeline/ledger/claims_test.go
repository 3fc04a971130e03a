package ledger

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var (
	one = incident.Key{Incident: "0123456789ab", Attempt: 1}
	two = incident.Key{Incident: "ba9876543210", Attempt: 1}
)

func claim(t *testing.T, c *Claims, target string, key, want incident.Key) {
	t.Helper()
	if holder, err := c.Take(t.Context(), target, key, time.Unix(1, 0)); err != nil || holder != want {
		t.Fatalf("%v takes %s: held by %v, %v", key, target, holder, err)
	}
}

func TestClaims(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		c := openAt(t, at).Claims()
		claim(t, c, "a", one, one)
		claim(t, c, "a", one, one)
		claim(t, c, "a", two, one)
		claim(t, c, "a", incident.Key{Incident: one.Incident, Attempt: 2}, one) // another attempt is another
		claim(t, c, "b", two, two)
		for target, want := range map[string]incident.Key{"a": one, "c": {}} {
			if holder, err := c.Holder(t.Context(), target); err != nil || holder != want {
				t.Errorf("%s is held by %v, %v", target, holder, err)
			}
		}
		var not *NotHolder
		if err := c.Release(t.Context(), "a", two); !errors.As(err, &not) || not.Holder != one || not.Target != "a" {
			t.Errorf("released by another: %v", err)
		}
		for range 2 { // again is success
			if err := c.Release(t.Context(), "a", one); err != nil {
				t.Error(err)
			}
		}
		claim(t, c, "a", two, two)
	})
}

// TestOneOfManyTakersWins, and each is told who.
func TestOneOfManyTakersWins(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		c := openAt(t, at).Claims()
		other, err := Open(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		var all sync.WaitGroup
		holders := make([]incident.Key, 8)
		for i := range holders {
			all.Go(func() {
				key := incident.Key{Incident: one.Incident, Attempt: i + 1}
				holder, err := []*Claims{c, other.Claims()}[i%2].Take(context.Background(), "a", key, time.Unix(1, 0))
				if err != nil {
					t.Error(err)
				}
				holders[i] = holder
			})
		}
		all.Wait()
		for _, h := range holders {
			if h != holders[0] || h.Attempt == 0 {
				t.Errorf("the holders are %v", holders)
			}
		}
	})
}

// TestSweep releases what is over, keeps what runs, and goes on where one cannot be asked.
func TestSweep(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		c := openAt(t, at).Claims()
		unknown := incident.Key{Incident: "00000000000a", Attempt: 1}
		claim(t, c, "a", unknown, unknown)
		claim(t, c, "b", one, one)
		claim(t, c, "c", two, two)
		away := errors.New("away")
		released, err := c.Sweep(t.Context(), func(_ context.Context, key incident.Key) (bool, error) {
			if key == unknown {
				return false, away
			}
			return key == two, nil
		})
		if !errors.Is(err, away) || len(released) != 1 || released[0].Target != "c" || released[0].Key != two || !released[0].TakenAt.Equal(time.Unix(1, 0)) {
			t.Errorf("released %+v, %v", released, err)
		}
		claim(t, c, "a", two, unknown)
		claim(t, c, "b", two, one)
		claim(t, c, "c", one, one)
	})
}
