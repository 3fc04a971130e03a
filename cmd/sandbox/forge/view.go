package forge

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// frame is what every page shows.
type frame struct {
	Title, Repo string
	Reviewer    string
	URL         string // of this server
	Refresh     string // the path to load again every 5 s; empty: none
}

func (f *Forge) frame(title string) frame {
	return frame{Title: title, Repo: f.opt.Owner + "/" + f.opt.Repo, Reviewer: f.opt.Reviewer, URL: f.opt.URL}
}

// pullHead is what every page says of a pull request first.
type pullHead struct {
	Number               int
	Title, Author        string
	Word                 string // Open, Merged, Closed, Draft
	HeadRef, BaseRef     string
	HeadSHA              string
	Labels               []string
	Path                 string
	Opened, By, LastWord string
}

func (f *Forge) headOf(p *pull) pullHead {
	h := pullHead{
		Number: p.Number, Title: p.Title, Author: p.Author, Word: "Open", HeadRef: p.HeadRef, BaseRef: p.BaseRef, HeadSHA: p.HeadSHA,
		Labels: p.Labels, Path: fmt.Sprintf("/%s/%s/pull/%d", f.opt.Owner, f.opt.Repo, p.Number), Opened: f.ago(p.CreatedAt),
	}
	switch {
	case p.MergedAt != nil:
		h.Word, h.By, h.LastWord = "Merged", p.MergedBy, f.ago(*p.MergedAt)
	case p.State == "closed":
		h.Word, h.By, h.LastWord = "Closed", p.ClosedBy, f.ago(*p.ClosedAt)
	case p.Draft:
		h.Word = "Draft"
	}
	return h
}

type indexView struct {
	frame
	Pulls        []indexPull // newest first
	Open, Closed int
	Clone        string
}

type indexPull struct {
	pullHead
	Checks   string // success, pending, failure or none
	Comments int
}

func (f *Forge) indexView(s *state) indexView {
	v := indexView{frame: f.frame("Pull requests"), Clone: f.wire.home() + ".git"}
	v.Refresh = "/"
	for _, p := range s.Pulls {
		one := indexPull{pullHead: f.headOf(p), Comments: len(p.Comments)}
		if st := s.statuses(p.HeadSHA); len(st) > 0 {
			one.Checks = combined(st)
		}
		if p.State == "open" {
			v.Open++
		} else {
			v.Closed++
		}
		v.Pulls = append(v.Pulls, one)
	}
	slices.Reverse(v.Pulls)
	return v
}

type deliveriesView struct {
	frame
	Webhook string
	List    []delivery
}

type commitsView struct {
	frame
	Pull pullHead
	List []commit
}

type pullView struct {
	frame
	Pull      pullHead
	Body      string
	Stat      diffStat
	Conflict  bool
	Checks    []status
	Summary   string // of the checks
	Reviewers []reviewerView
	Timeline  []entry
	Files     []*diffFile
	Cut       bool // the diff is too long to be shown whole
	MayReview bool // the reviewer is not the author
	Notice    string
}

// Live says whether anything can still change.
func (v pullView) Live() bool { return v.Pull.Word == "Open" || v.Pull.Word == "Draft" }

type reviewerView struct {
	Login, State string
	Stale        bool // the head has moved since
}

// entry is one thing that was said or that happened.
type entry struct {
	Kind                   string // comment, review, pushed, merged, closed, reopened
	Actor, Body, SHA, When string
	State                  string // of a review
	Stale                  bool
	at                     time.Time
	rank                   int
}

func (f *Forge) pullView(ctx context.Context, s *state, p *pull) (pullView, error) {
	v := pullView{frame: f.frame(fmt.Sprintf("%s · #%d", p.Title, p.Number)), Pull: f.headOf(p), MayReview: p.Author != f.opt.Reviewer}
	if p.Body != nil {
		v.Body = *p.Body
	}
	mergeable, _, err := f.mergeable(ctx, s, p)
	if err != nil {
		return v, err
	}
	v.Conflict = mergeable == false
	if v.Stat, err = f.stat(ctx, p); err != nil {
		return v, err
	}
	text, err := f.repo.diff(ctx, p.BaseSHA, p.HeadSHA)
	if err != nil {
		return v, err
	}
	v.Files, v.Cut = parseDiff(text)
	v.Checks = s.statuses(p.HeadSHA)
	slices.SortFunc(v.Checks, func(a, b status) int { return cmp.Compare(a.Context, b.Context) })
	v.Summary = checksSummary(v.Checks)
	v.Reviewers, v.Timeline = reviewers(p), f.timeline(p)
	return v, nil
}

func checksSummary(checks []status) string {
	counts := map[string]int{}
	for _, c := range checks {
		counts[c.State]++
	}
	switch {
	case counts["failure"]+counts["error"] > 0:
		return fmt.Sprintf("%d of %d failing", counts["failure"]+counts["error"], len(checks))
	case counts["pending"] > 0:
		return fmt.Sprintf("%d of %d waiting", counts["pending"], len(checks))
	}
	return "all passed"
}

// reviewers are each with the last word that counts.
func reviewers(p *pull) []reviewerView {
	var out []reviewerView
	for _, r := range slices.Backward(p.Reviews) {
		known := slices.ContainsFunc(out, func(v reviewerView) bool { return v.Login == r.Author })
		if !known && r.State != "COMMENTED" {
			out = append(out, reviewerView{Login: r.Author, State: r.State, Stale: r.CommitSHA != p.HeadSHA})
		}
	}
	return out
}

func (f *Forge) timeline(p *pull) []entry {
	var out []entry
	for _, c := range p.Comments {
		out = append(out, entry{Kind: "comment", Actor: c.Author, Body: c.Body, at: c.CreatedAt})
	}
	for _, r := range p.Reviews {
		out = append(out, entry{Kind: "review", Actor: r.Author, Body: r.Body, State: r.State, SHA: r.CommitSHA, Stale: r.CommitSHA != p.HeadSHA, at: r.At, rank: 1})
	}
	for _, e := range p.Events {
		out = append(out, entry{Kind: e.What, Actor: e.Actor, SHA: e.SHA, at: e.At, rank: 2})
	}
	slices.SortStableFunc(out, func(a, b entry) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.rank, b.rank)) })
	for i := range out {
		out[i].When = f.ago(out[i].at)
	}
	return out
}

// ago is a time as people say it.
func (f *Forge) ago(t time.Time) string {
	switch d := f.now().Sub(t); {
	case d < 5*time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d seconds ago", int(d.Seconds()))
	case d < 2*time.Minute:
		return "1 minute ago"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case t.UTC().Format(time.DateOnly) == f.now().UTC().Format(time.DateOnly):
		return "at " + t.UTC().Format("15:04 UTC")
	}
	return "on " + t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

// colour is one of eight, the same for the same name.
func colour(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum32() % 8
}

func initial(login string) string {
	r, _ := utf8.DecodeRuneInString(strings.ToUpper(login))
	return string(r)
}
