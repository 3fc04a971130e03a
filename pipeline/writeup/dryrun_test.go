package writeup

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestServerAndDriftAreShown(t *testing.T) {
	t.Parallel()
	p := proposal()
	dry := incident.DryRun{By: "worker", Objects: []incident.ObjectChange{{Resource: p.Edits[0].Resource, Diff: "-a\n+b\n", DriftDiff: "-c\n+d\n",
		Fields: []incident.FieldChange{{Field: "spec.memory", From: "512Mi", To: "1Gi"}, {Field: "spec.sidecar", To: "a|b", Server: true}},
		Drift:  []incident.FieldChange{{Field: "spec.paused", From: "true"}}}}}
	_, body, more := Writer{}.Pull(p, dry, incident.Decision{}, time.Time{})
	if len(more) != 0 {
		t.Errorf("comments of a short diff: %q", more)
	}
	for _, want := range []string{
		"2 fields, no conflict, of which <b>1 by the API server itself</b>",
		"| `Deployment shop/checkout` | `spec.memory` | `512Mi` | `1Gi` |\n",
		"| `Deployment shop/checkout` | `spec.sidecar` | – | `a\\|b` (by the API server) |\n",
		"#### Live is not what git says\nIn 1 field, before this change. Applying it takes it back too",
		"| Object | Field | Live | Git |",
		"| `Deployment shop/checkout` | `spec.paused` | `true` | – |\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in\n%s", want, body)
		}
	}
	if strings.Index(body, "#### Live") > strings.Index(body, "What the API server would store") {
		t.Error("the drift comes after what is folded")
	}
}

// However much there is to say, no text is longer than a forge takes, nothing of a diff is lost that has room in the
// comments, and no fence stays open.
func TestTextsHaveRoom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		objects, lines int
		line           string
		complete       bool
	}{
		"short":                  {1, 10, "x", true},
		"one long diff":          {1, 4000, "value: é ``` <b>", true},
		"many objects":           {300, 20, "a: b", true},
		"very long lines":        {2, 2, strings.Repeat("é", 1<<16), false},
		"more than ten comments": {20, 2000, "some longer line of a config map", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, dry := proposal(), incident.DryRun{By: "worker"}
			for i := range c.objects {
				var diff strings.Builder
				for j := range c.lines {
					fmt.Fprintf(&diff, "+%d.%d %s\n", i, j, c.line)
				}
				r := p.Edits[0].Resource
				r.Name = fmt.Sprintf("%s-%d", r.Name, i)
				f := incident.FieldChange{Field: "f", From: c.line, To: c.line}
				dry.Objects = append(dry.Objects, incident.ObjectChange{Resource: r, Diff: diff.String(), Fields: []incident.FieldChange{f}, Drift: []incident.FieldChange{f}})
			}
			title, body, more := Writer{}.Pull(p, dry, incident.Decision{}, time.Time{})
			all := body + strings.Join(more, "")
			for i, s := range append(more, body) {
				if len(s) > maxBody || i < len(more) && len(s) > maxPage+200 || strings.Count(s, "```diff")*2 > strings.Count(s, "\n```") {
					t.Errorf("text %d has %d bytes, %d fences", i, len(s), strings.Count(s, "```diff"))
				}
			}
			if len(title) > 256 || len(more) > maxPages || !strings.HasSuffix(body, footer(p)) {
				t.Errorf("a title of %d, %d comments", len(title), len(more))
			}
			seen := map[string]int{}
			for line := range strings.Lines(all) {
				seen[line]++
			}
			for i := range c.objects {
				for j := range c.lines {
					if line := fmt.Sprintf("+%d.%d %s\n", i, j, c.line); c.complete && seen[line] != 1 {
						t.Fatalf("%q is there %d times", line, seen[line])
					}
				}
			}
			if !c.complete && !strings.Contains(all, "…") {
				t.Error("what is missing is not said")
			}
		})
	}
}

func TestAnyProposalHasRoom(t *testing.T) {
	t.Parallel()
	p := proposal()
	p.Explain, p.Advisory.Cause = strings.Repeat("a <b> ", 30_000), strings.Repeat("@", 100_000)
	p.Edits[0].To = strings.Repeat("1", 70_000)
	for range 50 {
		p.Playbook.Checks = append(p.Playbook.Checks, incident.Check{Name: "n", Query: strings.Repeat("q", 8000), Must: "== 0"})
	}
	title, body, _ := Writer{}.Pull(p, incident.DryRun{}, incident.Decision{Reasons: []string{strings.Repeat("r", 90_000)}}, time.Time{})
	if len(title) > 256 || len(body) > maxBody || !strings.Contains(body, "left out") || !strings.HasSuffix(body, footer(p)) {
		t.Errorf("a title of %d and a body of %d bytes", len(title), len(body))
	}
}
