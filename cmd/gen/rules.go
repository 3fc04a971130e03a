package main

import (
	"bytes"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// How long a condition must hold before somebody hears of it. Short: a remediation lasts minutes, not hours. Long enough
// for a restart (half a minute) and for four scrapes at the usual 15 s.
const (
	soon  = "1m"
	later = "2m" // of what heals by itself when traffic ebbs
)

const runbooks = "https://github.com/cortexops/cortexops/blob/main/docs/runbooks/"

// alert is one alert rule.
type alert struct {
	name                 string
	why                  string // the threshold and the duration; a comment in the files
	expr                 string
	holds                string // soon, later, or "" where one occurrence is enough
	severity             string // critical: somebody is woken; warning: somebody looks today
	component            string // to look at first; "" where the expression has that label itself, or none is suspect
	summary, description string // Go templates of Prometheus
}

var alerts = []alert{
	{
		name: "CortexOpsBusBacklog",
		why: "Signals and folds go through by the ten thousand in a second: 5000 of them for two minutes is more than a storm, or nobody " +
			"reads. Actions and incidents are handled one by one in milliseconds: one that is there at every evaluation for two " +
			"minutes, and not put off on purpose, is not being handled.",
		expr: `max by (stream) (cortexops_bus_pending{stream=~"SIGNALS|FOLDS"}) > 5000
or
max by (stream) (cortexops_bus_pending{stream!~"SIGNALS|FOLDS"}) - sum by (stream) (cortexops_bus_postponed) > 0`,
		holds: later, severity: "warning", component: "nats",
		summary:     "{{ $value }} message(s) of {{ $labels.stream }} wait in NATS",
		description: "Look at NATS first, then at what reads the stream. Nothing is lost, but incidents start late, and a full SIGNALS drops its oldest.",
	},
	{
		name: "CortexOpsBusPublishSlow",
		why: "A publish takes about a millisecond and is given up after 5 s, when the webhook answers 503. Half a second is a tenth of that " +
			"patience and far beyond one fsync.",
		expr:  `histogram_quantile(0.99, sum by (le, stream) (rate(cortexops_bus_publish_seconds_bucket[2m]))) > 0.5`,
		holds: soon, severity: "warning", component: "nats",
		summary:     "NATS takes {{ $value | humanizeDuration }} to store a message of {{ $labels.stream }} (p99)",
		description: "From 5 s on webhooks are answered with 503 and their senders must try again. Look at the disk and the load of NATS.",
	},
	{
		name: "CortexOpsBusFilling",
		why: "ACTIONS and INCIDENTS drop nothing for 30 days. At four fifths of 256 MiB there is room for some fifty of the largest incidents; " +
			"when it is full no signals are taken, which CortexOpsComponentDown then says of the component streams.",
		expr:  `max by (stream) (cortexops_bus_used_ratio) > 0.8`,
		holds: later, severity: "warning", component: "nats",
		summary:     "{{ $labels.stream }} is full to {{ $value | humanizePercentage }}",
		description: "When it is full it refuses, and webhooks are answered with 503 until there is room. Let its oldest messages go before that.",
	},
	{
		name: "CortexOpsEventsDropped",
		why: "One dropped signal is one too many: what was accepted should have been seen. The second half is for a process that finds the " +
			"gap when it starts: a counter that appears at 7 has not increased, as Prometheus sees it. Five minutes keep the alert up " +
			"long enough to be read.",
		expr: `sum(increase(cortexops_events_dropped_total[5m])) > 0
or
sum(cortexops_events_dropped_total unless cortexops_events_dropped_total offset 5m) > 0`,
		severity: "critical", component: "nats",
		summary:     "About {{ $value | humanize }} signals were dropped in 5 minutes before CortexOps had handled them",
		description: "The stream SIGNALS was full and let go of its oldest. Incidents may be missing; alerts that still fire come again by themselves.",
	},
	{
		name: "CortexOpsApprovalStuck",
		why: "Playbooks give people 15 minutes by default. At 10 nobody has decided and there are 5 left; beyond 15 it should have expired, " +
			"so that it is the workflow which does not move.",
		expr:  `max by (phase) (cortexops_remediation_oldest_seconds{phase="APPROVAL_PENDING"}) > 600`,
		holds: soon, severity: "warning",
		summary:     "A remediation has waited for its approval for {{ $value | humanizeDuration }}",
		description: "Nobody has decided on its pull request, or the decision is not seen. When its time is over it ends EXPIRED and the incident stays open.",
	},
	{
		name: "CortexOpsDryRunLooping",
		why: "A dry-run takes about a second and one attempt is cut off at 2 minutes, so that an older one is being tried again and again or " +
			"waits for a permission.",
		expr:  `max by (phase) (cortexops_remediation_oldest_seconds{phase="DRY_RUNNING"}) > 120`,
		holds: soon, severity: "warning", component: "kubernetes",
		summary:     "A dry-run has not succeeded for {{ $value | humanizeDuration }}",
		description: "The API server is away, refuses the object, or CortexOps lacks a permission: the workflow says which. No pull request is opened meanwhile.",
	},
	{
		name: "CortexOpsComponentDown",
		why: "Components are asked every 2 s, so that a minute is some 30 refusals in a row; Slack and the language model once a minute, but " +
			"nothing waits for them. No such metric of serve, or of work, means that there is no such process, or that it is not scraped.",
		expr: `min by (component) (cortexops_component_up) == 0
or
label_replace(absent(cortexops_events_ingested_total), "component", "serve", "", "")
or
label_replace(absent(cortexops_component_up{component="ledger"}), "component", "work", "", "")`,
		holds: soon, severity: `{{ if match "^(brakes|clusters|graph|llm|policy-source|slack)$" $labels.component }}warning{{ else }}critical{{ end }}`,
		summary:     "No answer from {{ $labels.component }}",
		description: "What needs it waits and goes on by itself afterwards. /debug/healthz says since when and with which error.",
	},
	{
		name: "CortexOpsRemediationFailed",
		why: "Every one of them leaves an incident open for a person. The second half is for the first ending of its kind: a counter that " +
			"appears at 1 has not increased, as Prometheus sees it. Ten minutes keep the alert up long enough to be read.",
		expr: `sum by (phase, playbook) (increase(cortexops_remediations_total{phase=~"FAILED|ESCALATED|ROLLED_BACK"}[10m])) > 0
or
sum by (phase, playbook) (
  cortexops_remediations_total{phase=~"FAILED|ESCALATED|ROLLED_BACK"}
  unless
  cortexops_remediations_total{phase=~"FAILED|ESCALATED|ROLLED_BACK"} offset 10m
) > 0`,
		severity:    "warning",
		summary:     "A remediation ended {{ $labels.phase }}{{ with $labels.playbook }} (playbook {{ . }}){{ end }}",
		description: "The incident is still open and needs a person. Its pull request and the ledger say what was tried and why it ended.",
	},
}

type ruleGroups struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name  string      `yaml:"name"`
	Rules []yaml.Node `yaml:"rules"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// rule has the label app by which Alertmanager keeps alerts about CortexOps from being sent to CortexOps.
func (a alert) rule() rule {
	r := rule{Alert: a.name, Expr: a.expr, For: a.holds, Labels: map[string]string{"app": "cortexops", "severity": a.severity},
		Annotations: map[string]string{"summary": a.summary, "description": a.description, "runbook_url": runbooks + a.name + ".md"}}
	if a.component != "" {
		r.Labels["component"] = a.component
	}
	return r
}

// groups are the rules, each with its reason as a comment above it.
func groups() (ruleGroups, error) {
	out := ruleGroup{Name: "cortexops"}
	for _, a := range alerts {
		var n yaml.Node
		if err := n.Encode(a.rule()); err != nil {
			return ruleGroups{}, fmt.Errorf("encode alert %s: %w", a.name, err)
		}
		n.HeadComment = wrapped(a.why, 116)
		out.Rules = append(out.Rules, n)
	}
	return ruleGroups{[]ruleGroup{out}}, nil
}

// wrapped breaks text at spaces, each line a comment of about width.
func wrapped(text string, width int) string {
	var b bytes.Buffer
	column := 0
	for _, word := range bytes.Fields([]byte(text)) {
		switch {
		case column == 0:
			b.WriteByte('#')
			column = 1
		case column+1+len(word) > width:
			b.WriteString("\n#")
			column = 1
		}
		b.WriteByte(' ')
		b.Write(word)
		column += 1 + len(word)
	}
	return b.String()
}

func rulesYAML() ([]byte, error) {
	g, err := groups()
	if err != nil {
		return nil, err
	}
	return encoded(g)
}

// prometheusRuleYAML is the same for the Prometheus operator.
func prometheusRuleYAML() ([]byte, error) {
	g, err := groups()
	if err != nil {
		return nil, err
	}
	return encoded(struct {
		APIVersion string         `yaml:"apiVersion"`
		Kind       string         `yaml:"kind"`
		Metadata   map[string]any `yaml:"metadata"`
		Spec       ruleGroups     `yaml:"spec"`
	}{"monitoring.coreos.com/v1", "PrometheusRule", map[string]any{"name": "cortexops", "labels": map[string]string{"app.kubernetes.io/name": "cortexops"}}, g})
}

func encoded(v any) ([]byte, error) {
	b := bytes.NewBufferString("# Generated by cmd/gen from cmd/gen/rules.go: change it there and run `make generate`.\n")
	e := yaml.NewEncoder(b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(v), e.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
