package approval

import (
	"fmt"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Refuse says to whoever clicked in the chat, and may push, why that click does not count, in sentences; "" where it counts. It
// goes by the same input as Judge: whether there are enough people is another question.
func Refuse(click incident.Action, in In) string {
	approves := click.Kind == incident.Approve
	switch {
	case in.Pull.State == Merged && approves:
		return ""
	case in.Pull.State == Merged:
		return "It is merged already, and a click does not take that back."
	case click.Number != in.Change.Number || click.HeadSHA != in.Change.HeadSHA:
		return fmt.Sprintf("You saw commit %s, and %s is asked for now: look at that, and click again.", short(click.HeadSHA), short(in.Change.HeadSHA))
	case in.Pull.HeadSHA != in.Change.HeadSHA:
		return fmt.Sprintf("You saw commit %s, and somebody has pushed %s since: that is not what would be merged.", short(click.HeadSHA), short(in.Pull.HeadSHA))
	case click.AcceptedAt.After(in.Deadline):
		return fmt.Sprintf("It was open until %s, and your click came at %s. The comment /cortexops retry on the pull request proposes it anew.", clock(in.Deadline), clock(click.AcceptedAt))
	case in.Pull.State == Closed && click.AcceptedAt.Truncate(time.Second).After(in.Pull.ClosedAt): // which the forge tells to the second
		return "The pull request was closed before. The comment /cortexops retry on it proposes it anew."
	case approves && same(click.Actor, in.Bot):
		return fmt.Sprintf("%s is the login of CortexOps itself, which approves nothing.", click.Actor)
	case approves && len(in.Among) > 0 && !slices.ContainsFunc(in.Among, func(u string) bool { return same(u, click.Actor) }):
		return fmt.Sprintf("Policy counts only the approvals of %s here.", and(in.Among))
	}
	return ""
}
