package ledger

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestPauses(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		b := openAt(t, at).Brakes()
		since := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
		for _, p := range []incident.Pause{{By: "sam", At: since}, {Cluster: "prod", By: "kim", At: since}, {Cluster: "prod", By: "dana", Reason: "a\x00b", At: since}} {
			if err := b.Pause(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		got, err := b.Pauses(t.Context(), "prod")
		if err != nil || len(got) != 2 || got[0].String() != "paused on every cluster by sam since 2026-01-02 03:04 UTC" ||
			got[1].String() != "paused on prod by dana since 2026-01-02 03:04 UTC: a\uFFFDb" {
			t.Errorf("%v %v", got, err)
		}
		if got, err := b.Pauses(t.Context(), "dev"); err != nil || len(got) != 1 {
			t.Errorf("%v %v", got, err)
		}
		for i, want := range []bool{true, false} {
			if was, err := b.Resume(t.Context(), ""); err != nil || was != want {
				t.Errorf("resumed %d: %v %v", i, was, err)
			}
		}
		if got, err := b.Pauses(t.Context(), "dev"); err != nil || len(got) != 0 {
			t.Errorf("%v %v", got, err)
		}
	})
}

func root(namespace string, n int) incident.Resource {
	return incident.Resource{Cluster: "prod", Group: "apps", Kind: "Deployment", Namespace: namespace, Name: fmt.Sprint("d", n)}
}

func TestActOneInANamespaceThreeInACluster(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		act := func(r incident.Resource, key incident.Key) string {
			t.Helper()
			claim(t, l.Claims(), r.Key(), key, key)
			wait, err := l.Brakes().Act(t.Context(), r, key, time.Unix(1, 0))
			if err != nil {
				t.Fatal(err)
			}
			return wait
		}
		key := func(n int) incident.Key { return incident.Key{Incident: "0123456789ab", Attempt: n} }
		for range 2 { // again is success
			if wait := act(root("a", 1), key(1)); wait != "" {
				t.Fatal(wait)
			}
		}
		if wait := act(root("a", 2), key(2)); !strings.Contains(wait, "that of prod/apps/Deployment/a/d1 is not over") {
			t.Error(wait)
		}
		for i, ns := range []string{"b", "c"} {
			if wait := act(root(ns, 1), key(3+i)); wait != "" {
				t.Error(wait)
			}
		}
		if wait := act(root("d", 1), key(5)); !strings.Contains(wait, "3 remediations at a time") {
			t.Error(wait)
		}
		other := root("d", 1)
		other.Cluster = "dev"
		if wait := act(other, key(6)); wait != "" {
			t.Error(wait)
		}
		if err := l.Claims().Release(t.Context(), root("a", 1).Key(), key(1)); err != nil {
			t.Fatal(err)
		}
		if wait := act(root("a", 2), key(2)); wait != "" {
			t.Error(wait)
		}
		if err := l.Brakes().Pause(t.Context(), incident.Pause{Cluster: "prod", By: "sam"}); err != nil {
			t.Fatal(err)
		}
		if wait := act(root("a", 2), key(2)); !strings.HasPrefix(wait, "paused on prod by sam") { // also who acts already
			t.Error(wait)
		}
	})
}

// TestActOneOfMany lets eight of one namespace ask at once.
func TestActOneOfMany(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		var all sync.WaitGroup
		waits := make([]string, 8)
		for i := range waits {
			key := incident.Key{Incident: "0123456789ab", Attempt: i + 1}
			claim(t, l.Claims(), root("a", i).Key(), key, key)
			all.Go(func() {
				wait, err := l.Brakes().Act(t.Context(), root("a", i), key, time.Unix(1, 0))
				if err != nil {
					t.Error(err)
				}
				waits[i] = wait
			})
		}
		all.Wait()
		free := 0
		for _, w := range waits {
			if w == "" {
				free++
			}
		}
		if free != 1 {
			t.Errorf("%d act at once: %q", free, waits)
		}
	})
}

// TestActWithoutAClaim counts, and is not let past who has the target.
func TestActWithoutAClaim(t *testing.T) {
	onBoth(t, func(t *testing.T, at string) {
		l := openAt(t, at)
		key := func(n int) incident.Key { return incident.Key{Incident: "0123456789ab", Attempt: n} }
		act := func(r incident.Resource, key incident.Key) string {
			t.Helper()
			wait, err := l.Brakes().Act(t.Context(), r, key, time.Unix(1, 0))
			if err != nil {
				t.Fatal(err)
			}
			return wait
		}
		if wait := act(root("a", 1), key(1)); wait != "" {
			t.Fatal(wait)
		}
		claim(t, l.Claims(), root("a", 2).Key(), key(2), key(2))
		if wait := act(root("a", 2), key(2)); !strings.Contains(wait, "one remediation at a time in a namespace") {
			t.Errorf("two act in a namespace: %q", wait)
		}
		claim(t, l.Claims(), root("b", 1).Key(), key(3), key(3))
		if wait := act(root("b", 1), key(4)); wait != "remediation/0123456789ab/3 has claimed Deployment b/d1" {
			t.Errorf("it acts on what another has claimed: %q", wait)
		}
	})
}
