package remediation

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

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
