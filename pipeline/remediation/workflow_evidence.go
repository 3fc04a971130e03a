package remediation

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// EvidenceSignal carries Evidence: an incident that the remediation is about has changed, or another one has joined it.
const EvidenceSignal = "evidence"

const (
	// healedFor is how long all must have been quiet until an incident counts as healed by itself.
	healedFor = 5 * time.Minute
	// amendEvery is how often the evidence on a pull request is written anew.
	amendEvery = time.Minute
	// joinEvery and joinTries: how long a remediation looks for the one that holds its target, which a sweeper releases.
	joinEvery, joinTries = 10 * time.Second, 60
	mostEvidence         = 20
	// readyEvery is how often a target that all is quiet about is asked whether it is ready.
	readyEvery = 30 * time.Second
)

// Evidence is the newest revision of one incident.
type Evidence struct {
	ID       string    `json:"id"`
	Incident string    `json:"incident"`        // digest of its blob
	Healed   time.Time `json:"healed,omitzero"` // since when nothing fires, where nothing does
	Outbreak int       `json:"outbreak,omitempty"`
	AsOf     time.Time `json:"asOf,omitzero"` // all that was accepted before is in it
}

// news is what evidence has come in since the pull request was opened.
type news struct {
	list    []Evidence // one for each incident
	changed bool       // since it was written
	written time.Time
	asked   time.Time // whether the target is ready
}

func (n *news) take(e Evidence, own bool) {
	i := slices.IndexFunc(n.list, func(have Evidence) bool { return have.ID == e.ID })
	switch {
	case i >= 0 && n.list[i] == e, i < 0 && len(n.list) == mostEvidence && !own:
		return
	case i < 0 && len(n.list) == mostEvidence:
		n.list[mostEvidence-1] = e
	case i >= 0:
		n.list[i] = e
	default:
		n.list = append(n.list, e)
	}
	n.changed = true
}

// listen takes the evidence that has come in.
func (f *flow) listen(evidence workflow.ReceiveChannel) {
	for e := (Evidence{}); evidence.ReceiveAsync(&e); e = (Evidence{}) {
		f.news.take(e, e.ID == f.start.Key.Incident)
	}
}

// healing is since when the remediation's own incident is quiet, and everyone that joined it; zero where something fires.
func (f *flow) healing() (since time.Time) {
	own := false
	for _, e := range f.news.list {
		if e.Healed.IsZero() {
			return time.Time{}
		}
		own = own || e.ID == f.start.Key.Incident
		if e.Healed.After(since) {
			since = e.Healed
		}
	}
	if !own {
		return time.Time{}
	}
	return since
}

// living keeps the open pull request true: new evidence is written on it, and where all is well again without it, it is
// withdrawn. It returns the ending then.
func (f *flow) living(ctx workflow.Context) (*incident.Outcome, error) {
	f.listen(workflow.GetSignalChannel(ctx, EvidenceSignal))
	now := workflow.Now(ctx)
	if f.news.changed && now.Sub(f.news.written) >= amendEvery {
		in := AmendInput{Key: f.start.Key, Change: f.change}
		for _, e := range f.news.list {
			in.Incidents = append(in.Incidents, e.Incident)
		}
		if err := f.do(ctx, quick, "Amend", in, nil); err != nil {
			return nil, err
		}
		f.news.changed, f.news.written = false, now
		if err := f.rethink(ctx); err != nil {
			return nil, err
		}
	}
	since := f.healing()
	if now.Sub(f.news.asked) < readyEvery {
		return nil, nil
	}
	return f.healed(ctx, since)
}

// soon is when living has something to do next, or never.
func (f *flow) soon() (at time.Time) {
	if f.news.changed {
		at = f.news.written.Add(amendEvery)
	}
	if since := f.healing(); !since.IsZero() {
		quiet := since.Add(healedFor)
		if again := f.news.asked.Add(readyEvery); again.After(quiet) {
			quiet = again
		}
		if at.IsZero() || quiet.Before(at) {
			at = quiet
		}
	}
	return at
}

// outbreak of the own incident, from 0, that this run knows of.
func (f *flow) outbreak() (n int) {
	if n = f.start.Key.Attempt - 1; f.start.Outbreak != nil {
		n = *f.start.Outbreak
	}
	for _, e := range f.news.list {
		if e.ID == f.start.Key.Incident {
			n = max(n, e.Outbreak)
		}
	}
	return n
}

// again starts the next attempt where the incident has broken out once more after this one had come to its end, and before it was
// over: whoever told us took it for ours.
func (f *flow) again(ctx workflow.Context, settled time.Time) error {
	own := 0
	if f.start.Outbreak != nil {
		own = *f.start.Outbreak
	}
	var newest Evidence
	f.listen(workflow.GetSignalChannel(ctx, EvidenceSignal))
	for _, e := range f.news.list {
		if e.ID == f.start.Key.Incident && e.Outbreak > own {
			newest = e
		}
	}
	if newest.ID == "" || !newest.Healed.IsZero() || !newest.AsOf.After(settled) {
		return nil
	}
	next := Start{Key: incident.Key{Incident: f.start.Key.Incident, Attempt: f.start.Key.Attempt + 1}, Incident: newest.Incident, Target: f.start.Target, Outbreak: &newest.Outbreak}
	if f.followed > 0 && workflow.GetVersion(ctx, "again-after-missed", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
		next.Key.Attempt = f.followed + 1
	}
	err := follow(ctx, next)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil
	}
	return err
}

// join hands the incident over to the remediation that is at work on the same target, and ends this one.
func (f *flow) join(ctx workflow.Context) (*incident.Outcome, error) {
	for range joinTries {
		holder := *f.planned.Holder
		if holder.IsRestoring() { // it is about no incident that is open, and soon over
			if again, err := f.replanned(ctx, fmt.Sprintf("waits for %s, which applies what was merged", holder.Workflow())); err != nil || !again {
				return nil, err
			}
			continue
		}
		err := workflow.SignalExternalWorkflow(ctx, holder.Workflow(), "", EvidenceSignal, Evidence{ID: f.start.Key.Incident, Incident: f.start.Incident}).Get(ctx, nil)
		if err == nil {
			return &incident.Outcome{Phase: incident.Superseded, Reason: fmt.Sprintf("%s is at work on %s already, and was told of this incident", holder.Workflow(), f.start.Target)}, nil
		}
		if again, err := f.replanned(ctx, fmt.Sprintf("waits for %s, which holds the target and is over", holder.Workflow())); err != nil || !again {
			return nil, err
		}
	}
	why := "is over: its claim was not released"
	if f.planned.Holder.IsRestoring() {
		why = "goes on"
	}
	return &incident.Outcome{Phase: incident.Escalated, Reason: fmt.Sprintf("%s holds %s and %s", f.planned.Holder.Workflow(), f.start.Target, why)}, nil
}

// replanned plans after a while; again: the target is held by somebody still.
func (f *flow) replanned(ctx workflow.Context, why string) (again bool, err error) {
	f.enter(ctx, incident.Planning, why)
	if err := workflow.Sleep(ctx, joinEvery); err != nil {
		return false, err
	}
	f.planned = Planned{}
	err = f.do(ctx, slow, "Plan", PlanInput{Start: f.start, Began: f.began}, &f.planned)
	return f.planned.Holder != nil, err
}
