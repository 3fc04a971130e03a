package forge

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// pullSimple is a pull request in a list, and within a review's webhook.
func (w wire) pullSimple(s *state, p *pull) object {
	api, issue := fmt.Sprintf("%s/pulls/%d", w.base(), p.Number), fmt.Sprintf("%s/issues/%d", w.base(), p.Number)
	html, statuses := w.pullPage(p.Number), w.base()+"/statuses/"+p.HeadSHA
	href := func(u string) object { return object{"href": u} }
	end := func(ref, sha string) object {
		return object{"label": w.owner + ":" + ref, "ref": ref, "sha": sha, "user": w.user(w.owner), "repo": w.repository(s)}
	}
	var body any
	if p.Body != nil {
		body = *p.Body
	}
	return object{
		"id": p.ID, "node_id": fmt.Sprintf("PR_%d", p.ID), "number": p.Number, "state": p.State, "locked": false, "draft": p.Draft,
		"title": p.Title, "body": body, "user": w.user(p.Author), "labels": w.labels(s, p.Labels), "milestone": nil,
		"active_lock_reason": nil, "assignee": nil, "assignees": []object{}, "requested_reviewers": []object{}, "requested_teams": []object{},
		"created_at": stamp(p.CreatedAt), "updated_at": stamp(p.UpdatedAt), "closed_at": stampOrNull(p.ClosedAt), "merged_at": stampOrNull(p.MergedAt),
		"merge_commit_sha": orNull(p.MergeSHA), "head": end(p.HeadRef, p.HeadSHA), "base": end(p.BaseRef, p.BaseSHA),
		"author_association": "MEMBER", "auto_merge": nil,
		"url": api, "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "issue_url": issue,
		"commits_url": api + "/commits", "review_comments_url": api + "/comments", "review_comment_url": w.base() + "/pulls/comments{/number}",
		"comments_url": issue + "/comments", "statuses_url": statuses,
		"_links": object{
			"self": href(api), "html": href(html), "issue": href(issue), "comments": href(issue + "/comments"),
			"review_comments": href(api + "/comments"), "review_comment": href(w.base() + "/pulls/comments{/number}"),
			"commits": href(api + "/commits"), "statuses": href(statuses),
		},
	}
}

// pullFull adds what git has to be asked for.
func (f *Forge) pullFull(ctx context.Context, s *state, p *pull) (object, error) {
	stat, err := f.stat(ctx, p)
	if err != nil {
		return nil, err
	}
	mergeable, word, err := f.mergeable(ctx, s, p)
	if err != nil {
		return nil, err
	}
	o := f.wire.pullSimple(s, p)
	maps.Copy(o, object{
		"merged": p.MergedAt != nil, "mergeable": mergeable, "rebaseable": mergeable, "mergeable_state": word,
		"merged_by": f.wire.userOrNull(p.MergedBy), "comments": len(p.Comments), "review_comments": 0, "maintainer_can_modify": false,
		"commits": stat.Commits, "additions": stat.Additions, "deletions": stat.Deletions, "changed_files": stat.Files,
	})
	return o, nil
}

func (f *Forge) stat(ctx context.Context, p *pull) (diffStat, error) {
	key := p.BaseSHA + " " + p.HeadSHA
	if stat, ok := f.stats[key]; ok {
		return stat, nil
	}
	stat, err := f.repo.stat(ctx, p.BaseSHA, p.HeadSHA)
	if err == nil {
		f.stats[key] = stat
	}
	return stat, err
}

type mergeResult struct {
	Tree     string
	Conflict bool
}

func (f *Forge) mergeTree(ctx context.Context, base, head string) (mergeResult, error) {
	key := base + " " + head
	if m, ok := f.merges[key]; ok {
		return m, nil
	}
	tree, err := f.repo.mergeTree(ctx, base, head)
	m := mergeResult{Tree: tree, Conflict: errors.Is(err, errConflict)}
	if err != nil && !m.Conflict {
		return m, err
	}
	f.merges[key] = m
	return m, nil
}

// mergeable is true, false, or nil once there is nothing to merge.
func (f *Forge) mergeable(ctx context.Context, s *state, p *pull) (mergeable any, word string, err error) {
	base := s.Refs[p.BaseRef]
	if p.State != "open" || base == "" {
		return nil, "unknown", nil
	}
	merged, err := f.mergeTree(ctx, base, p.HeadSHA)
	switch {
	case err != nil:
		return nil, "", err
	case merged.Conflict:
		return false, "dirty", nil
	case p.Draft:
		return true, "draft", nil
	case combined(s.statuses(p.HeadSHA)) != "success" && len(s.statuses(p.HeadSHA)) > 0:
		return true, "unstable", nil
	}
	return true, "clean", nil
}
