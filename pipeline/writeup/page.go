package writeup

import (
	"fmt"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Page is what a person is called with: what was tried, how it ended, and where to look. workflow is the address of the workflow's
// page, empty where there is none. p has no key where nothing was planned.
func (Writer) Page(key incident.Key, target string, p incident.Proposal, c incident.Change, o incident.Outcome, workflow string) incident.Page {
	page := incident.Page{Incident: key.Incident, Summary: fmt.Sprintf("%s %s: %s", o.Phase, target, line(o.Reason)), Severity: "error", Source: target,
		Component: target, Class: string(o.Phase), Details: map[string]string{"ending": string(o.Phase), "reason": line(o.Reason), "incident": key.Incident,
			"workflow": key.Workflow(), "try again": key.Retry()}}
	if p.Key != (incident.Key{}) {
		root := p.Incident.Root
		page.Source, page.Component, page.Group = root.Cluster, root.String(), root.Namespace
		page.Summary = fmt.Sprintf("%s %s: %s", o.Phase, root, line(o.Reason))
		page.Severity = severity(p.Playbook.Risk)
		page.Details["playbook"], page.Details["risk"], page.Details["change"] = p.Playbook.Name, p.Playbook.Risk, subject(p)
		page.Details["cause"], page.Details["who is hit"] = line(p.Advisory.Cause), fmt.Sprintf("%d pods, %d services", p.Incident.Blast.Pods, len(p.Incident.Blast.Services))
	}
	if c.URL != "" {
		page.Links = append(page.Links, incident.Link{Href: c.URL, Text: fmt.Sprintf("Pull request #%d", c.Number)})
	}
	if workflow != "" {
		page.Links = append(page.Links, incident.Link{Href: workflow, Text: "Workflow " + key.Workflow()})
	}
	return page
}

// severity of a call, by the risk of what was tried.
func severity(risk string) string {
	switch risk {
	case "low":
		return "warning"
	case "high":
		return "critical"
	}
	return "error"
}
