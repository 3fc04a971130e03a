package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

// scope is what may be acted on. All else ends ADVISED.
type scope struct {
	// Namespaces, of those that are watched. Empty: all of these.
	Namespaces []string `yaml:"namespaces"`
	// Selector of the labels that each changed object must have in git, as kubectl's --selector. Empty: none are asked for.
	Selector string `yaml:"selector"`
}

// maintenance is a time in which people work on something: what breaks then is told, and nothing acts on it.
type maintenance struct {
	// Cluster; empty: our own.
	Cluster string `yaml:"cluster"`
	// Namespace; empty: the whole cluster.
	Namespace string    `yaml:"namespace"`
	From      time.Time `yaml:"from"`
	To        time.Time `yaml:"to"`
	// Reason is shown to people.
	Reason string `yaml:"reason"`
}

func (c *Config) windows() []correlate.Window {
	var list []correlate.Window
	for _, m := range c.Maintenance {
		list = append(list, correlate.Window{Cluster: cmp.Or(m.Cluster, c.Cluster), Namespace: m.Namespace, From: m.From, To: m.To, Reason: m.Reason})
	}
	return list
}

// limits reports what is wrong with the scope and the maintenance windows.
func (c *Config) limits() error {
	if _, err := labels.Parse(c.Scope.Selector); err != nil {
		return fmt.Errorf("scope.selector: %w", err)
	}
	for _, ns := range c.Scope.Namespaces {
		if !slices.Contains(c.Kubernetes.Namespaces, ns) {
			return fmt.Errorf("scope.namespaces: %s is not one of kubernetes.namespaces", ns)
		}
	}
	for i, m := range c.Maintenance {
		if m.From.IsZero() || !m.To.After(m.From) || m.Reason == "" {
			return fmt.Errorf("maintenance[%d] needs from, a later to, such as 2026-03-02T22:00:00Z, and a reason", i)
		}
	}
	return nil
}

// scoped plans nothing for what may not be acted on, and says so.
type scoped struct {
	remediation.Planning
	cluster    string
	namespaces []string
	selector   labels.Selector
	windows    []correlate.Window // whoever joins may not know of ours
}

func (c *Config) scoped(planning remediation.Planning) scoped {
	s := scoped{Planning: planning, cluster: c.Cluster, namespaces: c.Scope.Namespaces, windows: c.windows()}
	var err error
	if s.selector, err = labels.Parse(c.Scope.Selector); err != nil { // which loading the configuration has refused
		s.selector = labels.Nothing()
	}
	if len(s.namespaces) == 0 {
		s.namespaces = c.Kubernetes.Namespaces
	}
	return s
}

func (s scoped) Propose(ctx context.Context, r remediation.PlanRequest) (incident.Proposal, remediation.Wanted, error) {
	none := func(format string, args ...any) (incident.Proposal, remediation.Wanted, error) {
		return incident.Proposal{}, remediation.Wanted{}, &incident.NoPlan{Why: "out of scope: " + fmt.Sprintf(format, args...)}
	}
	switch root := r.Incident.Root; {
	case root.IsZero():
	case root.Cluster != s.cluster:
		return none("it is in the cluster %q, and this instance acts on %q only", root.Cluster, s.cluster)
	case !slices.Contains(s.namespaces, root.Namespace):
		return none("only the namespaces %s are acted on", strings.Join(s.namespaces, ", "))
	}
	for _, w := range s.windows {
		if w.Covers(r.Incident.Root, began(r.Incident)) {
			return none("it began in a maintenance: %s", w.Reason)
		}
	}
	p, wanted, err := s.Planning.Propose(ctx, r)
	if err != nil {
		return p, wanted, err
	}
	for _, o := range p.Before {
		if !slices.Contains(s.namespaces, o.Resource.Namespace) {
			return none("playbook %s would change %s, and only the namespaces %s are acted on", p.Playbook.Name, o.Resource, strings.Join(s.namespaces, ", "))
		}
		var meta metav1.PartialObjectMetadata
		if err := json.Unmarshal(o.JSON, &meta); err != nil {
			return none("the labels of %s cannot be read: %v", o.Resource, err)
		}
		if !s.selector.Matches(labels.Set(meta.Labels)) {
			return none("%s has not the labels of scope.selector: %s", o.Resource, s.selector)
		}
	}
	return p, wanted, nil
}

// began is when the incident did, or its latest outbreak: what breaks out again after a maintenance is not people's work any more.
func began(i incident.Incident) time.Time {
	at := i.Onset
	for _, s := range i.Signals {
		if i.Reopened > 0 && s.Status == incident.Firing && s.StartsAt.After(at) {
			at = s.StartsAt
		}
	}
	return at
}
