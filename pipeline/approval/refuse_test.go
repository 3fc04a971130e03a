package approval

import (
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	open := Pull{State: Open, HeadSHA: head}
	closed := Pull{State: Closed, HeadSHA: head, ClosedBy: "dana", ClosedAt: deadline.Add(-time.Minute)}
	merged := Pull{State: Merged, HeadSHA: head, MergedBy: "dana"}
	for name, c := range map[string]struct {
		kind  incident.ActionKind
		actor string
		head  string
		at    int // seconds from the deadline
		pull  Pull
		among []string
		says  string // "": it counts
	}{
		"approves":                            {incident.Approve, "sam", head, -30, open, nil, ""},
		"rejects":                             {incident.Reject, "sam", head, -30, open, nil, ""},
		"at the deadline":                     {incident.Approve, "sam", head, 0, open, nil, ""},
		"too late":                            {incident.Approve, "sam", head, 1, open, nil, "open until 10:59:00 UTC, and your click came at 10:59:01 UTC"},
		"rejects too late":                    {incident.Reject, "sam", head, 1, open, nil, "open until 10:59:00 UTC"},
		"another commit":                      {incident.Approve, "sam", other, -30, open, nil, "You saw commit 222222222222, and 111111111111 is asked for now"},
		"rejects another commit":              {incident.Reject, "sam", other, -30, open, nil, "is asked for now"},
		"pushed since":                        {incident.Approve, "sam", head, -30, Pull{State: Open, HeadSHA: other}, nil, "somebody has pushed 222222222222"},
		"among those who may":                 {incident.Approve, "Sam", head, -30, open, []string{"dana", "sam"}, ""},
		"not among those who may":             {incident.Approve, "eve", head, -30, open, []string{"dana", "sam"}, "only the approvals of dana and sam"},
		"who may not approve can reject":      {incident.Reject, "eve", head, -30, open, []string{"dana", "sam"}, ""},
		"CortexOps itself":                    {incident.Approve, "CortexOps-bot", head, -30, open, nil, "approves nothing"},
		"closed before":                       {incident.Approve, "sam", head, -30, closed, nil, "was closed before"},
		"closed after it":                     {incident.Approve, "sam", head, -90, closed, nil, ""},
		"approves what is merged":             {incident.Approve, "sam", head, -30, merged, nil, ""},
		"rejects what is merged":              {incident.Reject, "sam", head, -30, merged, nil, "merged already"},
		"approves an old commit of a merging": {incident.Approve, "sam", other, -30, merged, nil, ""},
	} {
		in := In{Change: incident.Change{HeadSHA: head, Number: 7}, Bot: "cortexops-bot", Pull: c.pull, Needed: 1, Among: c.among, Deadline: deadline, Now: deadline}
		click := incident.Action{Kind: c.kind, Actor: c.actor, Number: 7, HeadSHA: c.head, AcceptedAt: deadline.Add(time.Duration(c.at) * time.Second)}
		got := Refuse(click, in)
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
		in.Reviews = []Review{{User: click.Actor, State: Approved, CommitSHA: click.HeadSHA, SubmittedAt: click.AcceptedAt}}
		if counts := len(count(in).by) == 1; click.Kind == incident.Approve && c.pull.State == Open && counts != (got == "") {
			t.Errorf("%s: %q is said, and whether it counts is %v", name, got, counts)
		}
	}
}
