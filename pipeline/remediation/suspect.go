package remediation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	suspectAge   = 7 * 24 * time.Hour // older changes are no suspects
	maxLookedAt  = 12                 // suspects that are rendered
	maxSuspects  = 5                  // that are told
	maxPaths     = 20                 // of one
	historyAge   = 90 * 24 * time.Hour
	historyDepth = 20 // values of a field
	maxWanted    = 8  // questions of one plan
	maxSubject   = 200
)

// suspects are the commits before the incident that changed what its workloads are, the likeliest first.
func (p *Planner) suspects(ctx context.Context, inc incident.Incident, head string, files locate.Files) ([]incident.Suspect, error) {
	places := p.Make.Places(inc, files)
	if len(places) == 0 || inc.Onset.IsZero() {
		return nil, nil
	}
	found, err := p.Repo.Suspects(ctx, repo.SuspectQuery{Head: head, Onset: inc.Onset, Since: inc.Onset.Add(-suspectAge), Places: places})
	if err != nil {
		return nil, err
	}
	var out []incident.Suspect
	for _, f := range found[:min(len(found), maxLookedAt)] {
		s := suspect(f)
		known, err := p.look(ctx, inc, &s)
		if err != nil {
			return nil, err
		}
		if !known || len(s.Fields) > 0 { // else it changed a file, and nothing that is rendered of it
			out = append(out, s)
		}
	}
	incident.RankSuspects(out)
	return out[:min(len(out), maxSuspects)], nil
}

// look renders what the suspect changed.
func (p *Planner) look(ctx context.Context, inc incident.Incident, s *incident.Suspect) (known bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	parents, err := p.Repo.Parents(s.SHA)
	if err != nil || len(parents) == 0 { // the beginning of all
		return true, err
	}
	before, err := p.Repo.Snapshot(parents[0])
	if err != nil {
		return false, err
	}
	after, err := p.Repo.Snapshot(s.SHA)
	if err != nil {
		return false, err
	}
	r, fields, known := p.Make.Changed(inc, before, after)
	if s.Fields = fields; len(fields) == 0 {
		return known, nil
	}
	s.Resource, s.Distance = r, 1
	if r.Key() == inc.Root.Key() {
		s.Distance = 0
	}
	return known, nil
}

func suspect(f repo.Suspect) incident.Suspect {
	out := incident.Suspect{SHA: f.SHA, Subject: bounded(f.Subject), Author: bounded(f.Author.Name), When: f.When, Before: f.Before,
		Distance: f.Distance, Paths: f.Paths[:min(len(f.Paths), maxPaths)]}
	for _, m := range f.Merged[:min(len(f.Merged), maxSuspects)] {
		out.Merged = append(out.Merged, bounded(m.Author.Name))
	}
	return out
}

// bounded is what somebody wrote into a commit, cut.
func bounded(s string) string {
	s = strings.ToValidUTF8(s, "")
	if utf8.RuneCountInString(s) > maxSubject {
		return string([]rune(s)[:maxSubject]) + "…"
	}
	return s
}

// propose asks git for what the plan wants, until there is one.
func (p *Planner) propose(ctx context.Context, r PlanRequest) (incident.Proposal, error) {
	r.Histories, r.Reverts, r.Clashes = map[string][]repo.Value{}, map[string]repo.Reverted{}, map[string]error{}
	for range maxWanted {
		proposal, wanted, err := p.Make.Propose(r)
		if err != nil || wanted == (Wanted{}) {
			return proposal, err
		}
		if f := wanted.History; f != nil {
			values, err := p.Repo.FieldHistory(ctx, repo.FieldQuery{Head: r.BaseSHA, Field: *f, Last: historyDepth, Since: r.Began.Add(-historyAge)})
			if err != nil {
				return incident.Proposal{}, err
			}
			r.Histories[f.Path+" "+f.Name] = values
			continue
		}
		undo, err := p.Repo.Revert(ctx, wanted.Revert, r.BaseSHA)
		var clash *repo.Conflict
		switch {
		case errors.As(err, &clash):
			r.Clashes[wanted.Revert] = clash
		case err != nil && !errors.Is(err, repo.ErrNoChange):
			return incident.Proposal{}, err
		}
		r.Reverts[wanted.Revert] = undo
	}
	return incident.Proposal{}, fmt.Errorf("a plan asked git %d times, and still has no answer", maxWanted)
}
