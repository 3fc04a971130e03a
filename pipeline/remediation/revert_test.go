package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// undone is a repository in which a commit's SHA is what it was made of.
type undone struct {
	heads   map[string]string
	parents map[string][]string
}

func (u *undone) Fetch(context.Context) error { return nil }
func (u *undone) Head(branch string) (string, error) {
	if sha, ok := u.heads[branch]; ok {
		return sha, nil
	}
	return "", fmt.Errorf("%s: %w", branch, repo.ErrNoBranch)
}
func (u *undone) Snapshot(string) (*repo.Snapshot, error)            { return nil, errors.New("not asked") }
func (u *undone) Push(context.Context, string, string, string) error { return nil }
func (u *undone) Parents(sha string) ([]string, error)               { return u.parents[sha], nil }
func (u *undone) RevertFiles(_ context.Context, commit, head string) (map[string][]byte, error) {
	return map[string][]byte{"a.yaml": []byte(commit + " undone on " + head)}, nil
}
func (u *undone) Commit(_ context.Context, s repo.CommitSpec) (string, error) {
	return fmt.Sprintf("%s|%s|%s|%d", s.Parent, s.Files["a.yaml"], s.Message, s.When.Unix()), nil
}

// TestRevertTakesOnlyItsOwnCommit puts commits on the revert's branch before we come: what merges without a review must be
// ours to the byte.
func TestRevertTakesOnlyItsOwnCommit(t *testing.T) {
	t.Parallel()
	in := RevertInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Change: incident.Change{HeadSHA: "fix"}, Date: time.Unix(7, 0)}
	ours := "old|fix undone on old|words|7"
	for name, c := range map[string]struct {
		there   string
		parents []string
		want    string
	}{
		"nothing there":                 {"", nil, "new|fix undone on new|words|7"},
		"an earlier try on an old base": {ours, []string{"old"}, ours},
		"a stranger's commit":           {"evil", []string{"old"}, ""},
		"a stranger's merge":            {"evil", []string{"old", "evil2"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &undone{heads: map[string]string{"main": "new"}, parents: map[string][]string{c.there: c.parents}}
			if c.there != "" {
				u.heads[in.Key.RevertBranch()] = c.there
			}
			r := &Reverter{Repo: u, Repository: Repository{Base: "main"}}
			got, err := r.commit(t.Context(), in, "words")
			var moved *repo.Moved
			if c.want == "" && !errors.As(err, &moved) || c.want != "" && err != nil || got != c.want {
				t.Errorf("%q %v, want %q", got, err, c.want)
			}
		})
	}
}

// TestWhatPolicyRefusesAfterTheMerge is not applied, and people can take it back.
func TestWhatPolicyRefusesAfterTheMerge(t *testing.T) {
	t.Parallel()
	deny := incident.Decision{Reasons: []string{"frozen"}}
	theirs := func(int, JudgeInput) Judgement { return Judgement{State: "merged", By: []string{"sam"}, Merge: "m"} }
	for name, c := range map[string]struct {
		change func(*world)
		want   incident.Phase
		why    string
		opened bool
	}{
		"a person merged": {func(w *world) { w.judge, w.gates[incident.GateApply] = theirs, deny }, incident.Escalated,
			"merged, but policy refuses to apply it: [frozen]; merging pull request 8 brings git back to what is live", true},
		"policy changed its mind since our merge": {func(w *world) {
			w.wait = func() string {
				if w.count("Merge") > 0 {
					w.gates[incident.GateApply] = deny
				}
				return ""
			}
			w.fails = map[string]error{"Apply": missing(false)}
			w.later = signalAfter(time.Hour)
		}, incident.Escalated, "merging pull request 8", true},
		"what is there is not ours any more": {func(w *world) {
			w.judge, w.gates[incident.GateApply] = theirs, deny
			w.fails = map[string]error{"ProposeRevert": temporal.NewNonRetryableApplicationError("a.yaml was changed", "NotClean", nil)}
		}, incident.Escalated, "[frozen]; the pull request that takes it back could not be opened: a.yaml was changed", true},
		"a tool delivers it": {func(w *world) { w.judge, w.gates[incident.GateApply], w.planned.Tool = theirs, deny, "flux" }, incident.Succeeded, "pass", false},
		"before the merge":   {func(w *world) { w.gates[incident.GateApply] = deny }, incident.Denied, "frozen", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := happy()
			c.change(w)
			got := w.play(t)
			if got.Phase != c.want || !strings.Contains(got.Reason, c.why) || slices.Contains(w.calls, "MergeRevert") || slices.Contains(w.calls, "ProposeRevert") != c.opened {
				t.Errorf("%+v after %v", got, w.calls)
			}
			if c.opened && (!slices.Equal(w.reverted.Refused, []string{"frozen"}) || w.reverted.Merge != "m" || got.Merged.SHA != "m") {
				t.Errorf("asked %+v, left %+v", w.reverted, got.Merged)
			}
		})
	}
}

func (words) TakeBack(_ incident.Proposal, _ incident.Change, merge string, reasons []string) (commit, title, body string) {
	return "commit", "take back " + merge, strings.Join(reasons, " ")
}

// offering is a forge that remembers what was opened, and how it was marked.
type offering struct {
	Merging // not asked
	opened  []forge.NewPull
	marks   []string
}

func (o *offering) OpenPull(_ context.Context, n forge.NewPull) (forge.Pull, error) {
	o.opened = append(o.opened, n)
	return forge.Pull{Number: 8}, nil
}
func (o *offering) Label(_ context.Context, number int, labels ...string) error {
	o.marks = append(o.marks, fmt.Sprint(number, labels))
	return nil
}
func (o *offering) Status(_ context.Context, _, name, state, _, _ string) error {
	o.marks = append(o.marks, name+" "+state)
	return nil
}

// TestTakeBackIsPeoples to merge: the forge would let them.
func TestTakeBackIsPeoples(t *testing.T) {
	t.Parallel()
	book, shop := &pages{}, &offering{}
	proposal, err := put(t.Context(), book, incident.Proposal{})
	if err != nil {
		t.Fatal(err)
	}
	r := &Reverter{Book: book, Repo: &undone{heads: map[string]string{"main": "new"}}, Forge: shop, Writer: words{}, Repository: Repository{Base: "main"}}
	got, err := activityRun[incident.Change](t, r.ProposeRevert, RevertInput{Key: thisOne, Proposal: proposal, Change: incident.Change{HeadSHA: "fix"}, Merge: "m", Refused: []string{"frozen", "on a Friday"}})
	if err != nil || got.Number != 8 || len(shop.opened) != 1 || shop.opened[0] != (forge.NewPull{Head: thisOne.RevertBranch(), Base: "main", Title: "take back m", Body: "frozen on a Friday"}) {
		t.Errorf("%+v, %v, opened %+v", got, err, shop.opened)
	}
	if want := []string{"8 [cortexops revert]", "cortexops/dry-run success", "cortexops/policy success", "cortexops/approval success"}; !slices.Equal(shop.marks, want) {
		t.Errorf("marked %q", shop.marks)
	}
	if !book.has("push-revert", incident.Done) || !book.has("open-revert", incident.Done) || book.rows[0].Phase != incident.Applying {
		t.Errorf("the ledger has %+v", book.rows)
	}
}

// squashed is a mirror that has what was merged, and not our commit any more.
type squashed struct{ undone }

func (s *squashed) RevertFiles(ctx context.Context, commit, head string) (map[string][]byte, error) {
	if commit == "ours" {
		return nil, fmt.Errorf("revert: %w", repo.ErrNoCommit)
	}
	return s.undone.RevertFiles(ctx, commit, head)
}

func TestWhatSomebodySquashedIsReverted(t *testing.T) {
	t.Parallel()
	ours := incident.Change{HeadSHA: "ours"}
	files, err := reverted(t.Context(), &squashed{}, ours, "merge", "head")
	if err != nil || string(files["a.yaml"]) != "merge undone on head" {
		t.Errorf("%s, %v", files, err)
	}
	if _, err := reverted(t.Context(), &squashed{}, ours, "", "head"); !errors.Is(err, repo.ErrNoCommit) {
		t.Errorf("nobody knows what was merged: %v", err)
	}
}
