package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

// changing proposes to change one object.
type changing struct {
	remediation.Planning
	of     incident.Resource
	object string
}

func (c changing) Propose(context.Context, remediation.PlanRequest) (incident.Proposal, remediation.Wanted, error) {
	return incident.Proposal{Before: []incident.RenderedObject{{Resource: c.of, JSON: []byte(c.object)}}}, remediation.Wanted{}, nil
}

// TestOnlyTheScopeIsActedOn: what is out of it gets no plan, and is told why.
func TestOnlyTheScopeIsActedOn(t *testing.T) {
	t.Parallel()
	checkout := incident.Resource{Cluster: "prod", Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	other := func(change func(*incident.Resource)) incident.Resource { r := checkout; change(&r); return r }
	for name, c := range map[string]struct {
		root, changed incident.Resource
		scope         scope
		object, why   string
	}{
		"all that is watched":        {checkout, checkout, scope{}, `{}`, ""},
		"labelled":                   {checkout, checkout, scope{Selector: "cortexops.io/managed=true"}, `{"metadata":{"labels":{"cortexops.io/managed":"true"}}}`, ""},
		"not labelled":               {checkout, checkout, scope{Selector: "cortexops.io/managed=true"}, `{"metadata":{"labels":{"app":"checkout"}}}`, "has not the labels of scope.selector"},
		"labelled that it is not":    {checkout, checkout, scope{Selector: "cortexops.io/managed!=false"}, `{"metadata":{"labels":{"cortexops.io/managed":"false"}}}`, "has not the labels"},
		"a namespace":                {checkout, checkout, scope{Namespaces: []string{"shop"}}, `{}`, ""},
		"another namespace":          {checkout, checkout, scope{Namespaces: []string{"staging"}}, `{}`, "only the namespaces staging are acted on"},
		"it would change another's":  {checkout, other(func(r *incident.Resource) { r.Namespace = "staging" }), scope{Namespaces: []string{"shop"}}, `{}`, "would change Deployment staging/checkout"},
		"one that is not watched":    {other(func(r *incident.Resource) { r.Namespace = "kube-system" }), checkout, scope{}, `{}`, "only the namespaces shop, staging"},
		"another cluster":            {other(func(r *incident.Resource) { r.Cluster = "dev" }), checkout, scope{}, `{}`, `in the cluster "dev"`},
		"nothing that anybody named": {incident.Resource{}, checkout, scope{}, `{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var conf Config
			conf.Cluster, conf.Kubernetes.Namespaces, conf.Scope = "prod", []string{"shop", "staging"}, c.scope
			if err := conf.limits(); err != nil {
				t.Fatal(err)
			}
			_, _, err := conf.scoped(changing{of: c.changed, object: c.object}).Propose(t.Context(), remediation.PlanRequest{Incident: incident.Incident{Root: c.root}})
			var none *incident.NoPlan
			switch {
			case c.why == "" && err != nil:
				t.Error(err)
			case c.why != "" && (!errors.As(err, &none) || !strings.Contains(none.Why, c.why)):
				t.Errorf("%v, want %q", err, c.why)
			}
		})
	}
}

// TestNothingIsPlannedInAMaintenance of the own cluster, whoever has joined the incident, and whatever is maintained elsewhere.
func TestNothingIsPlannedInAMaintenance(t *testing.T) {
	t.Parallel()
	night := time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		window maintenance
		want   bool
	}{
		"ours":             {maintenance{Namespace: "shop"}, true},
		"ours by its name": {maintenance{Cluster: "prod"}, true},
		"another's":        {maintenance{Cluster: "dev"}, false},
		"broken out since": {maintenance{Namespace: "shop"}, false},
	} {
		var c Config
		tc.window.From, tc.window.To, tc.window.Reason = night, night.Add(time.Hour), "upgrade"
		c.Cluster, c.Kubernetes.Namespaces, c.Maintenance = "prod", []string{"shop"}, []maintenance{tc.window}
		root := incident.Resource{Cluster: "prod", Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
		i := incident.Incident{Root: root, Onset: night.Add(time.Minute)}
		if name == "broken out since" {
			i.Reopened, i.Signals = 1, []incident.Signal{{Status: incident.Firing, StartsAt: night.Add(2 * time.Hour)}}
		}
		_, _, err := c.scoped(changing{of: root, object: `{}`}).Propose(t.Context(), remediation.PlanRequest{Incident: i})
		if (err != nil) != tc.want || tc.want && !strings.Contains(err.Error(), "it began in a maintenance: upgrade") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAScopeThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	night := time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC)
	for name, change := range map[string]func(*Config){
		"selector":                 func(c *Config) { c.Scope.Selector = "a in (" },
		"namespace":                func(c *Config) { c.Scope.Namespaces = []string{"elsewhere"} },
		"maintenance that is over": func(c *Config) { c.Maintenance = []maintenance{{From: night, To: night.Add(-1), Reason: "x"}} },
		"without a reason":         func(c *Config) { c.Maintenance = []maintenance{{From: night, To: night.Add(1)}} },
	} {
		var c Config
		c.Kubernetes.Namespaces = []string{"shop"}
		if change(&c); c.limits() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
