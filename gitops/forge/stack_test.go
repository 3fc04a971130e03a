package forge

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/cortexops/cortexops/gitops/repo"
)

// TestOnAForge walks one pull request from its opening to its merge, and one to its closing, on the sandbox's forge.
func TestOnAForge(t *testing.T) {
	t.Parallel()
	file := os.Getenv("CORTEXOPS_TEST_STACK")
	if file == "" {
		t.Skip("not run: no stack: run make test")
	}
	data, err := os.ReadFile(file)
	check(t, err)
	var stack struct {
		Forge struct {
			URL, API, Owner, Repo string
			Users                 map[string]string
		}
	}
	check(t, json.Unmarshal(data, &stack))
	s := stack.Forge
	token := s.Users["cortexops-bot"]
	f, err := New(Options{API: s.API, Token: func() string { return token }, Owner: s.Owner, Repo: s.Repo})
	check(t, err)
	check(t, f.Ping(ctx))
	g, err := repo.Open(ctx, repo.Options{URL: s.URL + "/" + s.Owner + "/" + s.Repo + ".git", Dir: filepath.Join(t.TempDir(), "mirror"), User: "x-access-token", Token: func() string { return token }})
	check(t, err)

	// Its own base, so that main stays as others expect it.
	id := strings.ToLower(rand.Text()[:10])
	base, branch, other := "base-"+id, "topic-"+id, "other-"+id
	main, err := g.Head("main")
	check(t, err)
	check(t, g.Push(ctx, base, "", main))
	commit := func(parent, text string) string {
		sha, err := g.Commit(ctx, repo.CommitSpec{Parent: parent, Files: map[string][]byte{"test-" + id: []byte(text)}, Message: text,
			Author: repo.Author{Name: "test", Email: "test@example.com"}, When: time.Now()})
		check(t, err)
		return sha
	}
	one, two := commit(main, "one"), commit(main, "two")
	check(t, g.Push(ctx, branch, "", one))
	check(t, g.Push(ctx, other, "", two))

	n := NewPull{Head: branch, Base: base, Title: "a test", Body: "body"}
	pull, err := f.OpenPull(ctx, n)
	check(t, err)
	if again, err := f.OpenPull(ctx, n); err != nil || again != pull {
		t.Errorf("opened again: %+v, %v", again, err)
	}
	if pull.HeadSHA != one || pull.BaseRef != base || pull.State != "open" || pull.Author != "cortexops-bot" || pull.URL == "" || pull.CreatedAt.IsZero() {
		t.Errorf("%+v", pull)
	}
	if open, err := f.Into(ctx, base, 10); err != nil || len(open) != 1 || open[0].Number != pull.Number || open[0].Author != "cortexops-bot" {
		t.Errorf("%+v, %v", open, err)
	}
	files, err := f.Patches(ctx, pull.Number, 10)
	if err != nil || len(files) != 1 || files[0] != (Patched{Path: "test-" + id, Patch: "@@ -0,0 +1 @@\n+one\n\\ No newline at end of file", Changes: 1}) {
		t.Errorf("%+v, %v", files, err)
	}
	for range 2 {
		check(t, f.Label(ctx, pull.Number, "cortexops", "risk/low"))
		check(t, f.Status(ctx, one, "cortexops/policy", "success", "allowed", pull.URL))
		check(t, f.Comment(ctx, pull.Number, "ending", "done"))
	}

	sam := github.NewClient(nil).WithAuthToken(s.Users["sam"])
	sam.BaseURL = f.client.BaseURL
	approve, words := "APPROVE", "fine"
	_, _, err = sam.PullRequests.CreateReview(ctx, s.Owner, s.Repo, pull.Number, &github.PullRequestReviewRequest{Event: &approve, Body: &words, CommitID: &one})
	check(t, err)
	reviews, err := f.Reviews(ctx, pull.Number)
	check(t, err)
	if len(reviews) != 1 || reviews[0].User != "sam" || reviews[0].State != "APPROVED" || reviews[0].CommitSHA != one || reviews[0].SubmittedAt.IsZero() || !reviews[0].MayWrite {
		t.Errorf("%+v", reviews)
	}

	_, err = f.Merge(ctx, pull.Number, two, "t", "m")
	refused(t, err, 409)
	merge, err := f.Merge(ctx, pull.Number, one, "Merge the test", "Approved-by: sam")
	check(t, err)
	if again, err := f.Merge(ctx, pull.Number, one, "t", "m"); err != nil || again != merge {
		t.Errorf("merged again: %s, %v", again, err)
	}
	pull, err = f.Get(ctx, pull.Number)
	if err != nil || !pull.Merged || pull.MergeSHA != merge || pull.MergedBy != "cortexops-bot" {
		t.Errorf("%+v, %v", pull, err)
	}
	check(t, g.Fetch(ctx))
	message, err := g.Message(merge)
	if err != nil || !strings.HasPrefix(message, "Merge the test\n\nApproved-by: sam") {
		t.Errorf("%q, %v", message, err)
	}
	if parents, err := g.Parents(merge); err != nil || len(parents) != 2 || parents[1] != one {
		t.Errorf("%v, %v", parents, err)
	}
	check(t, g.Note(ctx, merge, "Cortexops-Verdict: pass"))

	// What conflicts is refused; closing it twice is fine.
	pull, err = f.OpenPull(ctx, NewPull{Head: other, Base: base, Title: "another"})
	check(t, err)
	_, err = f.Merge(ctx, pull.Number, two, "t", "m")
	refused(t, err, 405)
	for range 2 {
		check(t, f.Close(ctx, pull.Number))
	}
	if pull, err = f.Get(ctx, pull.Number); err != nil || pull.State != "closed" || pull.Merged || pull.MergeSHA != "" || pull.ClosedBy != "cortexops-bot" {
		t.Errorf("%+v, %v", pull, err)
	}
	if _, err := f.Get(ctx, 1_000_000); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
