package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var stormBegan = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// storm is a cascade: one commit breaks payments, which ten services in three tiers, three namespaces and two clusters feel,
// and two incidents that have nothing to do with it.
type storm struct {
	signals int // of which 5 % are duplicates and 10 % are late
	pods    int // of each service
	seed    int64
	began   time.Time // zero: stormBegan
	faster  int       // than a storm of ten seconds; 0: as that
}

func (s storm) start() time.Time {
	if s.began.IsZero() {
		return stormBegan
	}
	return s.began
}

// lasting is a time in the storm.
func (s storm) lasting(d time.Duration) time.Duration { return d / time.Duration(max(s.faster, 1)) }

// tiers of services, of which each needs all those of the next tier that it names.
var stormNeeds = map[string][]string{
	"edge/web": {"shop/cart", "shop/search"}, "edge/mobile": {"shop/cart", "shop/checkout"}, "edge/partner": {"shop/checkout"},
	"shop/cart": {"data/payments"}, "shop/checkout": {"data/payments", "data/stock"}, "shop/search": {"data/stock"}, "shop/account": {"data/payments"},
	"data/payments": nil, "data/stock": {"data/payments"}, "data/ledger": {"data/payments"},
	"batch/report": nil, "ops/backup": nil, // the two others
}

func stormApp(path string) incident.Resource {
	var ns, name string
	for i := range path {
		if path[i] == '/' {
			ns, name = path[:i], path[i+1:]
		}
	}
	cluster := "prod-eu"
	if ns == "data" {
		cluster = "prod-data"
	}
	return incident.Resource{Cluster: cluster, Group: "apps", Version: "v1", Kind: "Deployment", Namespace: ns, Name: name}
}

func stormPod(path string, n int) incident.Resource {
	r := stormApp(path)
	r.Group, r.Kind, r.Name = "", "Pod", fmt.Sprintf("%s-6b7f9c8d5-p%04d", r.Name, n)
	return r
}

// line of a file for replay.
type stormLine struct {
	Type   string              `json:"type"`
	At     time.Time           `json:"at"`
	Signal *incident.Signal    `json:"signal,omitempty"`
	Upsert *incident.GraphItem `json:"upsert,omitempty"`
}

func (s storm) apps() []string {
	var list []string
	for app := range stormNeeds {
		list = append(list, app)
	}
	slices.Sort(list)
	return list
}

func (s storm) topology() []stormLine {
	var list []stormLine
	add := func(i incident.GraphItem) {
		list = append(list, stormLine{Type: "topology", At: s.start().Add(-time.Hour), Upsert: &i})
	}
	for _, app := range s.apps() {
		d := stormApp(app)
		n := incident.Node{Resource: d, Labels: map[string]string{"tier": d.Namespace, "owner": "team-" + d.Namespace}}
		if app == "data/payments" {
			n.Revision, n.ChangedAt = "9f3c1d2", s.start().Add(-3*time.Minute)
		}
		add(incident.GraphItem{Node: &n})
		svc := d
		svc.Group, svc.Kind = "", "Service"
		for p := range s.pods {
			pod := stormPod(app, p)
			add(incident.GraphItem{Edge: &incident.Edge{From: pod, To: d, Kind: incident.OwnedBy}})
			add(incident.GraphItem{Edge: &incident.Edge{From: svc, To: pod, Kind: incident.Selects}})
		}
		for _, on := range stormNeeds[app] {
			needed := stormApp(on)
			needed.Group, needed.Kind = "", "Service"
			add(incident.GraphItem{Edge: &incident.Edge{From: d, To: needed, Kind: incident.Calls}})
		}
	}
	return list
}

// delay of a service's first signal: by its distance from payments, in seconds.
func (s storm) delay(app string) float64 {
	if app == "data/payments" || len(stormNeeds[app]) == 0 {
		return 0
	}
	least := 100.0
	for _, on := range stormNeeds[app] {
		least = min(least, s.delay(on))
	}
	return least + 3
}

// arriving is a line, and when it comes.
type arriving struct {
	stormLine
	comes time.Time
}

// lines in the order of their arrival.
func (s storm) lines() []stormLine {
	list := s.topology()
	for _, a := range s.arrivals() {
		list = append(list, a.stormLine)
	}
	return list
}

// arrivals of signals, in order.
func (s storm) arrivals() []arriving {
	r := rand.New(rand.NewSource(s.seed))
	var all []arriving
	apps := s.apps()
	one := func(n int) incident.Signal {
		app := apps[n%len(apps)]
		pod := stormPod(app, n/len(apps)%s.pods)
		alert := []string{"HighErrorRate", "HighLatency", "ContainerOOMKilled"}[n/len(apps)/s.pods%3]
		starts := s.start().Add(s.lasting(time.Duration((s.delay(app) + r.Float64()) * float64(time.Second))))
		return incident.Signal{Source: "alertmanager", Name: alert, Status: incident.Firing, Severity: "critical", Subject: pod, Container: "app",
			Fingerprint: fmt.Sprintf("%s-%s-%d", pod.Name, alert, n/len(apps)/s.pods/3), StartsAt: starts.Truncate(time.Millisecond),
			Labels: map[string]string{"alertname": alert, "namespace": pod.Namespace, "pod": pod.Name, "severity": "critical"}}
	}
	for n := range s.signals - s.signals/20 {
		x := one(n)
		x.ID = incident.SignalID(x.Source, x.Fingerprint, x.Status, x.StartsAt, x.EndsAt)
		accepted := x.StartsAt.Add(s.lasting(time.Duration(500+r.Intn(3000)) * time.Millisecond))
		a := arriving{stormLine{Type: "signal", At: accepted, Signal: &x}, accepted}
		if r.Intn(10) == 0 {
			a.comes = accepted.Add(s.lasting(time.Duration(r.Intn(2000)) * time.Millisecond))
		}
		all = append(all, a)
	}
	for range s.signals / 20 {
		again := all[r.Intn(len(all))]
		again.At = again.At.Add(s.lasting(time.Duration(r.Intn(1500)) * time.Millisecond))
		again.comes = again.At
		all = append(all, again)
	}
	slices.SortStableFunc(all, func(a, b arriving) int { return a.comes.Compare(b.comes) })
	return all
}

func (s storm) write(w io.Writer) error {
	e := json.NewEncoder(w)
	for _, l := range s.lines() {
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	return nil
}
