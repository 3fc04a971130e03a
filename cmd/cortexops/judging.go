package main

import (
	"fmt"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/approval"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

// judging is the pure rule of approval, fed with what the forge says. Who may not push neither approves nor blocks.
func judging(bot string) remediation.Judging {
	return func(in remediation.JudgeInput, p forge.Pull, reviews []forge.Review) remediation.Judgement {
		if p.BaseRef != in.Change.Base {
			why := fmt.Sprintf("It was retargeted to %s; %s was proposed.", p.BaseRef, in.Change.Base)
			return remediation.Judgement{State: "voided", Why: why, Refused: refuse(in.Clicks, func(incident.Action) string { return why })}
		}
		state := approval.PullState(p.State)
		if p.Merged {
			state = approval.Merged
		}
		q := approval.In{Change: in.Change, Bot: bot, Needed: in.People, Among: in.Among, Deadline: in.Deadline, Now: in.Now,
			Pull: approval.Pull{State: state, HeadSHA: p.HeadSHA, MergedBy: p.MergedBy, MergeSHA: p.MergeSHA, ClosedAt: p.ClosedAt, ClosedBy: p.ClosedBy}}
		refused := refuse(in.Clicks, func(click incident.Action) string { return approval.Refuse(click, q) })
		for _, click := range in.Clicks {
			if click.HeadSHA != in.Change.HeadSHA || click.Number != in.Change.Number {
				continue // of a message about something else
			}
			if click.Kind == incident.Reject && !click.AcceptedAt.After(in.Deadline) && !p.Merged {
				return remediation.Judgement{State: "rejected", By: []string{click.Actor}, Shut: true, Why: rejection(click), Refused: refused}
			}
			if click.Kind == incident.Approve {
				q.Reviews = append(q.Reviews, approval.Review{User: click.Actor, State: approval.Approved, CommitSHA: click.HeadSHA, SubmittedAt: click.AcceptedAt})
			}
		}
		for _, r := range reviews {
			if !r.MayWrite {
				continue
			}
			q.Reviews = append(q.Reviews, approval.Review{User: r.User, State: approval.ReviewState(r.State), CommitSHA: r.CommitSHA, SubmittedAt: r.SubmittedAt})
		}
		out := approval.Judge(q)
		seen := remediation.Judgement{State: string(out.State), By: out.By, Why: out.Why, Refused: refused}
		if p.Merged {
			seen.Merge = p.MergeSHA // an open one has the SHA of a trial merge here
		}
		return seen
	}
}

// refuse is about what was clicked on Slack: comments are answered where they stand.
func refuse(clicks []incident.Action, why func(incident.Action) string) (list []remediation.Refusal) {
	for _, click := range clicks {
		if click.Via != incident.ViaSlack {
			continue
		}
		if no := why(click); no != "" {
			list = append(list, remediation.Refusal{Click: click, Why: no})
		}
	}
	return list
}

func rejection(click incident.Action) string {
	why := click.Actor + " rejected it"
	if click.Via == incident.ViaSlack {
		why += " on Slack"
	}
	if click.Reason != "" {
		why += ": " + click.Reason
	}
	return why
}
