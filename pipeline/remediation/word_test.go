package remediation

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestCommandsInComments(t *testing.T) {
	t.Parallel()
	const head = "1a2b3c4d5e6f1a2b3c4d5e6f1a2b3c4d5e6f1a2b"
	first := incident.Change{Number: 7, HeadSHA: head, OpenedAt: opened}
	revised := first
	revised.RevisedAt = opened.Add(time.Minute)
	for name, c := range map[string]struct {
		change     incident.Change
		body       string
		at         time.Duration
		says       incident.ActionKind
		asks       string
		wrong      string
		parameters map[string]string
	}{
		"approve":                     {first, "/cortexops approve", 1, incident.Approve, "", "", nil},
		"with more below":             {first, " /cortexops  approve \r\nsince it is right", 1, incident.Approve, "", "", nil},
		"below empty lines":           {first, " \r\n\n/cortexops approve", 1, incident.Approve, "", "", nil},
		"in a block of code":          {first, "\n    /cortexops approve", 1, "", "", "", nil},
		"in one by both":              {first, " \t/cortexops approve", 1, "", "", "", nil},
		"in one by a tab":             {first, "\t/cortexops approve", 1, "", "", "", nil},
		"approve the commit":          {first, "/cortexops approve 1a2b3c4", 1, incident.Approve, "", "", nil},
		"approve another commit":      {first, "/cortexops approve 1a2b3c5", 1, "", "approve", "which commit", nil},
		"too short a commit":          {first, "/cortexops approve 1a2b3c", 1, "", "approve", "with nothing, with a commit", nil},
		"approve what was revised":    {revised, "/cortexops approve", 2, "", "approve", "/cortexops approve 1a2b3c4d5e6f", nil},
		"before it was revised":       {revised, "/cortexops approve", 0, "", "approve", "asks for something else now", nil},
		"approve the revised commit":  {revised, "/cortexops approve 1a2b3c4d5e6f", 2, incident.Approve, "", "", nil},
		"choose":                      {first, "/cortexops approve memory=768Mi", 1, "", "approve", "", map[string]string{"memory": "768Mi"}},
		"choose two":                  {revised, "/cortexops approve memory=768Mi cpu=1", 2, "", "approve", "", map[string]string{"memory": "768Mi", "cpu": "1"}},
		"choose nothing":              {first, "/cortexops approve memory=", 1, "", "approve", "with nothing, with a commit", nil},
		"choose, and name a commit":   {first, "/cortexops approve memory=1Gi 1a2b3c4", 1, "", "approve", "with nothing, with a commit", nil},
		"much too long":               {first, "/cortexops approve memory=" + strings.Repeat("1", 100), 1, "", "approve", "with nothing, with a commit", nil},
		"reject":                      {first, "/cortexops reject", 1, incident.Reject, "", "", nil},
		"reject, with a reason":       {first, "/cortexops reject wait for Monday", 1, incident.Reject, "", "", nil},
		"reject while it is revised":  {revised, "/cortexops reject", 0, incident.Reject, "", "", nil},
		"explain":                     {first, "/cortexops explain", 1, "", "explain", "", nil},
		"another command":             {first, "/cortexops keep", 1, "", "", "", nil},
		"no command":                  {first, "I would /cortexops approve", 1, "", "", "", nil},
		"nothing after it":            {first, "/cortexops", 1, "", "", "", nil},
		"a quote is nobody's command": {first, "> /cortexops approve", 1, "", "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := forge.Said{ID: 3, User: "sam", Body: c.body, At: opened.Add(c.at * time.Minute), MayWrite: true}
			verdicts, asks := commands(c.change, []forge.Said{said})
			if (c.says != "") != (len(verdicts) == 1) || len(verdicts) == 1 && (verdicts[0].Kind != c.says || verdicts[0].HeadSHA != head || verdicts[0].Actor != "sam") {
				t.Errorf("verdicts %+v", verdicts)
			}
			if (c.asks != "") != (len(asks) == 1) || len(asks) == 1 && (asks[0].Word != c.asks || !strings.Contains(asks[0].Wrong, c.wrong) || (c.wrong == "") != (asks[0].Wrong == "") || !maps.Equal(asks[0].Parameters, c.parameters)) {
				t.Errorf("asks %+v", asks)
			}
			said.MayWrite = false
			if verdicts, asks := commands(c.change, []forge.Said{said}); len(verdicts)+len(asks) > 0 {
				t.Errorf("a stranger says %+v and asks %+v", verdicts, asks)
			}
		})
	}
	asks := []Word{{ID: 3}, {ID: 5}}
	if w := next(asks, 3); w == nil || w.ID != 5 || next(asks, 5) != nil || next(asks, 0).ID != 3 {
		t.Errorf("next is %+v", w)
	}
}

// TestAnEditedCommentOnlyRejects since nobody knows whose word it is.
func TestAnEditedCommentOnlyRejects(t *testing.T) {
	t.Parallel()
	change := incident.Change{Number: 7, HeadSHA: "1a2b3c4d", OpenedAt: opened}
	for body, want := range map[string]int{"/cortexops approve": 0, "/cortexops explain": 0, "/cortexops reject": 1} {
		verdicts, asks := commands(change, []forge.Said{{ID: 3, User: "sam", Body: body, At: opened.Add(time.Minute), MayWrite: true, Edited: true}})
		if len(verdicts) != want || len(asks) != 0 {
			t.Errorf("%s: %+v, %+v", body, verdicts, asks)
		}
	}
}
