package writeup

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Slack's limits, which it counts in characters. Bytes are never fewer, so that ours hold however it counts.
const (
	slackHeader  = 150
	slackSection = 3000
	slackConfirm = 300
	slackURL     = 3000
)

// kit is one object of Block Kit.
type kit = map[string]any

// Slack is the message that asks people for their approval: text for notifications, and Block Kit as JSON. people is how
// many must approve.
func (Writer) Slack(p incident.Proposal, c incident.Change, people int, deadline time.Time) (text string, blocks []byte) {
	list := append(slackTop(p),
		section("*Why*  "+slackText(cmp.Or(p.Advisory.Cause, "unknown"), slackSection/2)),
		section("*Hit*  "+slackBlast(p.Incident)),
	)
	if people == 0 {
		list = append(list, section("Policy asks nobody: it is merged and applied now. "+slackWayBack(p)), slackFooter(p))
		return "Changed without asking: " + slackText(sentence(p), slackHeader), encode(list)
	}
	list = append(list,
		section(fmt.Sprintf("*Until*  %s, or this closes itself. *%d %s* must approve; a push to the branch voids that. %s",
			slackDate(deadline), people, plural(people, "person", "people"), slackWayBack(p))),
		slackFooter(p),
		kit{"type": "input", "block_id": incident.SlackReason, "optional": true, "dispatch_action": false,
			"label": plain("Why not, if you reject"),
			"element": kit{"type": "plain_text_input", "action_id": incident.SlackReason, "max_length": incident.MaxReason,
				"placeholder": plain("What should be done instead?")}},
		kit{"type": "actions", "block_id": "cortexops_decision", "elements": buttons(p, c, people)},
	)
	return "Approval needed: " + slackText(sentence(p), slackHeader), encode(list)
}

// SlackEnd is what that message becomes when nothing can be clicked any more. The phase is an ending, or Merging once it
// is approved.
func (Writer) SlackEnd(p incident.Proposal, c incident.Change, o incident.Outcome) (text string, blocks []byte) {
	said, body := ended(c, o)
	return slackText(sentence(p), slackHeader) + ": " + said, encode(append(slackTop(p), section(body), slackFooter(p)))
}

// SlackEnded is the message about an ending of which there is none to change: no pull request was opened, or Slack did not
// hear of it.
func (Writer) SlackEnded(key incident.Key, target string, c incident.Change, o incident.Outcome, suspects []incident.Suspect) (text string, blocks []byte) {
	said, body := ended(c, o)
	return slackCall(key, target, said, body, slackSuspects(suspects))
}

// SlackLapsed is the message about a fix that was made for a time, and what was there before could not be restored.
func (Writer) SlackLapsed(key incident.Key, target string, c incident.Change, why string) (text string, blocks []byte) {
	const said = "The time of its fix is over, and what was there before is not restored: a person is needed"
	return slackCall(key, target, said, fmt.Sprintf(":rotating_light:  *%s.*\n%s%s", said, slackText(why, slackSection/2), slackPull(c.URL, c.Number)))
}

// SlackHeld is the message about a remediation that waits for a permission.
func (Writer) SlackHeld(key incident.Key, target string, phase incident.Phase, why string) (text string, blocks []byte) {
	var lines []string
	for l := range strings.Lines(strings.TrimSpace(why)) { // of a rule in YAML
		lines = append(lines, fit(strings.TrimRight(l, "\n"), 300, inCode))
	}
	for len(strings.Join(lines, "\n")) > slackSection/2 {
		lines = append(lines[:len(lines)-2], "…")
	}
	said := fmt.Sprintf("%s waits for a permission", phase)
	return slackCall(key, target, said, fmt.Sprintf(":lock:  *%s*\n```\n%s\n```\nThen say `%s`. Nothing was applied halfway; after 24 hours this ends.",
		said, strings.Join(lines, "\n"), key.Retry()))
}

// SlackNote is what one person is told, as text.
func (Writer) SlackNote(s string) string { return slackText(s, slackSection) }

// SlackRefused is what whoever clicked is told of a click that does not count.
func (w Writer) SlackRefused(number int, why string) string {
	return w.SlackNote(fmt.Sprintf("Your click on pull request %d does not count. %s", number, why))
}

// slackCall has a section for each body that is not empty.
func slackCall(key incident.Key, target, said string, bodies ...string) (text string, blocks []byte) {
	list := []kit{{"type": "header", "text": plain(cmp.Or(fit(target, slackHeader, entity), "An incident"))}}
	for _, body := range bodies {
		if body != "" {
			list = append(list, section(body))
		}
	}
	list = append(list, kit{"type": "context", "elements": []kit{mrkdwn(fmt.Sprintf("incident %s · workflow %s", slackCode(key.Incident, 40), slackCode(key.Workflow(), 60)))}})
	return slackText(target, slackHeader) + ": " + said, encode(list)
}

// ended is an ending in a sentence, and that with its reason and the link.
func ended(c incident.Change, o incident.Outcome) (said, body string) {
	words, ok := map[incident.Phase][2]string{
		incident.Merging:    {"thumbsup", "Approved: it is being merged, applied and verified."},
		incident.Succeeded:  {"white_check_mark", "It worked: the metrics are stable."},
		incident.RolledBack: {"leftwards_arrow_with_hook", "It did not help, and is rolled back. The incident is still open: a person is needed."},
		incident.Escalated:  {"rotating_light", "A person is needed."},
		incident.Advised:    {"bulb", "Nothing was proposed: a person is needed."},
		incident.Expired:    {"hourglass", "Too late: nobody approved in time. Nothing was applied. The comment /cortexops retry on it proposes it anew."},
		incident.Rejected:   {"no_entry_sign", "Rejected. Nothing was applied."},
		incident.Denied:     {"no_entry", "Policy refuses this. Nothing was applied."},
		incident.Superseded: {"fast_forward", "Not needed any more, or something else has taken its place. Nothing was applied."},
		incident.Failed:     {"x", "CortexOps could not go on."},
	}[o.Phase]
	if !ok {
		words = [2]string{"grey_question", "It ended: " + slackText(string(o.Phase), 40)}
	}
	body = fmt.Sprintf(":%s:  *%s*", words[0], words[1])
	if o.Reason != "" {
		body += "\n" + slackText(o.Reason, slackSection/2)
	}
	return words[1], body + slackPull(o.Rival.URL, o.Rival.Number) + slackPull(c.URL, c.Number)
}

// slackPull is a line with the link to a pull request, or nothing.
func slackPull(address string, number int) string {
	link, ok := webURL(address)
	// The signs by which the markup of a link would end.
	link = strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C", " ", "%20").Replace(link)
	if !ok || len(link) >= slackSection/5 {
		return ""
	}
	return fmt.Sprintf("\n<%s|Pull request #%d>", link, number)
}

// slackTop is what stays in every state of the message: the edit in one sentence, and its lines.
func slackTop(p incident.Proposal) []kit {
	const most = 5
	var lines []string
	for i, e := range p.Edits {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more in the pull request", len(p.Edits)-most))
			break
		}
		lines = append(lines, fmt.Sprintf("%s → %s  in %s", slackCode(was(e), 100), slackCode(is(e), 100), slackCode(fmt.Sprintf("%s:%d", e.File, e.Line), 200)))
	}
	header := plain(fit(sentence(p), slackHeader, entity))
	return []kit{{"type": "header", "text": header}, section("*Edit*  " + strings.Join(lines, "\n"))}
}

func sentence(p incident.Proposal) string {
	e := p.Edits[0]
	if r := p.Reverts; r != nil {
		return fmt.Sprintf("Revert %s, which changed %s: %s", r.Short(), short(e.Resource.String(), 60), short(r.Subject, 60))
	}
	all := fmt.Sprintf("Change the %s of %s from %s to %s", short(lastField(e.Field), 30), short(e.Resource.String(), 60), short(was(e), 20), short(is(e), 20))
	if more := len(p.Edits) - 1; more > 0 {
		all += fmt.Sprintf(", and %d more", more)
	}
	return all
}

func slackBlast(inc incident.Incident) string {
	const most = 10
	out := fmt.Sprintf("%d %s of %s", inc.Blast.Pods, plural(inc.Blast.Pods, "pod", "pods"), slackCode(inc.Root.String(), 200))
	for i, s := range inc.Blast.Services {
		switch i {
		case most:
			return out + fmt.Sprintf(" and %d more", len(inc.Blast.Services)-most)
		case 0:
			out += " behind "
		default:
			out += ", "
		}
		out += slackCode(s, 100)
	}
	return out
}

func slackWayBack(p incident.Proposal) string {
	if p.Playbook.Rollback != "revert" {
		return "*No way back by a revert*: taking this back does not undo what it does."
	}
	return "Who approves this also approves its clean revert."
}

func buttons(p incident.Proposal, c incident.Change, people int) []kit {
	value, _ := json.Marshal(incident.Button{Incident: p.Key.Incident, Attempt: p.Key.Attempt, HeadSHA: c.HeadSHA, Number: c.Number}) // strings and numbers: never fails
	sure := fmt.Sprintf("Pull request #%d is then merged and applied to %s.", c.Number, p.Edits[0].Resource)
	if people > 1 {
		sure = fmt.Sprintf("Pull request #%d is merged and applied to %s once %d people have approved it.", c.Number, p.Edits[0].Resource, people)
	}
	list := []kit{
		{"type": "button", "style": "primary", "action_id": incident.SlackApprove, "value": string(value), "text": plain("Approve"),
			"confirm": kit{"title": plain("Approve this change?"), "text": plain(fit(sure, slackConfirm, entity)),
				"confirm": plain("Approve"), "deny": plain("Not yet")}},
		{"type": "button", "style": "danger", "action_id": incident.SlackReject, "value": string(value), "text": plain("Reject")},
	}
	if link, ok := webURL(c.URL); ok {
		list = append(list, kit{"type": "button", "action_id": "cortexops_open", "url": link, "text": plain("Open the pull request")})
	}
	return list
}

func slackFooter(p incident.Proposal) kit {
	return kit{"type": "context", "elements": []kit{mrkdwn(fmt.Sprintf("%s risk · playbook %s · incident %s · workflow %s", slackText(p.Playbook.Risk, 20),
		slackCode(p.Playbook.Name, 100), slackCode(p.Key.Incident, 40), slackCode(p.Key.Workflow(), 60)))}}
}

// slackDate is a time that Slack shows in the reader's own time zone.
func slackDate(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} at {time}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04 UTC"))
}

func webURL(s string) (string, bool) {
	u, err := url.Parse(s)
	return s, err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && len(s) <= slackURL
}

func plain(s string) kit { return kit{"type": "plain_text", "text": s, "emoji": false} }

// mrkdwn is verbatim: Slack makes no links or mentions of what merely looks like one.
func mrkdwn(s string) kit { return kit{"type": "mrkdwn", "text": s, "verbatim": true} }

func section(s string) kit { return kit{"type": "section", "text": mrkdwn(s)} }

func encode(list []kit) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(list) // strings, numbers and truths: never fails
	return bytes.TrimSpace(b.Bytes())
}

// slackText is s as text in Slack's mrkdwn, at most n bytes: no mention, link, emoji, code or bold. There is no way to
// escape what marks those, so something that looks alike stands for it.
func slackText(s string, n int) string {
	return fit(s, n, func(r rune) string {
		switch r {
		case '*':
			return "∗"
		case '~':
			return "∼"
		case '`':
			return "ˋ"
		case '@', '#', ':': // as in text; a colon begins an emoji and is in every URL
			return string(r) + "\u2060"
		}
		return entity(r)
	})
}

// slackCode is s in a code span of mrkdwn, where only its end and what Slack itself marks by < means anything.
func slackCode(s string, n int) string {
	return "`" + cmp.Or(fit(s, n, inCode), " ") + "`"
}

func inCode(r rune) string {
	if r == '`' {
		return "ˋ"
	}
	return entity(r)
}

func entity(r rune) string {
	switch {
	case r == '&':
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>':
		return "&gt;"
	case unicode.Is(unicode.Cf, r): // unseen, and able to turn the direction of what follows
		return ""
	}
	return string(r)
}

// fit is s as one line, each rune replaced, in at most n bytes of whole pieces.
func fit(s string, n int, piece func(rune) string) string {
	const more = "…"
	var b strings.Builder
	whole := 0
	for _, r := range line(s) {
		p := piece(r)
		if b.Len()+len(p) > n {
			return b.String()[:whole] + more
		}
		if b.WriteString(p); b.Len() <= n-len(more) {
			whole = b.Len()
		}
	}
	return b.String()
}

func short(s string, n int) string { return fit(s, n, func(r rune) string { return string(r) }) }
