package demo

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Count is what the evidence holds of one attempt of an incident.
type Count struct {
	Incident, Target, Phase                              string
	Attempt                                              int
	Signals, Runs, Pulls, Merges, Applies, Reverts, Rows int
}

// checker gathers what disagrees.
type checker struct {
	Evidence
	wrong []string
	open  bool // what is counted goes on: there may be less, and not more
}

// Check counts, and names every piece of evidence that does not agree with "once". It looks at nothing but e.
func Check(e Evidence) (counts []Count, wrong []string) {
	c := &checker{Evidence: e}
	c.signals()
	known := map[string]bool{}
	for _, i := range slices.SortedFunc(slices.Values(e.Incidents), func(a, b StoredIncident) int { return cmp.Compare(a.ID, b.ID) }) {
		known[i.ID] = true
		if i.SealedAt.IsZero() { // over before its window was: nothing acts on it
			known[i.ID] = false
			continue
		}
		attempts := c.attempts(i.ID)
		if attempts > 1+i.Reopened {
			c.say("Temporal: %d attempts for incident %s, which broke out %d time(s)", attempts, i.ID, 1+i.Reopened)
		}
		for n := range max(1, attempts) {
			counts = append(counts, c.incident(i, n+1))
		}
	}
	c.strangers(known)
	c.rehearsals()
	if e.Broken != "" {
		c.say("ledger: %s", e.Broken)
	}
	return counts, c.wrong
}

func (c *checker) say(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// want names the evidence of which there is another number than one would think.
func (c *checker) want(evidence, what string, got, want int) {
	switch {
	case c.open && got > want:
		c.say("%s: %d %s, want at most %d", evidence, got, what, want)
	case !c.open && got != want:
		c.say("%s: %d %s, want %d", evidence, got, what, want)
	}
}

// dedupe is how long JetStream knows that it has a signal, less what lies between its acceptance and its storing. What
// is told again later, or in other company, is stored again; correlation knows it.
const dedupe = 2*time.Minute - 5*time.Second

// signals accounts for each one that was accepted.
func (c *checker) signals() {
	stored := map[string]time.Time{}
	for _, s := range c.Signals {
		before, again := stored[s.ID+" in "+s.Message]
		stored[s.ID+" in "+s.Message] = s.AcceptedAt
		if again && s.AcceptedAt.Sub(before) < dedupe {
			c.say("JetStream SIGNALS: signal %s (%s) is stored more than once", s.ID, s.Name)
		}
	}
	missing := 0
	for _, fingerprint := range c.Sent {
		if !slices.ContainsFunc(c.Signals, func(s StoredSignal) bool { return s.Fingerprint == fingerprint }) {
			missing++
			if uint64(missing) > c.Dropped {
				c.say("JetStream SIGNALS: signal %s was accepted, and is neither stored nor counted as dropped", fingerprint)
			}
		}
	}
	for _, s := range c.Signals {
		if !c.accounted(s) {
			c.say("JetStream INCIDENTS: signal %s (%s, %s) is accepted, and in no incident", s.Fingerprint, s.Name, s.Status)
		}
	}
}

// accounted tells whether an incident holds the signal, or a later word about the same thing, which makes it a duplicate.
// A resolution of what never fired is nobody's.
func (c *checker) accounted(s StoredSignal) bool {
	for _, i := range c.Incidents {
		for _, m := range i.Signals {
			same := m.Source == s.Source && m.Fingerprint == s.Fingerprint
			if same && (m.ID == s.ID || m.StartsAt.After(s.StartsAt) || m.StartsAt.Equal(s.StartsAt) && (s.Status == "firing" || m.Status == "resolved")) {
				return true
			}
		}
		if i.Folded > 0 { // it holds more than one message can carry
			return true
		}
	}
	return s.Status == "resolved" && !slices.ContainsFunc(c.Signals, func(o StoredSignal) bool {
		return o.Status == "firing" && o.Source == s.Source && o.Fingerprint == s.Fingerprint && !o.StartsAt.Before(s.StartsAt)
	})
}

// attempts is the number of the last one.
func (c *checker) attempts(id string) (n int) {
	for _, r := range c.Runs {
		if incidentOf(r.Workflow) == id {
			n = max(n, attemptOf(strings.TrimPrefix(r.Workflow, "remediation/"+id+"/")))
		}
	}
	return n
}

// incident holds all evidence of one attempt of an incident against the way it ended.
func (c *checker) incident(i StoredIncident, attempt int) Count {
	n := Count{Incident: i.ID, Attempt: attempt, Target: i.object(), Signals: len(i.Signals) + i.Folded}
	about := "incident " + i.ID + " (" + n.Target + ")"
	if attempt > 1 {
		about = fmt.Sprintf("attempt %d of %s", attempt, about)
	}
	var run Run
	for _, r := range c.Runs {
		if r.Workflow == fmt.Sprintf("remediation/%s/%d", i.ID, attempt) {
			run = r
			n.Runs++
		}
	}
	n.Phase = run.Phase
	c.want("Temporal", "runs for "+about, n.Runs, 1)
	if c.open = n.Runs == 1 && run.Phase == ""; c.open {
		c.say("Temporal: the workflow of %s has not completed", about)
	}
	defer func() { c.open = false }()
	changed, reverted := 0, 0
	switch {
	case n.Phase == "SUCCEEDED":
		changed = 1
	case n.Phase == "ROLLED_BACK", c.open:
		changed, reverted = 1, 1
	case n.Phase == "", n.Phase == "ADVISED", n.Phase == "DENIED":
	default:
		c.say("Temporal: %s ended %s, which no scenario of the drill leads to", about, n.Phase)
	}
	c.history(run, about, changed, reverted)
	c.forgeAndGit(about, changed, reverted, &n)
	for _, w := range c.Writes {
		if !w.DryRun && w.Object == n.Target && within(run, w.At) {
			n.Applies++
		}
	}
	c.want("Kubernetes audit log", "applies for "+about, n.Applies, changed+reverted)
	c.ledger(about, changed, reverted, &n)
	return n
}

func within(r Run, at time.Time) bool {
	return !at.Before(r.Began) && (r.Over.IsZero() || !at.After(r.Over))
}

func (c *checker) history(r Run, about string, changed, reverted int) {
	for activity, want := range map[string]int{"Propose": changed, "Merge": changed, "Apply": changed,
		"ProposeRevert": reverted, "MergeRevert": reverted, "Apply revert": reverted} {
		c.want("Temporal", activity+" activities for "+about, r.Done[activity], want)
	}
}

func (c *checker) forgeAndGit(about string, changed, reverted int, n *Count) {
	heads := map[bool][]string{} // by whether it is a revert
	for _, p := range c.Pulls {
		if !n.owns(p.Head.Ref) {
			continue
		}
		revert := strings.HasSuffix(p.Head.Ref, "-revert")
		heads[revert] = append(heads[revert], p.Head.SHA)
		if p.MergedAt != nil {
			n.Merges++
		} else if !c.open {
			c.say("forge: pull request %d of %s is %s and not merged", p.Number, about, p.State)
		}
	}
	n.Pulls, n.Reverts = len(heads[false]), len(heads[true])
	c.want("forge", "pull requests for "+about, n.Pulls, changed)
	c.want("forge", "reverts for "+about, n.Reverts, reverted)
	c.want("forge", "merges for "+about, n.Merges, changed+reverted)
	var commits, undone, merged int
	for _, commit := range c.Commits {
		switch {
		case len(commit.Parents) == 2 && slices.Contains(slices.Concat(heads[false], heads[true]), commit.Parents[1]):
			merged++
		case commit.Trailer("Cortexops-Reverts") != "" && slices.Contains(heads[true], commit.SHA):
			undone++
		case commit.Trailer("Cortexops-Incident") == n.Incident && commit.Trailer("Cortexops-Attempt") == strconv.Itoa(n.Attempt) && commit.Trailer("Cortexops-Reverts") == "" && len(commit.Parents) == 1:
			commits++
		}
	}
	c.want("git", "commits on main for "+about, commits, changed)
	c.want("git", "revert commits on main for "+about, undone, reverted)
	c.want("git", "merge commits on main for "+about, merged, changed+reverted)
	for ref := range c.Refs {
		if incidentOfBranch(ref) == n.Incident && n.Attempt == 1 && !slices.ContainsFunc(c.Pulls, func(p Pull) bool { return p.Head.Ref == ref }) {
			c.say("git: branch %s of %s has no pull request", ref, about)
		}
	}
}

// steps that are written as an intent and then as done.
var (
	changeSteps = []string{"push-branch", "open-pull", "merge", "apply-0"}
	revertSteps = []string{"push-revert", "open-revert", "merge-revert", "apply-revert-0"}
)

func (c *checker) ledger(about string, changed, reverted int, n *Count) {
	rows := map[string]int{}
	ending := ""
	for _, r := range c.Rows {
		if r.Incident != n.Incident || r.Attempt != n.Attempt {
			continue
		}
		n.Rows++
		rows[r.Step+" "+r.Kind]++
		if r.Step == "ending" {
			ending = r.Phase
		}
	}
	for step, want := range map[string]int{"change": changed, "revert": reverted} {
		steps := changeSteps
		if step == "revert" {
			steps = revertSteps
		}
		for _, s := range steps {
			for _, kind := range []string{"intent", "done"} {
				c.want("ledger", "rows "+s+" "+kind+" for "+about, rows[s+" "+kind], want)
			}
		}
	}
	c.want("ledger", "rows ending event for "+about, rows["ending event"], 1)
	if ending != n.Phase && !c.open {
		c.say("ledger: %s ended %q, and in Temporal %q", about, ending, n.Phase)
	}
}

// strangers names what belongs to no incident that JetStream knows.
func (c *checker) strangers(known map[string]bool) {
	unknown := func(evidence, what, id string) {
		if !known[id] {
			c.say("%s: %s belongs to no sealed incident in JetStream", evidence, what)
		}
	}
	for _, r := range c.Runs {
		unknown("Temporal", r.Workflow, incidentOf(r.Workflow))
	}
	for _, p := range c.Pulls {
		if strings.HasPrefix(p.Head.Ref, "cortexops/") {
			unknown("forge", fmt.Sprintf("pull request %d, of %s,", p.Number, p.Head.Ref), incidentOfBranch(p.Head.Ref))
			if !slices.ContainsFunc(c.Runs, func(r Run) bool { return r.Workflow == workflowOf(strings.TrimSuffix(p.Head.Ref, "-revert")) }) {
				c.say("forge: pull request %d, of %s, is of an attempt that Temporal does not know", p.Number, p.Head.Ref)
			}
		}
	}
	for _, r := range c.Rows {
		unknown("ledger", "row "+r.Step+" "+r.Kind, r.Incident)
		if known[r.Incident] && r.Attempt > c.attempts(r.Incident) {
			c.say("ledger: row %s %s of incident %s is of attempt %d, which Temporal does not know", r.Step, r.Kind, r.Incident, r.Attempt)
		}
	}
	for _, w := range c.Writes {
		if w.DryRun {
			continue
		}
		if !slices.ContainsFunc(c.Runs, func(r Run) bool {
			return within(r, w.At) && slices.ContainsFunc(c.Incidents, func(i StoredIncident) bool { return i.ID == incidentOf(r.Workflow) && i.object() == w.Object })
		}) {
			c.say("Kubernetes audit log: %s %s at %s is of no remediation", w.Verb, w.Object, w.At.Format(time.RFC3339Nano))
		}
	}
}

func (c *checker) rehearsals() {
	for _, bad := range Unrehearsed(c.Writes, Merges(c.Pulls)) {
		c.say("Kubernetes audit log: %s was not preceded by its dry-run", bad)
	}
}

// owns tells whether a branch is of this attempt.
func (n *Count) owns(branch string) bool {
	return strings.TrimSuffix(branch, "-revert") == fmt.Sprintf("cortexops/%s-%d", n.Incident, n.Attempt)
}

func attemptOf(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// incidentOf is the incident in a workflow's ID.
func incidentOf(workflowID string) string {
	parts := strings.Split(workflowID, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

// incidentOfBranch is the incident in a branch's name, cortexops/INCIDENT-…; "" where there is none.
func incidentOfBranch(name string) string {
	rest, ours := strings.CutPrefix(name, "cortexops/")
	if !ours {
		return ""
	}
	id, _, _ := strings.Cut(rest, "-")
	return id
}
