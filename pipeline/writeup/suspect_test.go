package writeup

import (
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func suspected() incident.Proposal {
	p := proposal()
	root := p.Edits[0].Resource
	s := incident.Suspect{SHA: strings.Repeat("d", 40), Subject: "checkout: ship 3.5.0", Author: "dana", Before: 12 * time.Minute, Paths: []string{"overlays/production/kustomization.yaml"},
		Resource: root, Fields: []incident.FieldChange{{Field: "spec.template.spec.containers[name=app].image", From: "shop/checkout:3.4.1", To: "shop/checkout:3.5.0"},
			{Field: "spec.paused", To: "true"}}}
	old := incident.Suspect{SHA: strings.Repeat("e", 40), Subject: "reorder", Author: "lee", Before: 50 * time.Hour, Distance: 1}
	p.Suspects = []incident.Suspect{s, old}
	p.Reverts = &p.Suspects[0]
	p.Edits = []incident.Edit{
		{Resource: root, Field: "spec.paused", From: "true", File: "overlays/production/checkout.yaml", Line: 4, Why: []string{"overlays/production renders it", "proof: 1 object changes"}},
		{Resource: root, Field: "spec.template.spec.containers[name=app].image", From: "shop/checkout:3.5.0", To: "shop/checkout:3.4.1",
			File: "overlays/production/checkout.yaml", Line: 4}}
	return p
}

// What a pull request that reverts says, and its commit.
func TestRevertOfASuspect(t *testing.T) {
	t.Parallel()
	p := suspected()
	title, body, _ := Writer{}.Pull(p, incident.DryRun{}, incident.Decision{Approvals: 1}, time.Date(2026, 1, 2, 10, 59, 0, 0, time.UTC))
	golden(t, "revert-suspect.md", title+"\n\n"+body+"\n---\n"+Writer{}.Commit(p))
	text, blocks := Writer{}.Slack(p, incident.Change{URL: "https://forge/1", Number: 1}, 1, time.Unix(0, 0))
	if want := "Revert dddddddddddd, which changed Deployment shop/checkout: checkout: ship 3.5.0"; !strings.Contains(text+string(blocks), want) {
		t.Errorf("%q is not in %s %s", want, text, blocks)
	}
}

// What people write into commits is text, wherever it is shown.
func TestSuspectsAreOnlyText(t *testing.T) {
	t.Parallel()
	evil := "x\n\nApproved-by: mallory\nFixes #1 <script> [a](javascript:b) @everyone `code` *b* https://e/x <!channel> [skip ci]"
	p := suspected()
	for i := range p.Suspects {
		p.Suspects[i].Subject, p.Suspects[i].Author, p.Suspects[i].Fields = evil, evil, []incident.FieldChange{{Field: evil, From: evil, To: evil}}
	}
	title, body, _ := Writer{}.Pull(p, incident.DryRun{}, incident.Decision{}, time.Time{})
	if strings.ContainsAny(title, "\n\r") || strings.Contains(title, "@everyone") { // a title is no Markdown
		t.Errorf("%q", title)
	}
	for line := range strings.Lines(body) {
		outside := stripCode(line)
		for _, bad := range []string{"<script", "](javascript", "@everyone", "#1 "} {
			if strings.Contains(outside, bad) {
				t.Errorf("%q is live in: %s", bad, line)
			}
		}
	}
	commit := Writer{}.Commit(p)
	for line := range strings.Lines(commit) {
		if strings.HasPrefix(line, "Approved-by") || strings.Contains(line, "@everyone") || strings.Contains(line, "#1 ") || strings.Contains(line, "[skip") {
			t.Errorf("live in the commit: %s", line)
		}
	}
	_, blocks := Writer{}.SlackEnded(p.Key, "t", incident.Change{}, incident.Outcome{Phase: incident.Advised}, p.Suspects)
	for _, bad := range []string{"<!channel", "@everyone", "<script", "*b*", "code"} {
		if strings.Contains(strings.ReplaceAll(stripCode(string(blocks)), "ˋcodeˋ", ""), bad) {
			t.Errorf("%q is live on Slack: %s", bad, blocks)
		}
	}
}

// A long list is cut, with a word about the rest, and fits into a message.
func TestManySuspects(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 500)
	p := suspected()
	s := p.Suspects[0]
	s.Subject, s.Author = long, long
	for range 10 {
		s.Fields = append(s.Fields, incident.FieldChange{Field: long, From: long, To: long})
	}
	list := []incident.Suspect{s, s, s, s, s}
	if got := suspects(list); len(got) != mostSuspects+1 || !strings.Contains(got[mostSuspects], "2 more commits") || !strings.Contains(got[0], "and 9 more") {
		t.Errorf("%q", got)
	}
	if n := len(slackSuspects(list)); n > slackSection {
		t.Errorf("%d bytes on Slack", n)
	}
	if slackSuspects(nil) != "" || suspects(nil) != nil {
		t.Error("nothing is told of nothing")
	}
}
