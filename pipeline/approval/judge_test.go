package approval

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	head  = "1111111111111111111111111111111111111111"
	other = "2222222222222222222222222222222222222222"
)

var deadline = time.Date(2026, 11, 20, 10, 59, 0, 0, time.UTC)

// review at so many seconds from the deadline.
func review(user string, state ReviewState, at int) Review {
	return Review{User: user, State: state, CommitSHA: head, SubmittedAt: deadline.Add(time.Duration(at) * time.Second)}
}

func on(sha string, r Review) Review { r.CommitSHA = sha; return r }

func TestJudge(t *testing.T) {
	t.Parallel()
	open := Pull{State: Open, HeadSHA: head}
	for _, c := range []struct {
		name    string
		reviews []Review
		pull    Pull
		needed  int
		now     int // seconds from the deadline
		state   State
		by      []string
		why     string
	}{
		{"nobody yet", nil, open, 1, -60, StatePending, nil, "0 of 1 approvals are there; it stays open until 10:59:00 UTC."},
		{"approved", []Review{review("sam", Approved, -30)}, open, 1, -20, StateApproved, []string{"sam"}, "sam approved 111111111111."},
		{"one of two", []Review{review("sam", Approved, -30)}, open, 2, -20, StatePending, []string{"sam"}, "1 of 2 approvals are there, by sam"},
		{"two of two", []Review{review("sam", Approved, -30), review("dana", Approved, -25)}, open, 2, -20, StateApproved, []string{"dana", "sam"}, "dana and sam approved"},
		{"one person twice", []Review{review("sam", Approved, -30), review("Sam", Approved, -25)}, open, 2, -20, StatePending, []string{"sam"}, "1 of 2"},
		{"nobody is asked", nil, open, 0, -20, StateApproved, nil, "Policy asks nobody."},
		{"nobody is asked, and somebody objects", []Review{review("sam", ChangesRequested, -30)}, open, 0, -20, StatePending, nil, "sam asked for changes"},
		{"nobody is asked, and somebody pushes", nil, Pull{State: Open, HeadSHA: other}, 0, -20, StateVoided, nil, ""},
		{"nobody is asked, and somebody closes", nil, Pull{State: Closed, HeadSHA: head, ClosedBy: "dana", ClosedAt: deadline.Add(-time.Second)}, 0, -20, StateRejected, []string{"dana"}, ""},
		{"the bot itself", []Review{review("CortexOps-Bot", Approved, -30)}, open, 1, -20, StatePending, nil, "0 of 1"},
		{"nobody's", []Review{review("", Approved, -30)}, open, 1, -20, StatePending, nil, "0 of 1"},
		{"comment is no approval", []Review{review("sam", Commented, -30)}, open, 1, -20, StatePending, nil, "0 of 1"},
		{"unknown state is no approval", []Review{review("sam", "PENDING", -30)}, open, 1, -20, StatePending, nil, "0 of 1"},
		{"comment keeps the approval", []Review{review("sam", Approved, -30), review("sam", Commented, -20)}, open, 1, -10, StateApproved, []string{"sam"}, ""},
		{"dismissed", []Review{review("sam", Approved, -30), review("sam", Dismissed, -20)}, open, 1, -10, StatePending, nil, "0 of 1"},
		{"changed their mind to no", []Review{review("sam", Approved, -30), review("sam", ChangesRequested, -20)}, open, 1, -10, StatePending, nil, "sam asked for changes"},
		{"changed their mind to yes", []Review{review("sam", ChangesRequested, -30), review("sam", Approved, -20)}, open, 1, -10, StateApproved, []string{"sam"}, ""},
		{"told out of order", []Review{review("sam", ChangesRequested, -20), review("sam", Approved, -30)}, open, 1, -10, StatePending, nil, "sam asked for changes"},
		{"another objects", []Review{review("sam", Approved, -30), review("dana", ChangesRequested, -40)}, open, 1, -10, StatePending, []string{"sam"}, "dana asked for changes"},
		{"objection dismissed", []Review{review("sam", Approved, -30), review("dana", ChangesRequested, -40), review("dana", Dismissed, -20)}, open, 1, -10, StateApproved, []string{"sam"}, ""},
		{"an objection to an old head stands", []Review{on(other, review("sam", ChangesRequested, -40)), review("dana", Approved, -30)}, open, 1, -20, StatePending, []string{"dana"}, "sam asked for changes"},
		{"until who made it approves", []Review{on(other, review("sam", ChangesRequested, -40)), review("sam", Approved, -30)}, open, 1, -20, StateApproved, []string{"sam"}, ""},
		{"or had approved the old head since", []Review{on(other, review("sam", ChangesRequested, -50)), on(other, review("sam", Approved, -40)), review("dana", Approved, -30)}, open, 1, -20, StateApproved, []string{"dana"}, ""},
		{"or it is dismissed", []Review{on(other, review("sam", Dismissed, -40)), review("dana", Approved, -30)}, open, 1, -20, StateApproved, []string{"dana"}, ""},
		{"and nobody is asked", []Review{on(other, review("sam", ChangesRequested, -40))}, open, 0, -20, StatePending, nil, "sam asked for changes"},
		{"review of an old head", []Review{on(other, review("sam", Approved, -30))}, open, 1, -20, StatePending, nil, "0 of 1"},

		{"at the deadline", nil, open, 1, 0, StatePending, nil, ""},
		{"expired", nil, open, 1, 1, StateExpired, nil, "0 of 1 approvals are there, and it was open until 10:59:00 UTC."},
		{"expired with one of two", []Review{review("sam", Approved, -30)}, open, 2, 1, StateExpired, []string{"sam"}, "1 of 2"},
		{"approved in time, seen late", []Review{review("sam", Approved, -1)}, open, 1, 3600, StateApproved, []string{"sam"}, ""},
		{"approved at the deadline", []Review{review("sam", Approved, 0)}, open, 1, 5, StateApproved, []string{"sam"}, ""},
		{"approved too late", []Review{review("sam", Approved, 1)}, open, 1, 5, StateExpired, nil, "0 of 1"},
		{"approved in time and again", []Review{review("sam", Approved, -1), review("sam", Approved, 1)}, open, 1, 5, StateApproved, []string{"sam"}, ""},
		{"withdrawn after the deadline", []Review{review("sam", Approved, -1), review("sam", ChangesRequested, 1)}, open, 1, 5, StateExpired, nil, "sam asked for changes"},
		{"withdrawn and given again too late", []Review{review("sam", Approved, -1), review("sam", Dismissed, 1), review("sam", Approved, 2)}, open, 1, 5, StateExpired, nil, "0 of 1"},
		{"another objects after the deadline", []Review{review("sam", Approved, -1), review("dana", ChangesRequested, 1)}, open, 1, 5, StateExpired, []string{"sam"}, "dana asked for changes"},

		{"head moved", []Review{review("sam", Approved, -30)}, Pull{State: Open, HeadSHA: other}, 1, -20, StateVoided, nil, "The head is 222222222222 now, and 111111111111 was proposed"},
		{"head moved and approved there", []Review{on(other, review("sam", Approved, -30))}, Pull{State: Open, HeadSHA: other}, 1, -20, StateVoided, nil, ""},
		{"head moved, past the deadline", nil, Pull{State: Open, HeadSHA: other}, 1, 5, StateVoided, nil, ""},
		{"head unknown", []Review{review("sam", Approved, -30)}, Pull{State: Open}, 1, -20, StateVoided, nil, "The head is nothing now"},

		{"merged by a person", nil, Pull{State: Merged, HeadSHA: head, MergedBy: "sam"}, 2, -20, StateMerged, []string{"sam"}, "sam merged it, which approves it."},
		{"merged by another than the reviewer", []Review{review("dana", Approved, -30)}, Pull{State: Merged, HeadSHA: head, MergedBy: "sam"}, 1, -20, StateMerged, []string{"dana", "sam"}, ""},
		{"merged by the reviewer", []Review{review("sam", Approved, -30)}, Pull{State: Merged, HeadSHA: head, MergedBy: "Sam"}, 1, -20, StateMerged, []string{"sam"}, ""},
		{"merged by us", []Review{review("sam", Approved, -30)}, Pull{State: Merged, HeadSHA: head, MergedBy: "cortexops-bot"}, 1, -20, StateMerged, []string{"sam"}, "We merged it, approved by sam."},
		{"merged after the deadline", nil, Pull{State: Merged, HeadSHA: head, MergedBy: "sam"}, 1, 60, StateMerged, []string{"sam"}, ""},
		{"merged at a moved head", nil, Pull{State: Merged, HeadSHA: other, MergedBy: "sam"}, 1, -20, StateMerged, []string{"sam"}, "Its head was 222222222222 then, and 111111111111 was proposed."},
		{"merged by nobody known", nil, Pull{State: Merged, HeadSHA: head}, 1, -20, StateMerged, nil, "does not say by whom"},

		{"closed by a person", []Review{review("sam", Approved, -30)}, Pull{State: Closed, HeadSHA: head, ClosedBy: "dana", ClosedAt: deadline.Add(-time.Second)}, 1, 5, StateRejected, []string{"dana"}, "dana closed it, which rejects it."},
		{"closed by nobody known", nil, Pull{State: Closed, HeadSHA: head}, 1, -5, StateRejected, nil, "does not say by whom"},
		{"closed after it expired", nil, Pull{State: Closed, HeadSHA: head, ClosedBy: "dana", ClosedAt: deadline.Add(time.Second)}, 1, 5, StateExpired, nil, "closed after 10:59:00 UTC"},
		{"closed late, but approved in time", []Review{review("sam", Approved, -30)}, Pull{State: Closed, HeadSHA: head, ClosedBy: "dana", ClosedAt: deadline.Add(time.Second)}, 1, 5, StateRejected, []string{"dana"}, ""},
		{"closed by us at its end", nil, Pull{State: Closed, HeadSHA: head, ClosedBy: "cortexops-bot"}, 1, 5, StateExpired, nil, ""},
		{"closed by us before", nil, Pull{State: Closed, HeadSHA: head, ClosedBy: "cortexops-bot", ClosedAt: deadline.Add(-time.Minute)}, 1, -5, StateRejected, nil, "closed by us"},
		{"closed and moved", nil, Pull{State: Closed, HeadSHA: other, ClosedBy: "dana"}, 1, -5, StateRejected, []string{"dana"}, ""},

		{"state that is none", []Review{review("sam", Approved, -30)}, Pull{State: "draft", HeadSHA: head}, 1, -5, StatePending, []string{"sam"}, `"draft"`},
		{"state that is none, past the deadline", nil, Pull{State: "draft", HeadSHA: head}, 1, 5, StateExpired, nil, `"draft"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := In{Change: incident.Change{HeadSHA: head}, Bot: "cortexops-bot", Reviews: c.reviews, Pull: c.pull,
				Needed: c.needed, Deadline: deadline, Now: deadline.Add(time.Duration(c.now) * time.Second)}
			got := Judge(in)
			if got.State != c.state || !slices.Equal(got.By, c.by) || !strings.Contains(got.Why, c.why) {
				t.Errorf("got %+v", got)
			}
			if !strings.HasSuffix(got.Why, ".") {
				t.Errorf("no sentence: %q", got.Why)
			}
			for range 5 { // the forge's order does not matter, where the times differ
				shuffled := slices.Clone(c.reviews)
				rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				in.Reviews = shuffled
				if again := Judge(in); !reflect.DeepEqual(again, got) {
					t.Errorf("in another order: %+v, was %+v", again, got)
				}
			}
		})
	}
}

// A change without a head was never proposed: nothing approves it.
func TestJudgeWithoutHead(t *testing.T) {
	t.Parallel()
	out := Judge(In{Reviews: []Review{{User: "sam", State: Approved, SubmittedAt: deadline}}, Pull: Pull{State: Open}, Needed: 1, Deadline: deadline, Now: deadline})
	if out.State != StateVoided {
		t.Errorf("%+v", out)
	}
}

// Who is not among the approvers does not approve; whoever objects objects.
func TestJudgeCountsOnlyTheApprovers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reviews []Review
		state   State
		why     string
	}{
		"one of them":         {[]Review{review("SAM", Approved, -30)}, StateApproved, "SAM approved"},
		"another":             {[]Review{review("eve", Approved, -30)}, StatePending, "0 of 1 approvals are there; eve approved too, and policy counts only dana and sam; it stays"},
		"another objects":     {[]Review{review("sam", Approved, -30), review("eve", ChangesRequested, -20)}, StatePending, "eve asked for changes"},
		"both":                {[]Review{review("sam", Approved, -30), review("eve", Approved, -20)}, StateApproved, "sam approved"},
		"another, and nobody": {[]Review{review("eve", Approved, -30), review("dana", Commented, -20)}, StatePending, "policy counts only"},
	} {
		got := Judge(In{Change: incident.Change{HeadSHA: head}, Reviews: c.reviews, Pull: Pull{State: Open, HeadSHA: head}, Needed: 1,
			Among: []string{"dana", "sam"}, Deadline: deadline, Now: deadline.Add(-time.Second)})
		if got.State != c.state || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
