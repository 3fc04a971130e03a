package remediation

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestABaseThatMoved under an approved change leads to another question, not to its merge.
func TestABaseThatMoved(t *testing.T) {
	t.Parallel()
	moved := temporal.NewNonRetryableApplicationError("prod/patch.yaml is not as it was", typeMoved, nil)
	for name, c := range map[string]struct {
		times  int // it moves
		replan Planned
		want   incident.Phase
		why    string
		merges int
	}{
		"once":                      {1, Planned{Proposal: "other", Summary: "o"}, incident.Succeeded, "pass", 2},
		"and moved back":            {1, Planned{Same: true}, incident.Succeeded, "pass", 2},
		"and there is nothing left": {1, Planned{Advised: "the field has the value already"}, incident.Superseded, "is not as it was; now the field has the value already", 1},
		"and policy refuses it now": {1, Planned{Proposal: "refused"}, incident.Denied, "too much for a Friday", 1},
		"and another holds it":      {1, Planned{Holder: &incident.Key{Incident: "ba9876543210", Attempt: 1}}, incident.Superseded, "remediation/ba9876543210/1 holds the target", 1},
		"again and again":           {100, Planned{Proposal: "other"}, incident.Superseded, "say cortexops retry 0123456789ab, and it is planned anew", mostRevisions + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.announced = Announced{Message: "m"}
			w.replan = func(PlanInput) Planned { return c.replan }
			w.merges = func(n int) error {
				if n <= c.times {
					return moved
				}
				return nil
			}
			var judged []JudgeInput
			w.judge = func(_ int, in JudgeInput) Judgement {
				judged = append(judged, in)
				return Judgement{State: "approved", By: []string{"sam"}}
			}
			got := w.play(t)
			if got.Phase != c.want || !strings.Contains(got.Reason, c.why) || w.count("Merge") != c.merges || len(judged) != c.merges || w.count("Propose") != 1 {
				t.Fatalf("%+v; %v", got, w.calls)
			}
			if c.want == incident.Superseded && !w.ending.Shut {
				t.Error("its pull request is left open")
			}
			if c.want != incident.Succeeded || c.replan.Same {
				return
			}
			last := judged[len(judged)-1]
			if last.Change.HeadSHA != "revision 1" || w.announce[1].Message != "m" || w.announce[1].Proposal != "other" || w.ending.Proposal != "other" {
				t.Errorf("judged %+v, announced %+v, ended %+v", last, w.announce, w.ending)
			}
		})
	}
}

// TestNewEvidenceCanLeadToAnotherChange of the pull request that is open.
func TestNewEvidenceCanLeadToAnotherChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		replan  Planned
		revised int
		fails   error
	}{
		"its dry-run may not be":       {Planned{Proposal: "other"}, 0, temporal.NewNonRetryableApplicationError("no", typeUnauthorized, nil)},
		"its dry-run comes to nothing": {Planned{Proposal: "other"}, 0, errors.New("no route to host")},
		"it does":                      {Planned{Proposal: "other", Within: 15 * time.Minute}, 1, nil},
		"it does not":                  {Planned{Same: true}, 0, nil},
		"nothing fits now":             {Planned{Advised: "no playbook fits"}, 0, nil},
		"policy refuses it":            {Planned{Proposal: "refused"}, 0, nil},
		"it is invalid":                {Planned{Proposal: "other"}, 1, temporal.NewNonRetryableApplicationError("no", "Invalid", nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.replan = func(PlanInput) Planned { return c.replan }
			if w.fails = map[string]error{"Revise": c.fails}; strings.HasPrefix(name, "its dry-run") {
				w.dry = c.fails
			}
			w.later = func(env *testsuite.TestWorkflowEnvironment) { hears(env, 10*time.Minute, Evidence{Incident: "newer"}) }
			var last JudgeInput
			w.judge = func(n int, in JudgeInput) Judgement {
				last = in
				return byDeadline(n, in)
			}
			got := w.play(t)
			if got.Phase != incident.Expired || len(w.revised) != c.revised || len(w.plans) != 1 || w.plans[0].Start.Incident != "newer" || w.plans[0].Earlier != "p" {
				t.Fatalf("%+v, revised %+v, planned %+v", got, w.revised, w.plans)
			}
			if w.count("Hold") > 0 {
				t.Error("people who answer have to wait")
			}
			late, head := opened.Add(15*time.Minute), ""
			if c.revised == 1 && c.fails == nil {
				late, head = opened.Add(25*time.Minute), "revision 1"
			}
			if !last.Deadline.Equal(late) || last.Change.HeadSHA != head {
				t.Errorf("at last %+v, want the head %q open until %s", last, head, late)
			}
		})
	}
}

// TestAPersonChoosesTheValue in a comment, and is asked again with it, or told why not.
func TestAPersonChoosesTheValue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		word   Word
		replan Planned
		reply  string
		head   string
	}{
		"within bounds":     {Word{ID: 5, Word: "approve", Parameters: map[string]string{"memory": "768Mi"}, By: "sam"}, Planned{Proposal: "other", Within: 15 * time.Minute}, "none", "revision 1"},
		"out of bounds":     {Word{ID: 5, Word: "approve", Parameters: map[string]string{"memory": "1Ti"}, By: "sam"}, Planned{Advised: "1Ti is above 2Gi"}, "1Ti is above 2Gi", ""},
		"as it is already":  {Word{ID: 5, Word: "approve", Parameters: map[string]string{"memory": "1Gi"}, By: "sam"}, Planned{Same: true}, "it is like that already", ""},
		"policy refuses it": {Word{ID: 5, Word: "approve", Parameters: map[string]string{"memory": "1Gi"}, By: "sam"}, Planned{Proposal: "refused"}, "too much for a Friday", ""},
		"explain":           {Word{ID: 5, Word: "explain", By: "sam"}, Planned{}, "", ""},
		"what is it":        {Word{ID: 5, Word: "approve", Wrong: "say which commit", By: "sam"}, Planned{}, "say which commit", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			w.replan = func(PlanInput) Planned { return c.replan }
			var last JudgeInput
			w.judge = func(n int, in JudgeInput) Judgement {
				last = in
				seen := byDeadline(n, in)
				if in.Heard < c.word.ID {
					seen.Asks = &c.word
				}
				return seen
			}
			got := w.play(t)
			if got.Phase != incident.Expired || last.Change.HeadSHA != c.head || last.Heard != c.word.ID {
				t.Fatalf("%+v, at last %+v", got, last)
			}
			if c.reply == "none" {
				if len(w.replies) != 0 || !maps.Equal(w.plans[0].Parameters, c.word.Parameters) || w.revised[0].Why != "sam asks for memory 768Mi" {
					t.Errorf("replied %+v, planned %+v, revised %+v", w.replies, w.plans, w.revised)
				}
				return
			}
			if len(w.replies) != 1 || !strings.Contains(w.replies[0].Why, c.reply) || c.reply == "" && w.replies[0].Why != "" || w.replies[0].Proposal != "p" {
				t.Errorf("replied %+v", w.replies)
			}
		})
	}
}

// TestValuesThatAreRefusedAreNoRevisions, as long as they are not too many.
func TestValuesThatAreRefusedAreNoRevisions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		vain    int
		revised int
		says    string // the last reply
	}{
		"a few":    {mostRevisions + 2, 1, "1Ti is above 2Gi"},
		"too many": {mostVain, 0, "this was revised 0 times already, and 15 values were refused"},
	} {
		w := happy()
		w.replan = func(in PlanInput) Planned {
			if in.Parameters["memory"] == "1Ti" {
				return Planned{Advised: "1Ti is above 2Gi"}
			}
			return Planned{Proposal: "other", Within: 15 * time.Minute}
		}
		w.judge = func(n int, in JudgeInput) Judgement {
			seen := byDeadline(n, in)
			if in.Heard <= int64(c.vain) {
				value := map[bool]string{true: "1Ti", false: "768Mi"}[in.Heard < int64(c.vain)]
				seen.Asks = &Word{ID: in.Heard + 1, Word: "approve", Parameters: map[string]string{"memory": value}, By: "sam"}
			}
			return seen
		}
		if got := w.play(t); got.Phase != incident.Expired || len(w.revised) != c.revised || !strings.Contains(w.replies[len(w.replies)-1].Why, c.says) {
			t.Errorf("%s: %+v, revised %d times, replied %+v", name, got, len(w.revised), w.replies)
		}
		if c.revised == 1 && (w.revised[0].N != c.vain+1 || w.revised[0].Asked == nil || w.revised[0].Asked.ID != int64(c.vain)+1 || w.revised[0].Asked.By != "sam") {
			t.Errorf("%s: %+v", name, w.revised[0])
		}
	}
}
