// Package approval judges whether people have approved a change, from the pull request as the forge tells it. It is
// pure: it asks nobody, writes nothing, and the same input has the same answer at any time that it is asked. An
// approval is bound to the head that was proposed, and counts by when it was given, not by when we got round to it.
package approval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// ReviewState as GitHub names it.
type ReviewState string

const (
	Approved         ReviewState = "APPROVED"
	ChangesRequested ReviewState = "CHANGES_REQUESTED"
	Dismissed        ReviewState = "DISMISSED"
	Commented        ReviewState = "COMMENTED" // says nothing for or against
)

// Review of the pull request.
type Review struct {
	User        string
	State       ReviewState
	CommitSHA   string // the head that was reviewed
	SubmittedAt time.Time
}

// PullState of the pull request.
type PullState string

const (
	Open   PullState = "open"
	Closed PullState = "closed" // without being merged
	Merged PullState = "merged"
)

// Pull is the pull request as it is now.
type Pull struct {
	State    PullState
	HeadSHA  string
	MergedBy string
	MergeSHA string
	ClosedBy string
	ClosedAt time.Time // when it was closed without being merged
}

// In is all that the judgement rests on.
type In struct {
	Change   incident.Change // as proposed: HeadSHA is what was shown
	Bot      string          // our own login, which approves nothing
	Reviews  []Review
	Pull     Pull
	Needed   int      // people; 0: nobody, as policy says
	Among    []string // who alone can approve; none: everybody
	Deadline time.Time
	Now      time.Time
}

// State of the approval.
type State string

const (
	StatePending  State = "pending"
	StateApproved State = "approved"
	StateRejected State = "rejected"
	StateExpired  State = "expired"
	StateMerged   State = "merged" // in the forge, by whomever: a fact, not a request
	StateVoided   State = "voided" // the head is not what was proposed any more
)

// Out is the judgement.
type Out struct {
	State State
	By    []string // who approved, or rejected; sorted, as the forge writes their logins
	Why   string   // one sentence
}

// Judge the change. What is merged is merged, whenever that was; what is closed is rejected; a moved head voids all
// that was said of the old one. Only then reviews are counted, and only then the deadline is looked at.
func Judge(in In) Out {
	tally := count(in)
	approved := len(tally.by) >= in.Needed && len(tally.against) == 0
	moved := in.Pull.HeadSHA != in.Change.HeadSHA || in.Change.HeadSHA == ""
	switch {
	case in.Pull.State == Merged:
		return merged(in, tally, moved)
	case in.Pull.State == Closed:
		return closed(in, approved)
	case moved:
		return Out{State: StateVoided, Why: fmt.Sprintf("The head is %s now, and %s was proposed: what was approved is not what would be merged.", short(in.Pull.HeadSHA), short(in.Change.HeadSHA))}
	case approved && in.Pull.State == Open && len(tally.by) == 0:
		return Out{State: StateApproved, Why: "Policy asks nobody."}
	case approved && in.Pull.State == Open:
		return Out{State: StateApproved, By: tally.by, Why: fmt.Sprintf("%s approved %s.", and(tally.by), short(in.Change.HeadSHA))}
	}
	return waiting(in, tally)
}

func merged(in In, t tally, moved bool) Out {
	out := Out{State: StateMerged, By: t.by}
	switch {
	case in.Pull.MergedBy == "":
		out.Why = "It is merged; the forge does not say by whom."
	case same(in.Pull.MergedBy, in.Bot):
		out.Why = fmt.Sprintf("We merged it, approved by %s.", and(t.by))
	default:
		out.Why = fmt.Sprintf("%s merged it, which approves it.", in.Pull.MergedBy)
		if !slices.ContainsFunc(out.By, func(u string) bool { return same(u, in.Pull.MergedBy) }) {
			out.By = append(slices.Clone(out.By), in.Pull.MergedBy)
			slices.Sort(out.By)
		}
	}
	if moved {
		out.Why += fmt.Sprintf(" Its head was %s then, and %s was proposed.", short(in.Pull.HeadSHA), short(in.Change.HeadSHA))
	}
	return out
}

// closed is rejected, unless nobody was left to reject: it had expired before, or it was we who closed it at its end.
func closed(in In, approved bool) Out {
	late := !in.Pull.ClosedAt.IsZero() && in.Pull.ClosedAt.After(in.Deadline) ||
		in.Pull.ClosedAt.IsZero() && in.Now.After(in.Deadline) && same(in.Pull.ClosedBy, in.Bot)
	switch {
	case late && !approved:
		return Out{State: StateExpired, Why: fmt.Sprintf("It was closed after %s, and was not approved by then.", clock(in.Deadline))}
	case in.Pull.ClosedBy == "":
		return Out{State: StateRejected, Why: "It was closed; the forge does not say by whom."}
	case same(in.Pull.ClosedBy, in.Bot):
		return Out{State: StateRejected, Why: "It was closed by us before its end."}
	}
	return Out{State: StateRejected, By: []string{in.Pull.ClosedBy}, Why: fmt.Sprintf("%s closed it, which rejects it.", in.Pull.ClosedBy)}
}

func waiting(in In, t tally) Out {
	out := Out{State: StatePending, By: t.by}
	switch {
	case in.Pull.State != Open:
		out.Why = fmt.Sprintf("The forge says that the pull request is %q, which is neither open, closed nor merged", in.Pull.State)
	case len(t.against) > 0:
		out.Why = fmt.Sprintf("%s asked for changes", and(t.against))
	case len(t.by) == 0:
		out.Why = fmt.Sprintf("%d of %d approvals are there", 0, in.Needed)
	default:
		out.Why = fmt.Sprintf("%d of %d approvals are there, by %s", len(t.by), in.Needed, and(t.by))
	}
	if len(t.others) > 0 {
		out.Why += fmt.Sprintf("; %s approved too, and policy counts only %s", and(t.others), and(in.Among))
	}
	if in.Now.After(in.Deadline) {
		out.State = StateExpired
		out.Why += fmt.Sprintf(", and it was open until %s.", clock(in.Deadline))
		return out
	}
	out.Why += fmt.Sprintf("; it stays open until %s.", clock(in.Deadline))
	return out
}

type tally struct {
	by      []string // approve the proposed head, and did so in time
	others  []string // did so too, and policy does not count them
	against []string // want something else
}

// count takes each person's latest word. An approval counts if it is of the proposed head, was given by the deadline and stands
// since; an objection counts whenever it was made and of whatever head, until who made it approves or it is dismissed, since
// nothing is merged against somebody's word.
func count(in In) tally {
	reviews := slices.Clone(in.Reviews)
	slices.SortStableFunc(reviews, func(a, b Review) int { return a.SubmittedAt.Compare(b.SubmittedAt) })
	type word struct {
		user  string
		state ReviewState
		since time.Time // of an unbroken row of the same state
	}
	latest := map[string]word{}
	for _, r := range reviews {
		if r.User == "" || same(r.User, in.Bot) {
			continue
		}
		if r.State == Approved && (r.CommitSHA != in.Change.HeadSHA || r.CommitSHA != in.Pull.HeadSHA) {
			r.State = Dismissed // of another commit: it takes an objection back, and approves nothing here
		}
		if r.State != Approved && r.State != ChangesRequested && r.State != Dismissed {
			continue
		}
		key := strings.ToLower(r.User)
		if before, ok := latest[key]; ok && before.state == r.State {
			continue
		}
		latest[key] = word{r.User, r.State, r.SubmittedAt}
	}
	var t tally
	for _, w := range latest {
		switch {
		case w.state == Approved && !w.since.After(in.Deadline):
			if len(in.Among) > 0 && !slices.ContainsFunc(in.Among, func(u string) bool { return same(u, w.user) }) {
				t.others = append(t.others, w.user)
				continue
			}
			t.by = append(t.by, w.user)
		case w.state == ChangesRequested:
			t.against = append(t.against, w.user)
		}
	}
	slices.Sort(t.by)
	slices.Sort(t.others)
	slices.Sort(t.against)
	return t
}

// same compares logins as forges do.
func same(a, b string) bool { return strings.EqualFold(a, b) }

func and(users []string) string {
	switch n := len(users); n {
	case 0:
		return "nobody"
	case 1:
		return users[0]
	default:
		return strings.Join(users[:n-1], ", ") + " and " + users[n-1]
	}
}

func short(sha string) string { return cmp.Or(sha[:min(len(sha), 12)], "nothing") }

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
