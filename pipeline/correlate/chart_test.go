package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// chart is a small graph: who depends on whom, by key, and what was rolled out.
type chart struct {
	needs    map[incident.Resource][]incident.Resource
	rollouts map[incident.Resource]incident.Rollout
}

func (c *chart) Owner(r incident.Resource) (incident.Resource, bool) {
	name, _, found := strings.Cut(r.Name, "-")
	if r.Kind != "Pod" || !found {
		return incident.Resource{}, false
	}
	return incident.Resource{Cluster: r.Cluster, Group: "apps", Version: "v1", Kind: "Deployment", Namespace: r.Namespace, Name: name}, true
}

func (c *chart) Near(r incident.Resource) []incident.Neighbour {
	hops := map[incident.Neighbour]bool{}
	var walk func(at incident.Resource, n int, up bool)
	walk = func(at incident.Resource, n int, up bool) {
		if n > 3 {
			return
		}
		for from, list := range c.needs {
			for _, to := range list {
				switch {
				case up && from == at:
					hops[incident.Neighbour{Resource: to, Hops: n, Upstream: true}] = true
					walk(to, n+1, up)
				case !up && to == at:
					hops[incident.Neighbour{Resource: from, Hops: n}] = true
					walk(from, n+1, up)
				}
			}
		}
	}
	walk(r, 1, true)
	walk(r, 1, false)
	var list []incident.Neighbour
	for n := range hops {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b incident.Neighbour) int {
		return cmp.Or(cmp.Compare(a.Hops, b.Hops), strings.Compare(a.Resource.Key(), b.Resource.Key()))
	})
	return list
}

func (c *chart) Rollout(r incident.Resource) incident.Rollout { return c.rollouts[r] }

func (c *chart) Blast(r incident.Resource) incident.BlastRadius {
	return incident.BlastRadius{Pods: len(r.Name)}
}

func (c *chart) Digest() string { return fmt.Sprint(len(c.needs), len(c.rollouts)) }

// in another namespace or cluster, by NAME, NAMESPACE/NAME or CLUSTER/NAMESPACE/NAME.
func app(name string) incident.Resource {
	r := deployment(name)
	f := strings.Split(name, "/")
	r.Name = f[len(f)-1]
	if len(f) > 1 {
		r.Namespace = f[len(f)-2]
	}
	if len(f) > 2 {
		r.Cluster = f[0]
	}
	return r
}

// line makes a chart in which each needs the next.
func line(names ...string) *chart {
	c := &chart{needs: map[incident.Resource][]incident.Resource{}, rollouts: map[incident.Resource]incident.Rollout{}}
	for i := range names[1:] {
		c.needs[app(names[i])] = append(c.needs[app(names[i])], app(names[i+1]))
	}
	return c
}

func (c *chart) and(names ...string) *chart {
	for from, to := range line(names...).needs {
		c.needs[from] = append(c.needs[from], to...)
	}
	return c
}

func (c *chart) changed(name, revision string, when float64) *chart {
	c.rollouts[app(name)] = incident.Rollout{Revision: revision, At: at(when)}
	return c
}

// on is fire for an app of any namespace and cluster.
func on(alert, name string, starts, accepted float64) incident.Signal {
	r := app(name)
	s := fire(alert, r.Name+"-1", starts, accepted)
	s.Subject.Namespace, s.Subject.Cluster = r.Namespace, r.Cluster
	s.Fingerprint = alert + name
	s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
	return s
}

func announcing(g Graph) *Joiner {
	return NewJoiner(JoinerOptions{Graph: g, Settle: settle, Announce: true, Tell: time.Second})
}

func joiner(g Graph) *Joiner { return NewJoiner(JoinerOptions{Graph: g, Settle: settle}) }

// final is the last revision of each incident that was sealed, as text.
func final(revisions []Revision) string {
	last := map[string]incident.Incident{}
	for _, r := range revisions {
		if r.State != incident.Provisional {
			last[r.ID] = r.Incident
		}
	}
	var lines []string
	for _, i := range last {
		var members []string
		for _, m := range i.Members {
			members = append(members, fmt.Sprintf("%s/%s(%d)", m.Resource.Namespace, m.Resource.Name, m.Signals))
		}
		slices.Sort(members[1:])
		lines = append(lines, fmt.Sprintf("%s %s %s onset %v sealed %v again %d: %s", i.ID, i.State, i.Root.Name, i.Onset.Sub(t0), i.SealedAt.Sub(t0), i.Reopened, strings.Join(members, " ")))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// said leaves the IDs and times out.
func said(revisions []Revision) string {
	var lines []string
	for _, l := range strings.Split(final(revisions), "\n") {
		f := strings.Fields(l)
		if len(f) > 8 {
			lines = append(lines, f[2]+" "+f[1]+": "+strings.Join(f[9:], " "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}
