package forge

import (
	"context"
	"maps"
	"slices"
	"time"
)

// noticeRefs compares the branches with what was last noticed and does what
// follows from it: push webhooks, pull requests whose head moved or went away,
// pull requests that are merged because their head has reached their base. The
// merge of the API is no other: it moves the base and calls this. Without a
// pusher (after a crash) the tip's author counts as one.
func (f *Forge) noticeRefs(ctx context.Context, s *state, pusher string) error {
	now, err := f.repo.refs(ctx)
	if err != nil {
		return err
	}
	before := s.Refs
	names := slices.Collect(maps.Keys(now))
	for name := range before {
		if _, ok := now[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(n string) bool { return before[n] == now[n] })
	s.Refs = now
	for _, name := range names {
		who := pusher
		if who == "" {
			if who, err = f.tipAuthor(ctx, now[name]); err != nil {
				return err
			}
		}
		if err := f.branchMoved(ctx, s, moved{branch: name, from: before[name], to: now[name], by: who}); err != nil {
			return err
		}
	}
	return nil
}

// moved is a branch that was created (from is empty), deleted (to is) or moved.
type moved struct{ branch, from, to, by string }

func (f *Forge) branchMoved(ctx context.Context, s *state, m moved) error {
	at := f.time()
	s.PushedAt = at
	push, err := f.pushPayload(ctx, s, m)
	if err != nil {
		return err
	}
	if err := f.emit(s, "push", "", push); err != nil {
		return err
	}
	for _, p := range s.Pulls {
		if p.State != "open" {
			continue
		}
		switch {
		case p.HeadRef == m.branch && m.to == "":
			err = f.closed(ctx, s, p, m.by, at)
		case p.HeadRef == m.branch:
			err = f.headMoved(ctx, s, p, m, at)
		case p.BaseRef == m.branch && m.to != "":
			err = f.baseMoved(ctx, s, p, m, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *Forge) headMoved(ctx context.Context, s *state, p *pull, m moved, at time.Time) error {
	p.HeadSHA, p.UpdatedAt = m.to, at
	if base := s.Refs[p.BaseRef]; base != "" {
		p.BaseSHA = base
	}
	p.Events = append(p.Events, event{At: at, Actor: m.by, What: "pushed", SHA: m.to})
	return f.emitPull(ctx, s, p, m.by, "synchronize", object{"before": m.from, "after": m.to})
}

func (f *Forge) baseMoved(ctx context.Context, s *state, p *pull, m moved, at time.Time) error {
	merged, err := f.repo.isAncestor(ctx, p.HeadSHA, m.to)
	if err != nil || !merged {
		return err
	}
	if p.MergeSHA, err = f.repo.firstWith(ctx, m.from, m.to, p.HeadSHA); err != nil {
		return err
	}
	p.State, p.UpdatedAt, p.ClosedAt, p.MergedAt, p.ClosedBy, p.MergedBy = "closed", at, &at, &at, m.by, m.by
	p.Events = append(p.Events, event{At: at, Actor: m.by, What: "merged", SHA: p.MergeSHA})
	return f.emitPull(ctx, s, p, m.by, "closed", nil)
}

func (f *Forge) closed(ctx context.Context, s *state, p *pull, by string, at time.Time) error {
	p.State, p.UpdatedAt, p.ClosedAt, p.ClosedBy = "closed", at, &at, by
	p.Events = append(p.Events, event{At: at, Actor: by, What: "closed"})
	return f.emitPull(ctx, s, p, by, "closed", nil)
}

func (f *Forge) tipAuthor(ctx context.Context, sha string) (string, error) {
	if sha == "" {
		return f.opt.Owner, nil
	}
	tip, err := f.repo.commits(ctx, "", sha, 1)
	if err != nil {
		return "", err
	}
	if len(tip) == 1 {
		if _, ok := f.opt.Users[tip[0].Author.Name]; ok {
			return tip[0].Author.Name, nil
		}
	}
	return f.opt.Owner, nil
}
