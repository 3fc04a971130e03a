package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/google/uuid"
)

// emit puts a webhook into the outbox; it is stored with the change that it tells of.
func (f *Forge) emit(s *state, name, action string, payload object) error {
	if f.opt.Webhook == "" {
		return nil
	}
	b, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("encode a webhook: %w", err)
	}
	s.Outbox = append(s.Outbox, delivery{ID: s.nextID(), GUID: uuid.NewString(), Event: name, Action: action, At: f.time(), Payload: b})
	return nil
}

func (f *Forge) emitPull(ctx context.Context, s *state, p *pull, actor, action string, more object) error {
	full, err := f.pullFull(ctx, s, p)
	if err != nil {
		return err
	}
	payload := object{
		"action": action, "number": p.Number, "pull_request": full,
		"repository": f.wire.repository(s), "organization": f.wire.organization(), "sender": f.wire.user(actor),
	}
	maps.Copy(payload, more)
	return f.emit(s, "pull_request", action, payload)
}

func (f *Forge) emitReview(s *state, p *pull, r review) error {
	rev := f.wire.review(p, r)
	rev["state"] = strings.ToLower(r.State) // in webhooks, and only there
	return f.emit(s, "pull_request_review", "submitted", object{
		"action": "submitted", "review": rev, "pull_request": f.wire.pullSimple(s, p),
		"repository": f.wire.repository(s), "organization": f.wire.organization(), "sender": f.wire.user(r.Author),
	})
}

func (f *Forge) emitComment(s *state, p *pull, c comment) error {
	one := f.wire.comment(p, c)
	one["reactions"] = f.wire.reactions(one["url"])
	return f.emit(s, "issue_comment", "created", object{
		"action": "created", "issue": f.wire.issue(s, p), "comment": one,
		"repository": f.wire.repository(s), "organization": f.wire.organization(), "sender": f.wire.user(c.Author),
	})
}

// issue is the side of a pull request that comments belong to.
func (w wire) issue(s *state, p *pull) object {
	api, pull := fmt.Sprintf("%s/issues/%d", w.base(), p.Number), w.pullSimple(s, p)
	o := object{
		"url": api, "repository_url": w.base(), "labels_url": api + "/labels{/name}", "comments_url": api + "/comments", "events_url": api + "/events",
		"comments": len(p.Comments), "reactions": w.reactions(api),
		"pull_request": object{"url": pull["url"], "html_url": pull["html_url"], "diff_url": pull["diff_url"], "patch_url": pull["patch_url"], "merged_at": pull["merged_at"]},
	}
	for _, same := range []string{"html_url", "id", "node_id", "number", "title", "user", "assignee", "assignees", "milestone", "created_at", "updated_at",
		"closed_at", "author_association", "active_lock_reason", "body", "labels", "state", "locked"} {
		o[same] = pull[same]
	}
	return o
}

// reactions are none: nobody can react here.
func (w wire) reactions(of any) object {
	return object{"url": fmt.Sprintf("%v/reactions", of), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0}
}

func (w wire) organization() object {
	api := w.api + "/orgs/" + w.owner
	return object{
		"login": w.owner, "id": ownerID, "node_id": fmt.Sprintf("O_%d", ownerID), "url": api, "repos_url": api + "/repos",
		"events_url": api + "/events", "hooks_url": api + "/hooks", "issues_url": api + "/issues",
		"members_url": api + "/members{/member}", "public_members_url": api + "/public_members{/member}",
		"avatar_url": w.url + "/" + w.owner + ".png", "description": nil,
	}
}

const maxPushCommits = 20

func (f *Forge) pushPayload(ctx context.Context, s *state, m moved) (object, error) {
	o := object{
		"ref": "refs/heads/" + m.branch, "before": orZero(m.from), "after": orZero(m.to), "base_ref": nil,
		"created": m.from == "", "deleted": m.to == "", "forced": false, "commits": []object{}, "head_commit": nil,
		"compare":    fmt.Sprintf("%s/compare/%.12s...%.12s", f.wire.home(), orZero(m.from), orZero(m.to)),
		"repository": f.wire.repository(s), "organization": f.wire.organization(), "sender": f.wire.user(m.by),
		"pusher": object{"name": m.by, "email": f.wire.email(m.by)},
	}
	if m.to == "" {
		return o, nil
	}
	from := m.from
	if from == "" {
		if from = s.Refs["main"]; from == m.to {
			from = ""
		}
	} else {
		kept, err := f.repo.isAncestor(ctx, m.from, m.to)
		if err != nil {
			return nil, err
		}
		o["forced"] = !kept
	}
	commits, err := f.repo.commits(ctx, from, m.to, maxPushCommits)
	if err != nil {
		return nil, err
	}
	list := []object{}
	for _, c := range commits {
		one, err := f.pushCommit(ctx, c)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	o["commits"] = list
	tip, err := f.repo.commits(ctx, "", m.to, 1)
	if err != nil || len(tip) == 0 {
		return nil, fmt.Errorf("read the pushed commit %s: %w", m.to, err)
	}
	o["head_commit"], err = f.pushCommit(ctx, tip[0])
	return o, err
}

func orZero(sha string) string {
	if sha == "" {
		return noSHA
	}
	return sha
}

func (f *Forge) pushCommit(ctx context.Context, c commit) (object, error) {
	added, removed, modified, err := f.repo.touched(ctx, c.SHA)
	if err != nil {
		return nil, err
	}
	person := func(s signature) object {
		o := object{"name": s.Name, "email": s.Email}
		if _, ok := f.opt.Users[s.Name]; ok {
			o["username"] = s.Name
		}
		return o
	}
	return object{
		"id": c.SHA, "tree_id": c.Tree, "distinct": true, "message": c.Message, "timestamp": stamp(c.Committer.When),
		"url": f.wire.home() + "/commit/" + c.SHA, "author": person(c.Author), "committer": person(c.Committer),
		"added": added, "removed": removed, "modified": modified,
	}, nil
}
