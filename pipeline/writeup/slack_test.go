package writeup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var slackDeadline = time.Date(2026, 1, 2, 10, 59, 0, 0, time.UTC)

func slackChange(p incident.Proposal) incident.Change {
	return incident.Change{Repository: "acme/shop", Number: 7, Branch: p.Key.Branch(), HeadSHA: strings.Repeat("b", 40), URL: "https://github.com/acme/shop/pull/7"}
}

func indented(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return out.String() + "\n"
}

// decoded holds the blocks against slack-go's types and Slack's limits: nothing may be lost on the way through, which
// would be a field that Slack does not know.
func decoded(t *testing.T, text string, b []byte) []slack.Block {
	t.Helper()
	var blocks slack.Blocks
	if err := json.Unmarshal(b, &blocks); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	again, err := json.Marshal(blocks)
	if err != nil {
		t.Fatal(err)
	}
	var sent, kept any
	if err := json.Unmarshal(b, &sent); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &kept); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(pruned(sent), pruned(kept)) {
		t.Errorf("sent %s\nslack-go keeps %s", b, again)
	}
	within(t, "text", text, 1, 4000)
	if len(blocks.BlockSet) > 50 {
		t.Errorf("%d blocks", len(blocks.BlockSet))
	}
	seen := map[string]bool{}
	for _, block := range blocks.BlockSet {
		if id := block.ID(); id != "" && seen[id] {
			t.Errorf("two blocks are called %s", id)
		} else {
			seen[id] = true
		}
		limits(t, block)
	}
	return blocks.BlockSet
}

// pruned is without what says the same as its absence.
func pruned(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if e == false {
				delete(x, k)
			} else {
				x[k] = pruned(e)
			}
		}
	case []any:
		for i := range x {
			x[i] = pruned(x[i])
		}
	}
	return v
}

func within(t *testing.T, what, s string, least, most int) {
	t.Helper()
	if len(s) < least || len(s) > most {
		t.Errorf("%s has %d bytes, want %d to %d: %s", what, len(s), least, most, s)
	}
}

func limits(t *testing.T, block slack.Block) {
	t.Helper()
	switch b := block.(type) {
	case *slack.HeaderBlock:
		within(t, "header", b.Text.Text, 1, 150)
	case *slack.SectionBlock:
		within(t, "section", b.Text.Text, 1, 3000)
		if b.Text.Type != slack.MarkdownType || !b.Text.Verbatim {
			t.Errorf("Slack would make links of %+v", b.Text)
		}
	case *slack.ContextBlock:
		for _, e := range b.ContextElements.Elements {
			within(t, "context", e.(*slack.TextBlockObject).Text, 1, 3000)
		}
	case *slack.InputBlock:
		within(t, "label", b.Label.Text, 1, 2000)
		element := b.Element.(*slack.PlainTextInputBlockElement)
		within(t, "placeholder", element.Placeholder.Text, 1, 150)
		if b.DispatchAction || element.MaxLength != 500 || b.BlockID != "cortexops_reason" || element.ActionID != "cortexops_reason" {
			t.Errorf("the input is %+v with %+v", b, element)
		}
	case *slack.ActionBlock:
		for _, e := range b.Elements.ElementSet {
			button := e.(*slack.ButtonBlockElement)
			within(t, "button", button.Text.Text, 1, 75)
			within(t, "value", button.Value, 0, 2000)
			within(t, "URL", button.URL, 0, 3000)
			if c := button.Confirm; c != nil {
				within(t, "confirm title", c.Title.Text, 1, 100)
				within(t, "confirm text", c.Text.Text, 1, 300)
				within(t, "confirm", c.Confirm.Text, 1, 30)
				within(t, "deny", c.Deny.Text, 1, 30)
			}
		}
	default:
		t.Errorf("an unexpected %T", block)
	}
}

func TestSlack(t *testing.T) {
	t.Parallel()
	p := proposal()
	p.Playbook.Risk = "high"
	text, blocks := Writer{}.Slack(p, slackChange(p), 2, slackDeadline)
	golden(t, "slack.json", text+"\n"+indented(t, blocks))
	list := decoded(t, text, blocks)
	actions := list[len(list)-1].(*slack.ActionBlock)
	approve, reject := actions.Elements.ElementSet[0].(*slack.ButtonBlockElement), actions.Elements.ElementSet[1].(*slack.ButtonBlockElement)
	want := `{"incident":"7f3a19c0ffee","attempt":1,"head":"` + strings.Repeat("b", 40) + `","number":7}`
	if approve.ActionID != "cortexops_approve" || approve.Value != want || approve.Style != slack.StylePrimary || approve.Confirm == nil {
		t.Errorf("the button is %+v", approve)
	}
	if reject.ActionID != "cortexops_reject" || reject.Value != want || reject.Confirm != nil {
		t.Errorf("the button is %+v", reject)
	}
	if open := actions.Elements.ElementSet[2].(*slack.ButtonBlockElement); open.URL != "https://github.com/acme/shop/pull/7" {
		t.Errorf("the button is %+v", open)
	}
	if !strings.Contains(string(blocks), fmt.Sprintf("<!date^%d^", slackDeadline.Unix())) {
		t.Error("no deadline in the reader's time")
	}
}

func TestSlackEnd(t *testing.T) {
	t.Parallel()
	p := proposal()
	var all strings.Builder
	for _, o := range []incident.Outcome{
		{Phase: incident.Merging, Reason: "sam approved bbbbbbbbbbbb on Slack."}, {Phase: incident.Succeeded}, {Phase: incident.RolledBack, Reason: "verification: fail"},
		{Phase: incident.Escalated}, {Phase: incident.Expired}, {Phase: incident.Rejected, Reason: "sam: not in the *sale*"}, {Phase: incident.Denied},
		{Phase: incident.Superseded}, {Phase: incident.Failed}, {Phase: "STRANGE"},
	} {
		text, blocks := Writer{}.SlackEnd(p, slackChange(p), o)
		for _, b := range decoded(t, text, blocks) {
			if b.BlockType() == slack.MBTAction || b.BlockType() == slack.MBTInput {
				t.Errorf("%s can still be clicked", o.Phase)
			}
		}
		fmt.Fprintf(&all, "%s\n", text)
		if o.Phase == incident.Rejected {
			golden(t, "slack_end.json", text+"\n"+indented(t, blocks))
		}
	}
	golden(t, "slack_end.txt", all.String())
}

func TestSlackCalls(t *testing.T) {
	t.Parallel()
	p := proposal()
	text, blocks := Writer{}.SlackHeld(p.Key, p.Incident.Root.String(), incident.DryRunning, "add to the Role of the worker:\n- apiGroups: [apps]\n  resources: [deployments]\n  verbs: [patch]\n")
	decoded(t, text, blocks)
	end, ended := Writer{}.SlackEnded(p.Key, p.Incident.Root.String(), incident.Change{}, incident.Outcome{Phase: incident.Advised, Reason: "no playbook fits"}, p.Suspects)
	decoded(t, end, ended)
	golden(t, "slack_calls.txt", text+"\n"+indented(t, blocks)+end+"\n"+indented(t, ended))
}

// TestARivalIsLinked wherever an ending is told.
func TestARivalIsLinked(t *testing.T) {
	t.Parallel()
	p, o := proposal(), incident.Outcome{Phase: incident.Superseded, Reason: "it goes first", Rival: incident.Rival{Number: 12, URL: "https://github.com/acme/shop/pull/12"}}
	_, blocks := Writer{}.SlackEnd(p, slackChange(p), o)
	_, none := Writer{}.SlackEnded(p.Key, "t", incident.Change{}, o, nil)
	for _, said := range []string{string(blocks), string(none)} {
		if !strings.Contains(said, "<https://github.com/acme/shop/pull/12|Pull request #12>") {
			t.Error(said)
		}
	}
	if said := (Writer{}).Ending(p, o); !strings.Contains(said, "it goes first (#12)\n") {
		t.Error(said)
	}
}

// TestSlackUntrustedText puts hostile and long words wherever telemetry, a person or the forge can.
func TestSlackUntrustedText(t *testing.T) {
	t.Parallel()
	evil := "x\n<!channel> <@U1> <https://evil.example|Approve> @channel #ops https://evil.example *bold* `code` ~no~ ` :skull: & \u202eevorppA"
	for name, s := range map[string]string{
		"hostile": evil, "long": strings.Repeat("ä", 20000), "long and hostile": strings.Repeat(evil, 500), "entities": strings.Repeat("&", 9000), "empty": "",
	} {
		p := proposal()
		p.Advisory.Cause, p.Playbook.Name, p.Playbook.Risk, p.Incident.Root.Name = s, s, s, s
		p.Incident.Blast.Services = []string{s, s, s, s, s, s, s, s, s, s, s, s}
		e := p.Edits[0]
		e.From, e.To, e.File, e.Resource.Name, e.Field = s, s, s, s, "a."+s
		p.Edits = []incident.Edit{e, e, e, e, e, e, e}
		c := slackChange(p)
		for _, link := range []string{c.URL, "https://x/?a=1&b=>|<!channel>", "javascript:alert(1)", "javascript://x/%0aalert(1)", s, "https://x/" + strings.Repeat("y", 3000), ""} {
			c.URL = link
			text, blocks := Writer{}.Slack(p, c, 0, slackDeadline)
			decoded(t, text, blocks)
			end, ended := Writer{}.SlackEnd(p, c, incident.Outcome{Phase: incident.Rejected, Reason: s, Rival: incident.Rival{Number: c.Number, URL: c.URL}})
			decoded(t, end, ended)
			call, called := Writer{}.SlackEnded(p.Key, s, c, incident.Outcome{Phase: incident.Advised, Reason: s}, p.Suspects)
			decoded(t, call, called)
			held, hold := Writer{}.SlackHeld(p.Key, s, incident.DryRunning, s)
			decoded(t, held, hold)
			parts := []string{text, end, call, held}
			for _, b := range [][]byte{blocks, ended, called, hold} {
				parts = append(parts, marked(t, b)...)
			}
			for _, part := range parts {
				harmless(t, name, part)
			}
			if strings.Contains(string(blocks)+string(ended), "javascript:") {
				t.Errorf("%s: a link to %s", name, link)
			}
		}
	}
}

// marked are all texts that Slack reads as mrkdwn.
func marked(t *testing.T, blocks []byte) (list []string) {
	t.Helper()
	var all any
	if err := json.Unmarshal(blocks, &all); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			if x["type"] == "mrkdwn" {
				list = append(list, x["text"].(string))
			}
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(all)
	return list
}

var (
	ours  = regexp.MustCompile(`<!date\^[0-9]+\^[^<>|]*\|[^<>|]*>|<https?://[^<>| ]*\|Pull request #7>`)
	spans = regexp.MustCompile("```[^`]*```|`[^`\n]*`")
)

func harmless(t *testing.T, name, part string) {
	t.Helper()
	if rest := ours.ReplaceAllString(part, ""); strings.ContainsAny(rest, "<>\u202e") {
		t.Errorf("%s: Slack reads what is not ours in %.3000s", name, rest)
	}
	outside := spans.ReplaceAllString(part, "")
	for _, bad := range []string{"@channel", "#ops", "://evil", "*bold", "`", "~no", ":skull:"} {
		if strings.Contains(outside, bad) {
			t.Errorf("%s: %q is live in %.3000s", name, bad, outside)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		s    string
		n    int
		want string
	}{
		"fits": {"abcdef", 6, "abcdef"}, "one too many": {"abcdefg", 6, "abc…"}, "an entity fits": {"ab<", 6, "ab&lt;"},
		"an entity is whole": {"abc<d", 7, "abc…"}, "a rune is whole": {"aää", 4, "a…"}, "lines": {"a\nb", 3, "a b"}, "nothing": {"", 6, ""},
	} {
		if got := fit(tc.s, tc.n, entity); got != tc.want || len(got) > tc.n {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestSlackRefused(t *testing.T) {
	t.Parallel()
	got := Writer{}.SlackRefused(7, "<!channel> & *eve* `x`")
	if want := "Your click on pull request 7 does not count. &lt;!channel&gt; &amp; ∗eve∗ ˋxˋ"; got != want {
		t.Errorf("got %s", got)
	}
}
