package writeup

import (
	"fmt"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Held is the comment of a remediation that waits for a permission.
func (Writer) Held(key incident.Key, phase incident.Phase, why string) string {
	return fmt.Sprintf("### `%s` waits for a permission\n\n%s\nThen comment `/cortexops retry`, or run `%s`. Nothing was applied halfway; "+
		"after 24 hours this ends.\n", phase, block("yaml", cut(why, maxWhy, "\n… cut here: the whole is in the ledger, cortexops ledger show "+key.Incident)), key.Retry())
}

// Abandoned is the comment on a pull request that no workflow looks after.
func (Writer) Abandoned(key incident.Key, why string) string {
	return fmt.Sprintf("### `%s`\n\nClosed, since nobody looks after it any more: %s.\n\n<sub>workflow <code>%s</code></sub>\n", incident.Failed, reason(why), html(key.Workflow()))
}

// Silence is the question of a verification that saw no data.
func (Writer) Silence(p incident.Proposal, v incident.Verdict, deadline time.Time) string {
	var b strings.Builder
	title, rule := "The metrics say nothing", "Nothing is reverted on silence."
	if v.Reason == incident.Confounded {
		title, rule = "Somebody else rolled out, too", "What the metrics say may be about that as well as about this change, so that nothing is reverted by it."
	}
	fmt.Fprintf(&b, "%s Please look, and comment one of these until **%s**:\n\n", rule, deadline.UTC().Format("15:04 MST"))
	b.WriteString("- `/cortexops keep`: it is fine as it is\n")
	if p.Playbook.Rollback == "revert" {
		b.WriteString("- `/cortexops revert`: undo it\n")
	}
	fmt.Fprintf(&b, "- `/cortexops wait`: watch once more for %s\n\nWithout an answer it stays as it is, and is escalated.\n\n%s", span(p.Playbook.Window), footer(p))
	return together(maxPage, fmt.Sprintf("### %s\n\n", title), []string{verdictTable(v) + "\n"}, b.String())
}

// Braked is the comment on an approved change that waits; why is empty where it goes on.
func (Writer) Braked(phase incident.Phase, why string) string {
	if why == "" {
		return fmt.Sprintf("### `%s` goes on\n\nNothing holds it back any more.\n", phase)
	}
	return fmt.Sprintf("### `%s` waits\n\n%s. It goes on by itself when that is over; after 30 minutes its evidence would be too old, and this ends.\n",
		phase, reason(why))
}

// Evidence is the comment on what became known since a pull request was opened: the newest revision of its own incident, and
// of those that joined it.
func (Writer) Evidence(key incident.Key, list []incident.Incident) string {
	var b strings.Builder
	b.WriteString("### Since this was opened\n\n| incident | about | alerts | signals | since | state |\n|---|---|---|---|---|---|\n")
	for _, inc := range list {
		about, state := inc.Root.String(), "firing"
		if inc.State == incident.Healed {
			state = "quiet since " + inc.HealedAt.UTC().Format("15:04:05 MST")
		}
		id := code(inc.ID)
		if inc.ID != key.Incident {
			id += " joined this one"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %s | %s |\n", id, cell(about), codes(briefs(inc.Alerts()[:min(5, len(inc.Alerts()))])), len(inc.Signals)+inc.Folded, inc.Onset.UTC().Format("15:04:05 MST"), state)
	}
	return together(maxPage, b.String(), nil, "\nWhere that leads to another change, this pull request gets it, and a comment says so; else the change is as it was.\n")
}

// Paused is the comment on an open pull request while nothing is merged; why is empty where that is over.
func (Writer) Paused(why string) string {
	if why == "" {
		return "### Not paused any more\n\nWhat is approved is merged and applied.\n"
	}
	return fmt.Sprintf("### Paused\n\n%s. An approval is kept, and nothing is merged or applied before `cortexops resume`.\n", reason(why))
}
