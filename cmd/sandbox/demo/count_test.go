package demo

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// sound is the evidence of one incident that was remedied, and of one whose fix was reverted.
func sound() Evidence {
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }
	when := func(second int) *time.Time { t := at(second); return &t }
	incident := func(id, name, fingerprint string) StoredIncident {
		i := StoredIncident{ID: id, SealedAt: at(1), Signals: []StoredSignal{{ID: "s" + fingerprint, Source: "alertmanager", Name: "Bad", Status: "firing", Fingerprint: fingerprint, StartsAt: at(0)}}}
		i.Root.Kind, i.Root.Namespace, i.Root.Name = "Deployment", "shop", name
		return i
	}
	pull := func(number int, ref string, merged int) (p Pull) {
		p.Number, p.State, p.MergedAt = number, "closed", when(merged)
		p.Head.Ref, p.Head.SHA = ref, "head-of-"+ref
		return p
	}
	const a, b = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
	e := Evidence{
		Sent:      []string{"1", "2"},
		Incidents: []StoredIncident{incident(a, "checkout", "1"), incident(b, "cart", "2")},
		Runs: []Run{
			{Workflow: "remediation/" + a + "/1", Phase: "SUCCEEDED", Began: at(2), Over: at(20), Done: map[string]int{"Propose": 1, "Merge": 1, "Apply": 1}},
			{Workflow: "remediation/" + b + "/1", Phase: "ROLLED_BACK", Began: at(2), Over: at(40), Done: map[string]int{
				"Propose": 1, "Merge": 1, "Apply": 1, "ProposeRevert": 1, "MergeRevert": 1, "Apply revert": 1}},
		},
		Pulls: []Pull{pull(1, "cortexops/"+a+"-1", 8), pull(2, "cortexops/"+b+"-1", 8), pull(3, "cortexops/"+b+"-1-revert", 28)},
		Refs:  map[string]string{"main": "m", "cortexops/" + a + "-1": "x"},
	}
	for _, i := range e.Incidents {
		e.Signals = append(e.Signals, i.Signals...)
		e.Rows = append(e.Rows, rows(i.ID, changeSteps)...)
	}
	e.Rows = append(e.Rows, rows(b, revertSteps)...)
	e.Rows = append(e.Rows, LedgerRow{a, 1, "SUCCEEDED", "ending", "event"}, LedgerRow{b, 1, "ROLLED_BACK", "ending", "event"})
	for _, p := range e.Pulls {
		c := Commit{SHA: p.Head.SHA, Parents: []string{"base"}, Body: "Cortexops-Incident: " + incidentOfBranch(p.Head.Ref) + "\nCortexops-Attempt: 1\n"}
		if strings.HasSuffix(p.Head.Ref, "-revert") {
			c.Body += "Cortexops-Reverts: 1234\n"
		}
		e.Commits = append(e.Commits, c, Commit{SHA: "merge-" + p.Head.SHA, Parents: []string{"base", p.Head.SHA}})
	}
	for object, seconds := range map[string][]int{"deployments shop/checkout": {10}, "deployments shop/cart": {10, 30}} {
		for _, s := range seconds {
			e.Writes = append(e.Writes, WorkloadWrite{"patch", object, "body", true, at(s - 1)}, WorkloadWrite{"patch", object, "body", false, at(s)})
		}
	}
	slices.SortStableFunc(e.Writes, func(x, y WorkloadWrite) int { return x.At.Compare(y.At) })
	return e
}

func rows(id string, steps []string) (out []LedgerRow) {
	for _, s := range steps {
		out = append(out, LedgerRow{id, 1, "P", s, "intent"}, LedgerRow{id, 1, "P", s, "done"})
	}
	return out
}

func TestSoundEvidenceAgrees(t *testing.T) {
	t.Parallel()
	counts, wrong := Check(sound())
	if len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
	if len(counts) != 2 || counts[0].Pulls != 1 || counts[1].Reverts != 1 || counts[1].Applies != 2 {
		t.Errorf("%+v", counts)
	}
}

// TestBrokenEvidenceIsNamed breaks one piece of evidence by hand and wants to read which one it was.
func TestBrokenEvidenceIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks func(*Evidence)
		says   []string
	}{
		"a second pull request": {func(e *Evidence) { e.Pulls = append(e.Pulls, e.Pulls[0]) }, []string{"forge: 2 pull requests", "forge: 2 merges"}},
		"a second pull request of a branch of its own": {func(e *Evidence) {
			p := e.Pulls[0]
			p.Number, p.Head.Ref = 9, "cortexops/aaaaaaaaaaaa-1-2"
			e.Pulls = append(e.Pulls, p)
		}, []string{"aaaaaaaaaaaa"}},
		"no pull request": {func(e *Evidence) { e.Pulls = e.Pulls[1:] }, []string{"forge: 0 pull requests", "forge: 0 merges", "git: 0 merge commits"}},
		"one left open":   {func(e *Evidence) { e.Pulls[0].MergedAt, e.Pulls[0].State = nil, "open" }, []string{"pull request 1", "is open and not merged"}},
		"two reverts":     {func(e *Evidence) { e.Pulls = append(e.Pulls, e.Pulls[2]) }, []string{"forge: 2 reverts"}},
		"a second apply":  {func(e *Evidence) { e.Writes = append(e.Writes, e.Writes[len(e.Writes)-2:]...) }, []string{"Kubernetes audit log: 3 applies for incident bbbbbbbbbbbb"}},
		"an apply of nobody's": {func(e *Evidence) {
			w := e.Writes[len(e.Writes)-1]
			w.Object = "deployments shop/other"
			e.Writes = append(e.Writes, w)
		}, []string{"Kubernetes audit log: patch deployments shop/other", "of no remediation"}},
		"an apply too late": {func(e *Evidence) { e.Writes[len(e.Writes)-1].At = e.Runs[1].Over.Add(time.Second) }, []string{"audit log: 1 applies for incident bbbbbbbbbbbb", "of no remediation"}},
		"no dry-run": {func(e *Evidence) {
			e.Writes = slices.DeleteFunc(e.Writes, func(w WorkloadWrite) bool { return w.DryRun })
		}, []string{"Kubernetes audit log", "dry-run"}},
		"a missing signal": {func(e *Evidence) { e.Signals = e.Signals[1:] }, []string{"JetStream SIGNALS: signal 1"}},
		"a signal in no incident": {func(e *Evidence) {
			e.Incidents[0].Signals = nil
		}, []string{"JetStream INCIDENTS: signal 1"}},
		"a signal stored twice":        {func(e *Evidence) { e.Signals = append(e.Signals, e.Signals[0]) }, []string{"stored more than once"}},
		"a missing ledger row":         {func(e *Evidence) { e.Rows = e.Rows[1:] }, []string{"ledger: 0 rows push-branch intent for incident aaaaaaaaaaaa"}},
		"a ledger row twice":           {func(e *Evidence) { e.Rows = append(e.Rows, e.Rows[0]) }, []string{"ledger: 2 rows push-branch intent"}},
		"a ledger that says otherwise": {func(e *Evidence) { e.Rows[len(e.Rows)-1].Phase = "SUCCEEDED" }, []string{"ledger: incident bbbbbbbbbbbb", `ended "SUCCEEDED"`}},
		"a broken chain":               {func(e *Evidence) { e.Broken = "row 7 does not fit" }, []string{"ledger: row 7 does not fit"}},
		"a history with two applies":   {func(e *Evidence) { e.Runs[0].Done["Apply"] = 2 }, []string{"Temporal: 2 Apply activities for incident aaaaaaaaaaaa"}},
		"a second run":                 {func(e *Evidence) { e.Runs = append(e.Runs, e.Runs[0]) }, []string{"Temporal: 2 runs for incident aaaaaaaaaaaa"}},
		"no run":                       {func(e *Evidence) { e.Runs = e.Runs[1:] }, []string{"Temporal: 0 runs for incident aaaaaaaaaaaa"}},
		"a run that goes on":           {func(e *Evidence) { e.Runs[0].Phase, e.Runs[0].Over = "", time.Time{} }, []string{"has not completed"}},
		"another ending":               {func(e *Evidence) { e.Runs[0].Phase = "FAILED" }, []string{"ended FAILED"}},
		"an incident nobody knows":     {func(e *Evidence) { e.Incidents = e.Incidents[1:] }, []string{"Temporal: remediation/aaaaaaaaaaaa/1", "forge: pull request 1", "ledger: row push-branch"}},
		"a second merge in git":        {func(e *Evidence) { e.Commits = append(e.Commits, e.Commits[1]) }, []string{"git: 2 merge commits on main for incident aaaaaaaaaaaa"}},
		"a second commit in git":       {func(e *Evidence) { e.Commits = append(e.Commits, e.Commits[0]) }, []string{"git: 2 commits on main for incident aaaaaaaaaaaa"}},
		"an attempt that nothing led to": {func(e *Evidence) {
			again := e.Runs[0]
			again.Workflow = "remediation/aaaaaaaaaaaa/2"
			e.Runs = append(e.Runs, again)
		}, []string{"Temporal: 2 attempts for incident aaaaaaaaaaaa, which broke out 1 time(s)", "forge: 0 pull requests for attempt 2 of"}},
		"a request that Temporal lost": {func(e *Evidence) { e.Pulls[0].Head.Ref = "cortexops/aaaaaaaaaaaa-2" }, []string{"forge: pull request 1, of cortexops/aaaaaaaaaaaa-2, is of an attempt"}},
		"a row of another attempt":     {func(e *Evidence) { e.Rows[0].Attempt = 2 }, []string{"ledger: row push-branch intent of incident aaaaaaaaaaaa is of attempt 2"}},
		"a branch without a request":   {func(e *Evidence) { e.Refs["cortexops/aaaaaaaaaaaa-2"] = "y" }, []string{"git: branch cortexops/aaaaaaaaaaaa-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := sound()
			c.breaks(&e)
			_, wrong := Check(e)
			for _, part := range c.says {
				if !strings.Contains(strings.Join(wrong, "\n"), part) {
					t.Errorf("%q is not among what is wrong:\n%s", part, strings.Join(wrong, "\n"))
				}
			}
		})
	}
}

// What goes on has only begun: that it has not completed is all that is wrong, until something is there twice.
func TestUnfinishedHasOnlyBegun(t *testing.T) {
	t.Parallel()
	const a = "aaaaaaaaaaaa"
	e := sound()
	e.Runs[0].Phase, e.Runs[0].Over, e.Runs[0].Done = "", time.Time{}, map[string]int{"Propose": 1}
	e.Pulls[0].MergedAt, e.Pulls[0].State = nil, "open"
	e.Commits = e.Commits[2:]
	e.Writes = slices.DeleteFunc(e.Writes, func(w WorkloadWrite) bool { return w.Object == "deployments shop/checkout" && !w.DryRun })
	e.Rows = slices.DeleteFunc(e.Rows, func(r LedgerRow) bool { return r.Incident == a && r.Step != "push-branch" && r.Step != "open-pull" })
	if _, wrong := Check(e); len(wrong) != 1 || wrong[0] != "Temporal: the workflow of incident "+a+" (deployments shop/checkout) has not completed" {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
	second := e.Pulls[0]
	second.Number = 9
	e.Pulls = append(e.Pulls, second)
	if _, wrong := Check(e); !slices.Contains(wrong, "forge: 2 pull requests for incident "+a+" (deployments shop/checkout), want at most 1") {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
}

// Alertmanager tells again what still fires; JetStream knows it for two minutes only.
func TestSignalToldAgainLaterIsNoMistake(t *testing.T) {
	t.Parallel()
	e := sound()
	later := e.Signals[0]
	later.AcceptedAt = later.AcceptedAt.Add(2 * time.Minute)
	e.Signals = append(e.Signals, later)
	company := e.Signals[1]
	company.Message = "1 2" // Alertmanager's group has another alert now
	e.Signals = append(e.Signals, company)
	if _, wrong := Check(e); len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
}

func TestDroppedSignalsAreAccountedFor(t *testing.T) {
	t.Parallel()
	e := sound()
	e.Signals, e.Dropped = e.Signals[1:], 1
	if _, wrong := Check(e); len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
}
