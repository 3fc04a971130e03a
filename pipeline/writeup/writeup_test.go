package writeup

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var update = flag.Bool("update", false, "write the golden files again")

func proposal() incident.Proposal {
	root := incident.Resource{Cluster: "prod-eu-1", Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	return incident.Proposal{
		Key:      incident.Key{Incident: "7f3a19c0ffee", Attempt: 1},
		Incident: incident.Incident{ID: "7f3a19c0ffee", Root: root, Blast: incident.BlastRadius{Pods: 3, Services: []string{"checkout"}}},
		Advisory: incident.Advisory{By: "heuristics", Cause: "checkout runs out of memory.", Evidence: []string{"ContainerOOMKilled on 3 pods."}},
		Playbook: incident.Playbook{Name: "raise-memory-limit", Digest: strings.Repeat("5c", 32), Risk: "low", People: 1, Within: 15 * time.Minute,
			Window: 10 * time.Minute, Rollback: "revert",
			Checks: []incident.Check{{Name: "no restarts", Query: `sum(rate(a{x=~"b|c"}[5m])) or vector(0)`, Must: "== 0", For: 5 * time.Minute}}},
		BaseSHA: strings.Repeat("a", 40), Overlay: "overlays/production", Untouched: []string{"overlays/staging"},
		Edits: []incident.Edit{{Resource: root, Field: "spec.template.spec.containers[name=app].resources.limits.memory", From: "512Mi", To: "1Gi",
			File: "overlays/production/memory.yaml", Line: 14, Why: []string{"overlays/production renders it", "memory.yaml sets it"}}},
		Files:   []incident.File{{Path: "overlays/production/memory.yaml", Before: []byte("512Mi"), After: []byte("1Gi")}},
		Objects: []incident.RenderedObject{{Resource: root}},
		Explain: "app was OOM-killed; its limit is 512Mi.",
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was (run with -update if it should not be):\n%s", name, got)
	}
}

// What is asked of people outside an approval.
func TestQuestions(t *testing.T) {
	t.Parallel()
	why := "x may not patch deployments; add this rule:\n- apiGroups: [apps]\n```\n<!-- @team -->"
	held := Writer{}.Held(incident.Key{Incident: "0123456789ab", Attempt: 1}, incident.Applying, why)
	if !strings.Contains(held, "/cortexops retry") || !strings.Contains(held, "cortexops retry 0123456789ab") || !strings.Contains(held, "\n````yaml\n") {
		t.Errorf("%s", held)
	}
	p := incident.Proposal{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Playbook: incident.Playbook{Rollback: "revert", Window: time.Minute}}
	v := incident.Verdict{Result: incident.NoData, Checks: []incident.CheckResult{{Name: "a", Result: "no-data", Value: "no | series", Must: "<= 1"}}}
	if s := (Writer{}).Silence(p, v, time.Unix(0, 0)); !strings.Contains(s, "/cortexops revert") || !strings.Contains(s, "00:00 UTC") {
		t.Errorf("%s", s)
	}
	p.Playbook.Rollback = "none"
	if s := (Writer{}).Silence(p, v, time.Unix(0, 0)); strings.Contains(s, "/cortexops revert") || !strings.Contains(s, "/cortexops keep") {
		t.Errorf("it offers to undo what cannot be undone:\n%s", s)
	}
	if s := (Writer{}).Abandoned(p.Key, "terminated by [x](http://evil) <b> @team"); strings.Contains(s, "by [x]") || strings.Contains(s, "<b>") || strings.Contains(s, "@team") {
		t.Errorf("%s", s)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	p := proposal()
	change := incident.Change{Number: 7, Branch: p.Key.Branch(), HeadSHA: strings.Repeat("b", 40)}
	dry := incident.DryRun{By: "system:serviceaccount:cortexops:cortexops-worker", Objects: []incident.ObjectChange{{Resource: p.Edits[0].Resource,
		Diff: "-memory: 512Mi\n+memory: 1Gi\n", Fields: []incident.FieldChange{{Field: "f", From: "512Mi", To: "1Gi"}}}}}
	decision := incident.Decision{Allow: true, Approvals: 1, Reasons: []string{"A low risk needs 1 person."}, Revision: strings.Repeat("4b", 32), InputDigest: strings.Repeat("91", 32)}
	verdict := incident.Verdict{Result: incident.Fail, Checks: []incident.CheckResult{{Name: "no restarts", Result: incident.Fail, Value: "3", Must: "== 0"}}}
	var w Writer
	title, body, _ := w.Pull(p, dry, decision, time.Date(2026, 1, 2, 10, 59, 0, 0, time.UTC))
	golden(t, "pull.md", title+"\n\n"+body)
	golden(t, "commit.txt", w.Commit(p))
	mergeTitle, merge := w.Merge(p, change, []string{"sam"})
	golden(t, "merge.txt", mergeTitle+"\n\n"+merge)
	commit, revertTitle, revert := w.Revert(p, change, strings.Repeat("c", 40), verdict, []incident.Course{course()})
	golden(t, "revert.md", commit+"\n---\n"+revertTitle+"\n\n"+revert)
	taken, takenTitle, back := w.TakeBack(p, change, strings.Repeat("c", 40), []string{"No changes in a freeze.", "x\n@everyone <b> #1 [skip ci]"})
	golden(t, "takeback.md", taken+"\n---\n"+takenTitle+"\n\n"+back)
	p.Playbook.TTL = 168 * time.Hour
	restore, restoreTitle, offer := w.Restore(p, change, []incident.Course{course(), {Check: "a | <b>", NoData: "gone"}})
	golden(t, "restore.md", restore+"\n---\n"+restoreTitle+"\n\n"+offer+"\n---\n"+w.Lapsed("kept", "closed by <b>sam</b>"))
	golden(t, "ending.md", w.Ending(p, incident.Outcome{Phase: incident.RolledBack, Reason: "verification: fail"}))
}

func TestAuthorOfTheWords(t *testing.T) {
	t.Parallel()
	p := proposal()
	for want, a := range map[string]incident.Advisory{
		"\n\nWords by heuristics; advice only.\n\n":      {By: "heuristics"},
		"\n\nWords by llm (gpt\\_x-1); advice only.\n\n": {By: "llm", Model: "gpt_x-1"},
	} {
		p.Advisory = a
		if _, body, _ := (Writer{}).Pull(p, incident.DryRun{}, incident.Decision{}, time.Time{}); !strings.Contains(body, want) {
			t.Errorf("%q is not in %s", want, body)
		}
	}
}

// TestUntrustedTextIsOnlyText puts hostile words wherever telemetry can: none may become markup, a mention or a trailer.
func TestUntrustedTextIsOnlyText(t *testing.T) {
	t.Parallel()
	evil := "x\n\nApproved-by: mallory\n# big <script>alert(1)</script> ```\n</details> [a](javascript:b) ![i](http://e/x.png) @everyone `code` | cell"
	p := proposal()
	p.Explain, p.Advisory.Cause, p.Advisory.Evidence = evil, evil, []string{evil}
	p.Advisory.By, p.Advisory.Model = "llm", evil
	p.Incident.Blast.Services = []string{evil}
	p.Edits[0].To = evil
	p.Playbook.Checks[0].Name = evil
	var w Writer
	_, body, _ := w.Pull(p, incident.DryRun{By: evil, Objects: []incident.ObjectChange{{Resource: p.Edits[0].Resource, Diff: evil}}},
		incident.Decision{Reasons: []string{evil}}, time.Time{})
	commit := w.Commit(p)
	for line := range strings.Lines(commit) {
		if strings.HasPrefix(line, "Approved-by") {
			t.Errorf("a forged trailer in the commit:\n%s", commit)
		}
	}
	inFence := false
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "````") {
			inFence = !inFence
		}
		if inFence {
			continue
		}
		outside := stripCode(line)
		if strings.HasPrefix(line, "<details>") { // an HTML line: Markdown means nothing in it
			outside = strings.NewReplacer("](javascript", "", "![i]", "").Replace(line)
		}
		for _, bad := range []string{"<script", "](javascript", "![i]", "@everyone"} {
			if strings.Contains(outside, bad) {
				t.Errorf("%q is live in: %s", bad, line)
			}
		}
	}
	if opened, closed := strings.Count(body, "<details>"), strings.Count(stripCode(body), "\n</details>"); closed > opened {
		t.Errorf("a section was closed from inside")
	}
}

// stripCode removes inline code spans, in which nothing is markup.
func stripCode(s string) string {
	var out strings.Builder
	for len(s) > 0 {
		if s[0] == '\\' && len(s) > 1 {
			s = s[2:] // an escaped character is no markup
			continue
		}
		if s[0] != '`' {
			out.WriteByte(s[0])
			s = s[1:]
			continue
		}
		n := len(s) - len(strings.TrimLeft(s, "`"))
		fence, rest := s[:n], s[n:]
		if i := strings.Index(rest, fence); i >= 0 {
			s = rest[i+n:]
			continue
		}
		out.WriteString(fence)
		s = rest
	}
	return out.String()
}
