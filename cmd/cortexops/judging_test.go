package main

import (
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

// TestWhoIsToldThatAClickDoesNotCount is whoever clicked on Slack, and nobody else.
func TestWhoIsToldThatAClickDoesNotCount(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		among []string
		click incident.Action
		pull  forge.Pull
		says  string // "": nobody is told
	}{
		"counts":                      {nil, incident.Action{HeadSHA: "a"}, forge.Pull{HeadSHA: "a", BaseRef: "main"}, ""},
		"another commit":              {nil, incident.Action{HeadSHA: "b"}, forge.Pull{HeadSHA: "a", BaseRef: "main"}, "You saw commit b"},
		"too late":                    {nil, incident.Action{HeadSHA: "a", AcceptedAt: now.Add(2 * time.Minute)}, forge.Pull{HeadSHA: "a", BaseRef: "main"}, "It was open until"},
		"not among them":              {[]string{"dana"}, incident.Action{HeadSHA: "a"}, forge.Pull{HeadSHA: "a", BaseRef: "main"}, "only the approvals of dana"},
		"retargeted":                  {nil, incident.Action{HeadSHA: "a"}, forge.Pull{HeadSHA: "a", BaseRef: "staging"}, "retargeted to staging"},
		"a rejection is made with it": {[]string{"dana"}, incident.Action{HeadSHA: "a", Kind: incident.Reject}, forge.Pull{HeadSHA: "a", BaseRef: "main"}, ""},
	} {
		c.click.Actor, c.click.Number, c.click.Via, c.pull.State = "sam", 7, incident.ViaSlack, "open"
		if c.click.Kind == "" {
			c.click.Kind = incident.Approve
		}
		comment := c.click // is answered where it stands
		comment.Via = ""
		in := remediation.JudgeInput{Change: incident.Change{HeadSHA: "a", Base: "main", Number: 7}, People: 2, Among: c.among, Deadline: now.Add(time.Minute), Now: now,
			Clicks: []incident.Action{c.click, comment}}
		got := judging("bot")(in, c.pull, nil).Refused
		if (c.says == "") != (len(got) == 0) || len(got) > 1 || len(got) == 1 && (got[0].Click != c.click || !strings.Contains(got[0].Why, c.says)) {
			t.Errorf("%s: %+v, want %q", name, got, c.says)
		}
	}
}
