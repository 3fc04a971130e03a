package correlate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestWhatBelongsTogether(t *testing.T) {
	t.Parallel()
	chain := []incident.Signal{on("Slow", "web", 3, 4), on("Errors", "api", 2, 3), on("Oom", "db", 0, 1)}
	for name, tc := range map[string]struct {
		graph   *chart
		signals []incident.Signal
		want    string
	}{
		"a chain has its root at its end":          {line("web", "api", "db"), chain, "db sealed: shop/db(1) shop/api(1) shop/web(1)"},
		"without a way, each is for itself":        {line("x", "y"), chain, "api sealed: shop/api(1); db sealed: shop/db(1); web sealed: shop/web(1)"},
		"two hops are enough where times are near": {line("web", "api", "db"), []incident.Signal{chain[0], chain[2]}, "db sealed: shop/db(1) shop/web(1)"},
		"three hops are not":                       {line("web", "api", "mid", "db"), []incident.Signal{chain[0], chain[2]}, "db sealed: shop/db(1); web sealed: shop/web(1)"},
		"three hops and one rollout are":           {line("web", "api", "mid", "db").changed("web", "9f3c1d2", -120).changed("db", "9f3c1d2", -180), []incident.Signal{chain[0], chain[2]}, "db sealed: shop/db(1) shop/web(1)"},
		"one rollout on no way":                    {line("x", "y").changed("web", "main@sha1:9f3c1d2e5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d", -60).changed("cart", "9f3c1d2", -60), []incident.Signal{chain[0], on("Slow", "cart", 4, 5)}, "web sealed: shop/web(1) shop/cart(1)"},
		"one ReplicaSet's name in two namespaces":  {line("x", "y").changed("front/cart", "cart-5c7b58b8fc", -60).changed("shop/cart", "cart-5c7b58b8fc", -90), []incident.Signal{on("Oom", "front/cart", 0, 1), on("Slow", "shop/cart", 4, 5)}, "cart sealed: front/cart(1); cart sealed: shop/cart(1)"},
		"a rollout of long ago":                    {line("x", "y").changed("web", "9f3c1d2", -7200).changed("cart", "9f3c1d2", -7200), []incident.Signal{chain[0], on("Slow", "cart", 4, 5)}, "cart sealed: shop/cart(1); web sealed: shop/web(1)"},
		"over namespaces and clusters":             {line("front/web", "shop/api", "eu/data/db"), []incident.Signal{on("Slow", "front/web", 3, 4), on("Errors", "api", 2, 3), on("Oom", "eu/data/db", 0, 1)}, "db sealed: data/db(1) front/web(1) shop/api(1)"},
		"a common victim does not join two":        {line("gate", "a").and("gate", "b"), []incident.Signal{on("X", "a", 0, 1), on("Y", "b", 1, 2), on("Z", "gate", 2, 3)}, "a sealed: shop/a(1) shop/gate(1); b sealed: shop/b(1)"},
		"a common cause does":                      {line("a", "db").and("b", "db"), []incident.Signal{on("X", "a", 0, 1), on("Y", "b", 1, 2), on("Z", "db", 2, 3)}, "db sealed: shop/db(1) shop/a(1) shop/b(1)"},
		"a ring begins where it began":             {line("a", "b", "a"), []incident.Signal{on("X", "a", 0, 1), on("Y", "b", 1, 2)}, "a sealed: shop/a(1) shop/b(1)"},
		"far apart in time":                        {line("web", "db"), []incident.Signal{on("Oom", "db", -3600, 1), on("Slow", "web", 3, 4)}, "db sealed: shop/db(1); web sealed: shop/web(1)"},
		"long before its cause":                    {line("web", "db"), []incident.Signal{on("Oom", "db", 0, 1), on("Slow", "web", -400, 4)}, "db sealed: shop/db(1); web sealed: shop/web(1)"},
		"a little before its cause":                {line("web", "db"), []incident.Signal{on("Oom", "db", 0, 1), on("Slow", "web", -90, 4)}, "db sealed: shop/db(1) shop/web(1)"},
		"later kin is attached":                    {line("web", "api", "db"), []incident.Signal{chain[2], on("Slow", "api", 20, 21), on("Slow", "web", 22, 23)}, "db sealed: shop/db(1) shop/api(1) shop/web(1)"},
		"a cause that shows late is kin":           {line("web", "db"), []incident.Signal{chain[0], on("Oom", "db", 1, 25)}, "web sealed: shop/web(1) shop/db(1)"},
		"no workload is named":                     {line("x", "y"), []incident.Signal{fire("Watchdog", "", 0, 1), fire("Other", "", 1, 2)}, "onset sealed: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := joiner(tc.graph)
			for _, s := range tc.signals {
				j.Add(s)
			}
			out := slices.Concat(j.Advance(at(40)), j.Finish())
			if got := said(out); got != tc.want && name != "no workload is named" {
				t.Errorf("got\n%s, want\n%s", got, tc.want)
			}
			if name == "no workload is named" && len(strings.Split(final(out), "\n")) != 1 {
				t.Errorf("got %s", final(out))
			}
		})
	}
}

func TestScoreSaysWhy(t *testing.T) {
	t.Parallel()
	j := joiner(line("web", "api", "db").changed("web", "9f3c1d2", -120).changed("api", "9f3c1d2", -120))
	for _, s := range []incident.Signal{on("Slow", "web", 42, 4), on("Errors", "api", 2, 3)} {
		j.Add(s)
	}
	out := j.Finish()
	i := out[len(out)-1].Incident
	var got []string
	for _, m := range i.Members {
		for _, term := range m.Terms {
			got = append(got, fmt.Sprintf("%s %+.1f %s", m.Resource.Name, term.Weight, term.Why))
		}
	}
	want := []string{
		"api +1.0 the trouble starts here: nothing that it depends on is in trouble",
		"api +0.4 rollout 9f3c1d2, 2 min before onset",
		"web +0.5 depends on Deployment shop/api, 1 hop",
		"web +0.4 same rollout 9f3c1d2, 2 min before onset",
		"web +0.2 began 40 s after it",
	}
	if !slices.Equal(got, want) || i.Score != 1 || i.Graph == "" || i.Members[1].Cause != "Deployment shop/api" {
		t.Errorf("got\n%s\nscore %v, graph %q", strings.Join(got, "\n"), i.Score, i.Graph)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	a := on("Oom", "db", 0, 1)
	ended := end(a, 20, 21)
	again := on("Oom", "db", 60, 61)
	again.Fingerprint = a.Fingerprint
	for name, tc := range map[string]struct {
		signals []incident.Signal
		until   float64
		want    string
	}{
		"sealed":                                     {[]incident.Signal{a}, 20, "db sealed: shop/db(1)"},
		"healed":                                     {[]incident.Signal{a, ended}, 40, "db resolved: shop/db(1)"},
		"not healed before it has held":              {[]incident.Signal{a, ended}, 30, "db sealed: shop/db(1)"},
		"healed before it was sealed":                {[]incident.Signal{a, end(a, 4, 5)}, 20, "db resolved: shop/db(1)"},
		"a heal that does not hold":                  {[]incident.Signal{a, ended, on("Slow", "db", 25, 26)}, 60, "db sealed: shop/db(2)"},
		"a late word of what is over":                {[]incident.Signal{a, ended, on("Oom", "db", 0, 30)}, 80, "db resolved: shop/db(1)"},
		"told again after it has healed":             {[]incident.Signal{a, ended, on("Oom", "db", 0, 50)}, 80, "db sealed: shop/db(1)"},
		"told again while others fire":               {[]incident.Signal{a, on("Slow", "db", 1, 2), ended, on("Oom", "db", 0, 50), end(on("Slow", "db", 1, 2), 55, 56)}, 80, "db sealed: shop/db(2)"},
		"told again, and over again":                 {[]incident.Signal{a, ended, on("Oom", "db", 0, 50), end(a, 60, 61), end(a, 20, 62)}, 80, "db resolved: shop/db(1)"},
		"the end of what was before comes again":     {[]incident.Signal{a, ended, on("Oom", "db", 0, 50), end(a, 20, 62)}, 80, "db sealed: shop/db(1)"},
		"an end that overtook what fires anew":       {[]incident.Signal{a, on("Slow", "db", 1, 2), ended, end(again, 65, 66), accepted(again, 67), end(on("Slow", "db", 1, 2), 68, 69)}, 90, "db resolved: shop/db(2)"},
		"a resolution that overtook its firing":      {[]incident.Signal{end(a, 5, 0.5), a}, 20, "db resolved: shop/db(1)"},
		"a resolution without a firing is forgotten": {[]incident.Signal{end(a, 0.5, 1), on("Oom", "db", 0, 30)}, 60, "db sealed: shop/db(1)"},
		"a recovery tells the time of its own":       {[]incident.Signal{a, end(on("Oom", "db", 8, 0), 8, 9)}, 20, "db resolved: shop/db(1)"},
		"once more":                                  {[]incident.Signal{a, ended, again}, 90, "db sealed: shop/db(1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := joiner(line("web", "db"))
			for _, s := range tc.signals {
				j.Add(s)
			}
			if got := said(j.Advance(at(tc.until + 1))); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestReopened(t *testing.T) {
	t.Parallel()
	a := on("Oom", "db", 0, 1)
	run := func(breaks float64) []Revision {
		j := joiner(line("web", "db"))
		for _, s := range []incident.Signal{a, end(a, 20, 21), on("Oom", "db", breaks, breaks+1)} {
			j.Add(s)
		}
		return slices.Concat(j.Advance(at(breaks)), j.Finish())
	}
	soon, late := run(300), run(1200)
	if last := soon[len(soon)-1]; last.Reopened != 1 || last.State != incident.Sealed || last.ID != soon[0].ID {
		t.Errorf("within the window: %s", final(soon))
	}
	if lines := strings.Split(final(late), "\n"); len(lines) != 2 {
		t.Errorf("after the window: %s", final(late))
	}
}

func TestMaintenanceIsMarked(t *testing.T) {
	t.Parallel()
	j := NewJoiner(JoinerOptions{Graph: line("web", "db"), Settle: settle, Windows: []Window{{Namespace: "shop", From: at(-60), To: at(60), Reason: "upgrade of the database"}}})
	j.Add(on("Oom", "db", 0, 1))
	j.Add(on("Oom", "data/db", 0, 1))
	for _, r := range j.Finish() {
		if want := map[string]string{"shop": "upgrade of the database"}[r.Root.Namespace]; r.State == incident.Sealed && r.Window != want {
			t.Errorf("%s: %q", r.Root, r.Window)
		}
	}
}

func TestProvisionalAtOnce(t *testing.T) {
	t.Parallel()
	j := NewJoiner(JoinerOptions{Graph: line("web", "api", "db"), Settle: settle, Announce: true})
	states := func(list []Revision) string {
		var out []string
		for _, r := range list {
			out = append(out, fmt.Sprintf("%s %s %d", r.Root.Name, r.State, len(r.Members)))
		}
		return strings.Join(out, ", ")
	}
	for _, step := range []struct {
		add  []incident.Signal
		seen float64
		want string
	}{
		{[]incident.Signal{on("Slow", "web", 2, 3), on("Errors", "api", 1, 2)}, 3, "api provisional 0, web provisional 0"},
		{nil, 5.5, "api provisional 2"}, // they are in order now, and one
		{[]incident.Signal{on("Oom", "db", 0, 6)}, 6, "db provisional 0"},
		{nil, 9, "db provisional 3"}, // provisional incidents merge
		{nil, 14.1, "db sealed 3"},
		{nil, 60, ""},
	} {
		for _, s := range step.add {
			j.Add(s)
		}
		if got := states(j.Advance(at(step.seen))); got != step.want {
			t.Errorf("at %v: got %q, want %q", step.seen, got, step.want)
		}
	}
}

func TestJoinerForgets(t *testing.T) {
	t.Parallel()
	j := joiner(line("web", "db"))
	for i := range 100 {
		f := on("Oom", fmt.Sprintf("app%d", i), 0, 1)
		f.Labels = map[string]string{"trace_id": fmt.Sprint(i), "revision": fmt.Sprint(i)}
		j.Add(f)
		j.Add(end(f, 2, 3))
	}
	j.Add(end(on("Oom", "never", 0, 0), 2, 3))
	j.Advance(at(60))
	j.Advance(at(7200))
	if n := len(j.alerts) + len(j.active) + len(j.past) + len(j.waiting) + len(j.queue) + len(j.quiet) + len(j.healed) + len(j.alike) + len(j.told) + j.tail.len() + len(j.hinted) + j.kept; n != 0 {
		t.Errorf("still holds %d things: %+v", n, j)
	}
	if j.Advance(at(31 * 24 * 3600)); len(j.onsets) > 0 {
		t.Errorf("still knows when %d incidents began", len(j.onsets))
	}
}

func TestRevisionIsTold(t *testing.T) {
	t.Parallel()
	j := NewJoiner(JoinerOptions{Graph: line("web", "db"), Settle: settle, Tell: 5 * time.Second})
	told := 0
	for i := range 100 {
		s := on("Oom", "db", 0, float64(i)/10)
		s.Fingerprint += fmt.Sprint(i)
		s.ID = s.Fingerprint
		j.Add(s)
		told += len(j.Advance(s.AcceptedAt))
	}
	if told > 3 {
		t.Errorf("told %d times in 10 s", told)
	}
	out := j.Finish()
	if last := out[len(out)-1]; last.Members[0].Signals != 100 || len(last.Signals)+last.Folded != 100 {
		t.Errorf("%+v", last.Members[0])
	}
}

func TestFinishTellsWhatWasPutOff(t *testing.T) {
	t.Parallel()
	j := NewJoiner(JoinerOptions{Graph: line("web", "db"), Settle: settle, Tell: time.Hour})
	j.Add(on("Oom", "db", 0, 1))
	out := j.Advance(at(20))
	j.Add(on("Slow", "web", 20, 21))
	if more := j.Advance(at(40)); strings.Contains(said(more), "web") {
		t.Errorf("told at once: %s", said(more))
	}
	if got := said(append(out, j.Finish()...)); got != "db sealed: shop/db(1) shop/web(1)" {
		t.Errorf("got %s", got)
	}
}
