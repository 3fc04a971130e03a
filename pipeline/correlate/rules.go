package correlate

import (
	"fmt"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// The rules, whole. Workloads are in trouble from their first firing signal. Two of them belong to one incident if the
// terms below, in hundredths, come to enough together. Being near in time is never enough alone, nor is being near in the
// graph: there must be a way on which the trouble of one could have become that of the other, a change that both had, or
// something that names them together.
//
// A workload belongs to its best cause only. So what two troubles hit alike (an ingress before both) does not make one
// incident of them, and the members form trees whose root is where the trouble starts.
const (
	enough = 50

	samePods     = 60 // a Service and its Deployment
	oneHop       = 50
	twoHops      = 30
	threeHops    = 20
	sameChange   = 40
	namedAlike   = 60 // a trace, or a correlation ID
	nearInTime   = 20 // within two minutes
	closeInTime  = 10 // within ten
	backwards    = -20
	withinMoment = 2 * time.Minute
	withinWhile  = 10 * time.Minute
	apart        = 30 * time.Minute // beyond it nothing belongs together, and no change is to blame
	ahead        = 5 * time.Minute  // alerts wait differently long before they fire: an effect may be told so long before its cause
)

// traces are the labels that name several workloads together.
var traces = []string{"trace_id", "traceID", "traceId", "correlation_id"}

// link is what two workloads in trouble have to do with each other. Where it has a direction, the trouble of the first can
// become that of the second.
type link struct {
	cause, effect *trouble
	directed      bool
	hops          int    // where it is directed
	trace         string // that names both
}

// score is the sum of the terms, in hundredths.
func (l *link) score() (sum int) {
	l.terms(l.effect, func(weight int, _ func() string) { sum += weight })
	return sum
}

// terms calls term for each that applies. The words, of one of the two about the other, are made only when they are asked for.
func (l *link) terms(of *trouble, term func(weight int, why func() string)) {
	gap := l.effect.onset.Sub(l.cause.onset)
	if gap.Abs() > apart {
		return
	}
	if l.directed {
		weight := [...]int{samePods, oneHop, twoHops, threeHops}[l.hops]
		term(weight, func() string { return l.way(of) })
	}
	if l.trace != "" {
		term(namedAlike, func() string { return "the same " + l.trace })
	}
	if at, ok := l.change(); ok {
		term(sameChange, func() string {
			return fmt.Sprintf("same rollout %s, %s before onset", short(l.cause.rollout.Revision), span(l.effect.onset.Sub(at)))
		})
	}
	since := gap
	if of == l.cause {
		since = -gap
	}
	switch when := func() string { return fmt.Sprintf("began %s", relative(since)) }; {
	case gap.Abs() <= withinMoment:
		term(nearInTime, when)
	case gap.Abs() <= withinWhile:
		term(closeInTime, when)
	}
	if l.directed && gap < -ahead {
		term(backwards, func() string { return fmt.Sprintf("was in trouble %s before what would be its cause", span(-gap)) })
	}
}

func (l *link) way(of *trouble) string {
	hops := fmt.Sprintf("%d hops", l.hops)
	if l.hops == 1 {
		hops = "1 hop"
	}
	switch {
	case l.hops == 0 && of == l.cause:
		return fmt.Sprintf("the same pods as %s", l.effect.owner)
	case l.hops == 0:
		return fmt.Sprintf("the same pods as %s", l.cause.owner)
	case of == l.cause: // it came after what it hits was sealed, or hits two that do not depend on each other
		return fmt.Sprintf("%s depends on it, %s", l.effect.owner, hops)
	}
	return fmt.Sprintf("depends on %s, %s", l.cause.owner, hops)
}

// change that both had, not long before either was in trouble.
func (l *link) change() (time.Time, bool) {
	a, b := l.cause, l.effect
	if a.rollout.Revision == "" || short(a.rollout.Revision) != short(b.rollout.Revision) || !a.changed() || !b.changed() {
		return time.Time{}, false
	}
	if a.ownVersion() && b.ownVersion() { // in other namespaces and clusters: one template has one hash, and so one name, everywhere
		return time.Time{}, false
	}
	return b.rollout.At, true
}

// ownVersion reports whether the revision is no more than the name of the workload's ReplicaSet or ControllerRevision.
func (t *trouble) ownVersion() bool { return strings.HasPrefix(t.rollout.Revision, t.owner.Name+"-") }

// changed reports whether a change is to blame: the workload was in trouble soon after.
func (t *trouble) changed() bool {
	if t.rollout.Revision == "" || t.rollout.At.IsZero() {
		return false
	}
	since := t.onset.Sub(t.rollout.At)
	return since >= 0 && since <= apart
}

// asRoot are the terms of a root.
func (t *trouble) asRoot() []incident.Term {
	why := "the trouble starts here: nothing that it depends on is in trouble"
	if cause := t.later(); cause != nil {
		why = fmt.Sprintf("the trouble was told here first; that of %s, on which it depends, came after the incident was sealed", cause.owner)
	}
	terms := []incident.Term{{Weight: 1, Why: why}}
	if t.changed() {
		terms = append(terms, incident.Term{Weight: weight(sameChange), Why: fmt.Sprintf("rollout %s, %s before onset", short(t.rollout.Revision), span(t.onset.Sub(t.rollout.At)))})
	}
	return terms
}

// later is what a sealed root depends on, and what was told only when its incident had its root.
func (t *trouble) later() *trouble {
	if t.group == nil {
		return nil
	}
	for _, o := range t.group.troubles {
		if l := o.because; l != nil && l.directed && l.hops > 0 && l.cause == o && l.effect == t {
			return o
		}
	}
	return nil
}

// short is a revision as people write it: main@sha1:9f3c1d2e5a… is 9f3c1d2.
func short(revision string) string {
	if i := strings.LastIndexAny(revision, ":@/"); i >= 0 {
		revision = revision[i+1:]
	}
	if len(revision) >= 40 && strings.Trim(revision, "0123456789abcdef") == "" { // and not the name of a ReplicaSet
		revision = revision[:7]
	}
	return revision
}

func weight(hundredths int) float64 { return float64(hundredths) / 100 }

func relative(gap time.Duration) string {
	switch {
	case gap == 0:
		return "at the same time"
	case gap < 0:
		return span(-gap) + " before it"
	}
	return span(gap) + " after it"
}

// span in the unit that a person would use.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}
