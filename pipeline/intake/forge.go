package intake

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// forge takes GitHub's webhooks.
func forge(o Options) source {
	return source{
		name: "forge",
		verify: func(r *http.Request, body []byte) bool {
			return signed(r.Header.Get("X-Hub-Signature-256"), o.ForgeSecret, body)
		},
		decode: func(r *http.Request, body []byte, at time.Time) (accepted, error) {
			if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
				return accepted{}, &Invalid{Why: "set the webhook's content type to application/json"}
			}
			delivery := r.Header.Get("X-GitHub-Delivery")
			if delivery == "" || len(delivery) > maxID {
				return accepted{}, &Invalid{Why: "header X-GitHub-Delivery is missing or too long"}
			}
			a, err := decodeForge(r.Header.Get("X-GitHub-Event"), body, o.Repository)
			if a != nil {
				a.Delivery, a.AcceptedAt = delivery, at
			}
			return accepted{action: a}, err
		},
	}
}

type forgeUser struct {
	Login string `json:"login"`
}

type forgeRepository struct {
	FullName string `json:"full_name"`
}

type pullRequest struct {
	Number int  `json:"number"`
	Merged bool `json:"merged"`
	Head   struct {
		Ref  string           `json:"ref"`
		SHA  string           `json:"sha"`
		Repo *forgeRepository `json:"repo"` // null once a fork is deleted
	} `json:"head"`
	MergedBy       *forgeUser `json:"merged_by"`
	MergeCommitSHA string     `json:"merge_commit_sha"`
}

// pullEvent is what we read of the events pull_request and pull_request_review.
type pullEvent struct {
	Action      string          `json:"action"`
	PullRequest *pullRequest    `json:"pull_request"`
	Repository  forgeRepository `json:"repository"`
	Sender      forgeUser       `json:"sender"`
	Review      *struct {
		State    string    `json:"state"`
		CommitID string    `json:"commit_id"` // the head that the reviewer saw
		User     forgeUser `json:"user"`
	} `json:"review"`
}

// decodeForge returns nil for whatever is not a person's act on a pull request of ours. A pull request from a fork is
// never ours, whatever its branch is called.
func decodeForge(event string, body []byte, repository string) (*incident.Action, error) {
	if event == "issue_comment" {
		return decodeComment(body, repository)
	}
	if event != "pull_request" && event != "pull_request_review" {
		return nil, nil
	}
	var e pullEvent
	if err := Unmarshal("", body, &e); err != nil {
		return nil, err
	}
	if e.PullRequest == nil {
		return nil, &Invalid{Pointer: "/pull_request", Why: "is required"}
	}
	if event == "pull_request_review" && e.Review == nil {
		return nil, &Invalid{Pointer: "/review", Why: "is required"}
	}
	pr := *e.PullRequest
	ours := strings.EqualFold(e.Repository.FullName, repository) && pr.Head.Repo != nil && strings.EqualFold(pr.Head.Repo.FullName, repository)
	_, _, named := incident.KeyOfBranch(pr.Head.Ref)
	if _, restores := incident.KeyOfRestore(pr.Head.Ref); !ours || !named && !restores {
		return nil, nil
	}
	a := &incident.Action{
		Actor: e.Sender.Login, Repository: repository, Number: pr.Number, Branch: pr.Head.Ref, HeadSHA: pr.Head.SHA,
	}
	if event == "pull_request_review" {
		a.Kind = reviewed(e.Action, e.Review.State)
		a.HeadSHA, a.Actor = e.Review.CommitID, e.Review.User.Login
	} else {
		a.Kind = pulled(e.Action, pr.Merged)
		if a.Kind == incident.Merge {
			a.MergeSHA = pr.MergeCommitSHA
			if pr.MergedBy != nil && pr.MergedBy.Login != "" {
				a.Actor = pr.MergedBy.Login
			}
		}
	}
	if a.Kind == "" {
		return nil, nil
	}
	return a, forgeComplete(event, *a)
}

// commentEvent is what we read of the event issue_comment, which names no branch.
type commentEvent struct {
	Action string `json:"action"`
	Issue  *struct {
		Number      int             `json:"number"`
		PullRequest json.RawMessage `json:"pull_request"` // absent for an issue
	} `json:"issue"`
	Comment *struct {
		Body        string    `json:"body"`
		User        forgeUser `json:"user"`
		Association string    `json:"author_association"`
	} `json:"comment"`
	Repository forgeRepository `json:"repository"`
}

// decodeComment takes commands only, and those of strangers not at all. Who may answer what is judged later.
func decodeComment(body []byte, repository string) (*incident.Action, error) {
	var e commentEvent
	if err := Unmarshal("", body, &e); err != nil {
		return nil, err
	}
	switch {
	case e.Issue == nil:
		return nil, &Invalid{Pointer: "/issue", Why: "is required"}
	case e.Comment == nil:
		return nil, &Invalid{Pointer: "/comment", Why: "is required"}
	case e.Action != "created" || len(e.Issue.PullRequest) == 0 || !strings.EqualFold(e.Repository.FullName, repository):
		return nil, nil
	}
	first, _, _ := strings.Cut(strings.TrimSpace(e.Comment.Body), "\n")
	words := strings.Fields(first)
	insider := slices.Contains([]string{"OWNER", "MEMBER", "COLLABORATOR"}, e.Comment.Association)
	if len(words) < 2 || words[0] != "/cortexops" || !insider {
		return nil, nil
	}
	a := &incident.Action{Kind: incident.Answer, Actor: e.Comment.User.Login, Repository: repository, Number: e.Issue.Number}
	if words[1] == "retry" && len(words) == 2 {
		a.Kind = incident.Retry
	}
	switch {
	case a.Number <= 0:
		return nil, &Invalid{Pointer: "/issue/number", Why: "must be above 0"}
	case a.Actor == "" || len(a.Actor) > maxID:
		return nil, &Invalid{Pointer: "/comment/user/login", Why: "is missing or too long"}
	}
	return a, nil
}

func reviewed(action, state string) incident.ActionKind {
	switch {
	case action == "submitted" && strings.EqualFold(state, "approved"):
		return incident.Approve
	case action == "submitted" && strings.EqualFold(state, "changes_requested"):
		return incident.RequestChanges
	}
	return ""
}

func pulled(action string, merged bool) incident.ActionKind {
	switch {
	case action == "closed" && merged:
		return incident.Merge
	case action == "closed":
		return incident.Close
	case action == "reopened":
		return incident.Reopen
	case action == "synchronize":
		return incident.Push
	}
	return ""
}

// forgeComplete refuses an act of which it is not said who did what to which commit.
func forgeComplete(event string, a incident.Action) error {
	head, actor := "/pull_request/head/sha", "/sender/login"
	if event == "pull_request_review" {
		head, actor = "/review/commit_id", "/review/user/login"
	}
	switch {
	case a.Number <= 0:
		return &Invalid{Pointer: "/pull_request/number", Why: "must be above 0"}
	case a.Actor == "" || len(a.Actor) > maxID:
		return &Invalid{Pointer: actor, Why: "is missing or too long"}
	case !sha(a.HeadSHA):
		return &Invalid{Pointer: head, Why: fmt.Sprintf("must be a commit, is %q", cut(a.HeadSHA, 64))}
	case a.Kind == incident.Merge && !sha(a.MergeSHA):
		return &Invalid{Pointer: "/pull_request/merge_commit_sha", Why: fmt.Sprintf("must be a commit, is %q", cut(a.MergeSHA, 64))}
	}
	return nil
}

func sha(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}
