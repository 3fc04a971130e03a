package writeup

import (
	"fmt"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// mostMembers of an incident that an explanation lists.
const mostMembers = 20

// Revised is the comment on a pull request that has another commit now.
func (Writer) Revised(p incident.Proposal, c incident.Change, why string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### This asks for something else now\n\nSince %s. What was approved before is void: please look again.\n\n", reason(why))
	for _, e := range p.Edits {
		object, field := place(e)
		fmt.Fprintf(&b, "- %s %s: %s → **%s**\n", object, code(brief(field)), code(brief(was(e))), code(brief(is(e))))
	}
	return together(maxPage, b.String(), nil, fmt.Sprintf("\nTo approve it by a comment, name the commit: `/cortexops approve %s`\n", clip(c.HeadSHA)))
}

// Followed is the comment on a pull request that was opened again after its end. none says why no attempt takes its place.
func (Writer) Followed(next incident.Key, none string) string {
	if none != "" {
		return fmt.Sprintf("### Not planned anew\n\n%s. This one is closed.\n", reason(none))
	}
	return fmt.Sprintf("### Planned anew\n\nWhat this was approved or refused by is out of date: %s plans it anew, and asks in a pull request of its own where there is still something to do. This one is closed.\n", code(next.Workflow()))
}

// Refused answers a command that is not followed.
func (Writer) Refused(who, why string) string {
	return fmt.Sprintf("%s, this is not done: %s. The change is as it was.\n", code(brief(who)), reason(why))
}

// Explained is the long answer to why this change and no other.
func (Writer) Explained(p incident.Proposal, c incident.Change) string {
	var b strings.Builder
	inc := p.Incident
	fmt.Fprintf(&b, "### Why this change\n\n**The incident** %s began %s and is about %s", code(inc.ID), inc.Onset.UTC().Format("15:04:05 MST"), code(inc.Root.String()))
	b.WriteString(".\n\n")
	for _, m := range inc.Members[:min(mostMembers, len(inc.Members))] {
		fmt.Fprintf(&b, "- %s, %d %s, score %.2f", code(m.Resource.String()), m.Signals, plural(m.Signals, "signal", "signals"), m.Score)
		for _, t := range m.Terms {
			fmt.Fprintf(&b, "; %+.2f %s", t.Weight, text(t.Why))
		}
		b.WriteString("\n")
	}
	if more := len(inc.Members) + inc.Unlisted - mostMembers; more > 0 {
		fmt.Fprintf(&b, "- and %d more\n", more)
	}
	fmt.Fprintf(&b, "\n**The playbook** %s (%s, risk %s) fits it: %s\n", code(p.Playbook.Name), code(clip(p.Playbook.Digest)), text(p.Playbook.Risk), text(p.Explain))
	for _, e := range p.Edits {
		object, field := place(e)
		fmt.Fprintf(&b, "\n**%s %s** goes from %s to %s in %s, because:\n\n", object, code(brief(field)), code(brief(was(e))), code(brief(is(e))), code(brief(fmt.Sprintf("%s:%d", e.File, e.Line))))
		for _, w := range e.Why {
			fmt.Fprintf(&b, "1. %s\n", reason(w))
		}
	}
	if len(p.Parameters) > 0 {
		b.WriteString("\n" + choices(p))
	}
	return together(maxPage, b.String(), nil, fmt.Sprintf("\nThe whole story: `cortexops ledger show %s`; commit %s on %s.\n", p.Key.Incident, code(clip(c.HeadSHA)), code(c.Branch)))
}

// choices are what people may choose otherwise.
func choices(p incident.Proposal) string {
	var b strings.Builder
	b.WriteString("You may choose yourself, and are asked again with it:")
	for _, parameter := range p.Parameters {
		fmt.Fprintf(&b, " %s", code("/cortexops approve "+parameter.Name+"=…"))
		if bounds := strings.TrimPrefix(parameter.String(), parameter.Name); bounds != "" {
			fmt.Fprintf(&b, " (%s)", text(strings.TrimSpace(bounds)))
		}
	}
	return b.String() + ".\n"
}
