package forge

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"
)

// object is a JSON object on its way out.
type object map[string]any

// wire gives things the shapes that GitHub's API description gives them. Fields
// that this forge has nothing to say about carry what GitHub says of an empty one.
type wire struct {
	url, api    string // no trailing slash
	owner, repo string
	ids         map[string]int64 // login → ID
}

const (
	ownerID = 1
	repoID  = 2
	usersID = 100
)

func newWire(o Options) wire {
	w := wire{url: o.URL, api: o.URL + "/api/v3", owner: o.Owner, repo: o.Repo, ids: map[string]int64{}}
	for i, login := range slices.Sorted(maps.Keys(o.Users)) {
		w.ids[login] = int64(usersID + i)
	}
	w.ids[o.Owner] = ownerID
	return w
}

func (w wire) home() string { return w.url + "/" + w.owner + "/" + w.repo }
func (w wire) base() string { return w.api + "/repos/" + w.owner + "/" + w.repo }

func (w wire) pullPage(n int) string { return fmt.Sprintf("%s/pull/%d", w.home(), n) }

func (w wire) email(login string) string { return login + "@users.noreply.forge.sandbox" }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func stampOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (w wire) user(login string) object {
	kind, api := "User", w.api+"/users/"+url.PathEscape(login)
	if login == w.owner {
		kind = "Organization"
	}
	return object{
		"login": login, "id": w.ids[login], "node_id": fmt.Sprintf("U_%d", w.ids[login]),
		"avatar_url": w.url + "/" + url.PathEscape(login) + ".png", "gravatar_id": "",
		"url": api, "html_url": w.url + "/" + url.PathEscape(login),
		"followers_url": api + "/followers", "following_url": api + "/following{/other_user}",
		"gists_url": api + "/gists{/gist_id}", "starred_url": api + "/starred{/owner}{/repo}",
		"subscriptions_url": api + "/subscriptions", "organizations_url": api + "/orgs", "repos_url": api + "/repos",
		"events_url": api + "/events{/privacy}", "received_events_url": api + "/received_events",
		"type": kind, "site_admin": false,
	}
}

func (w wire) userOrNull(login string) any {
	if login == "" {
		return nil
	}
	return w.user(login)
}

// repoURLs are GitHub's, below the repository's own.
var repoURLs = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}",
	"commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}",
	"contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
	"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
	"hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages",
	"merges_url": "/merges", "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
	"pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
	"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams",
	"trees_url": "/git/trees{/sha}",
}

func (w wire) repository(s *state) object {
	open := 0
	for _, p := range s.Pulls {
		if p.State == "open" {
			open++
		}
	}
	o := object{
		"id": repoID, "node_id": fmt.Sprintf("R_%d", repoID), "name": w.repo, "full_name": w.owner + "/" + w.repo,
		"private": true, "visibility": "private", "owner": w.user(w.owner), "url": w.base(), "html_url": w.home(),
		"description": "The GitOps repository of the sandbox", "homepage": nil, "language": nil, "license": nil, "mirror_url": nil,
		"fork": false, "archived": false, "disabled": false, "is_template": false, "topics": []string{},
		"clone_url": w.home() + ".git", "git_url": w.home() + ".git", "ssh_url": w.home() + ".git", "svn_url": w.home(),
		"default_branch": "main", "size": 0, "created_at": stamp(s.CreatedAt), "updated_at": stamp(s.PushedAt), "pushed_at": stamp(s.PushedAt),
		"has_issues": false, "has_projects": false, "has_wiki": false, "has_pages": false, "has_downloads": false, "has_discussions": false,
		"forks": 0, "forks_count": 0, "watchers": 0, "watchers_count": 0, "stargazers_count": 0, "open_issues": open, "open_issues_count": open,
		"allow_forking": false, "web_commit_signoff_required": false,
		"permissions": object{"admin": false, "maintain": false, "push": true, "triage": true, "pull": true},
	}
	for k, path := range repoURLs {
		o[k] = w.base() + path
	}
	return o
}

// fullRepository adds what only GET /repos/OWNER/REPO tells.
func (w wire) fullRepository(s *state) object {
	o := w.repository(s)
	maps.Copy(o, object{
		"network_count": 0, "subscribers_count": 0, "organization": w.user(w.owner), "delete_branch_on_merge": false,
		"allow_merge_commit": true, "allow_squash_merge": false, "allow_rebase_merge": false, "allow_auto_merge": false,
	})
	return o
}

func (w wire) label(l label) object {
	return object{
		"id": l.ID, "node_id": fmt.Sprintf("LA_%d", l.ID), "url": w.base() + "/labels/" + url.PathEscape(l.Name), "name": l.Name,
		"description": nil, "color": "ededed", "default": false,
	}
}

func (w wire) labels(s *state, names []string) []object {
	out := []object{}
	for _, l := range s.Labels {
		if slices.Contains(names, l.Name) {
			out = append(out, w.label(l))
		}
	}
	return out
}

func (w wire) comment(p *pull, c comment) object {
	return object{
		"id": c.ID, "node_id": fmt.Sprintf("IC_%d", c.ID), "url": fmt.Sprintf("%s/issues/comments/%d", w.base(), c.ID),
		"html_url":  fmt.Sprintf("%s#issuecomment-%d", w.pullPage(p.Number), c.ID),
		"issue_url": fmt.Sprintf("%s/issues/%d", w.base(), p.Number), "body": c.Body, "user": w.user(c.Author),
		"created_at": stamp(c.CreatedAt), "updated_at": stamp(c.UpdatedAt), "author_association": "MEMBER",
		"performed_via_github_app": nil,
	}
}

func (w wire) review(p *pull, r review) object {
	html, api := fmt.Sprintf("%s#pullrequestreview-%d", w.pullPage(p.Number), r.ID), fmt.Sprintf("%s/pulls/%d", w.base(), p.Number)
	return object{
		"id": r.ID, "node_id": fmt.Sprintf("PRR_%d", r.ID), "user": w.user(r.Author), "body": r.Body, "state": r.State,
		"html_url": html, "pull_request_url": api, "_links": object{"html": object{"href": html}, "pull_request": object{"href": api}},
		"submitted_at": stamp(r.At), "commit_id": r.CommitSHA, "author_association": "MEMBER",
	}
}

func (w wire) status(st status) object {
	o := w.simpleStatus(st)
	o["creator"] = w.user(st.Creator)
	return o
}

// simpleStatus is one within a combined status.
func (w wire) simpleStatus(st status) object {
	return object{
		"id": st.ID, "node_id": fmt.Sprintf("SC_%d", st.ID), "url": w.base() + "/statuses/" + st.SHA,
		"avatar_url": w.url + "/" + url.PathEscape(st.Creator) + ".png", "state": st.State, "context": st.Context,
		"description": orNull(st.Description), "target_url": orNull(st.TargetURL), "created_at": stamp(st.At), "updated_at": stamp(st.At),
	}
}

func (w wire) combinedStatus(s *state, sha string) object {
	statuses, list := s.statuses(sha), []object{}
	for _, st := range statuses {
		list = append(list, w.simpleStatus(st))
	}
	return object{
		"state": combined(statuses), "statuses": list, "sha": sha, "total_count": len(list), "repository": w.repository(s),
		"commit_url": w.base() + "/commits/" + sha, "url": w.base() + "/commits/" + sha + "/status",
	}
}

func (w wire) ref(name, sha string) object {
	return object{
		"ref": "refs/heads/" + name, "node_id": "REF_" + sha[:12], "url": w.base() + "/git/refs/heads/" + (&url.URL{Path: name}).EscapedPath(),
		"object": object{"type": "commit", "sha": sha, "url": w.base() + "/git/commits/" + sha},
	}
}
