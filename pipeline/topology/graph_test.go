package topology

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var midday = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func of(kind, name string) incident.Resource {
	r := incident.Resource{Cluster: "prod", Version: "v1", Kind: kind, Namespace: "shop", Name: name}
	if kind == "Deployment" || kind == "ReplicaSet" || kind == "StatefulSet" {
		r.Group = "apps"
	}
	if kind == "Node" {
		r.Namespace = ""
	}
	return r
}

func put(n incident.Node) incident.GraphChange {
	return incident.GraphChange{At: midday, Upsert: &incident.GraphItem{Node: &n}}
}

func bind(from, to incident.Resource, kind incident.EdgeKind) incident.GraphChange {
	return incident.GraphChange{At: midday, Upsert: &incident.GraphItem{Edge: &incident.Edge{From: from, To: to, Kind: kind}}}
}

func remove(r incident.Resource) incident.GraphChange {
	return incident.GraphChange{At: midday, Delete: &incident.GraphItem{Node: &incident.Node{Resource: r}}}
}

// workload is a Deployment with its ReplicaSet, pods on nodes, and a Service before them.
func workload(name, tier string, pods int) []incident.GraphChange {
	d, rs, svc := of("Deployment", name), of("ReplicaSet", name+"-5d9"), of("Service", name)
	list := []incident.GraphChange{put(incident.Node{Resource: d, Labels: map[string]string{"tier": tier, "owner": "team-" + tier}}),
		put(incident.Node{Resource: rs}), put(incident.Node{Resource: svc}), bind(rs, d, incident.OwnedBy)}
	for i := range pods {
		pod, machine := of("Pod", fmt.Sprintf("%s-5d9-%d", name, i)), of("Node", fmt.Sprintf("node-%d", i))
		list = append(list, put(incident.Node{Resource: pod}), put(incident.Node{Resource: machine}), bind(pod, rs, incident.OwnedBy),
			bind(svc, pod, incident.Selects), bind(machine, pod, incident.Runs))
	}
	return list
}

// shop: an ingress leads to web, which calls api, which depends on db by its annotation; api's pods read a ConfigMap.
func shop() []incident.GraphChange {
	list := slices.Concat(workload("web", "front", 2), workload("api", "middle", 2), workload("db", "back", 1))
	return append(list,
		bind(of("Ingress", "shop"), of("Service", "web"), incident.Routes), put(incident.Node{Resource: of("Ingress", "shop")}),
		bind(of("Deployment", "web"), of("Service", "api"), incident.Calls),
		put(incident.Node{Resource: of("Deployment", "api"), Labels: map[string]string{"tier": "middle", "owner": "team-middle"},
			Revision: "9f3c1d2", ChangedAt: midday, DependsOn: "/namespaces/shop/Service/db"}),
		bind(of("Pod", "api-5d9-0"), of("ConfigMap", "api"), incident.Refers))
}

func built(t testing.TB, list []incident.GraphChange) *Graph {
	t.Helper()
	g := NewGraph()
	for _, c := range list {
		if err := g.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func TestWhoIsHit(t *testing.T) {
	t.Parallel()
	g := built(t, shop())
	for name, tc := range map[string]struct {
		got, want incident.BlastRadius
	}{
		"a database": {g.Blast(of("Deployment", "db")), incident.BlastRadius{Pods: 1, Services: []string{"db"}, Dependents: 3,
			Workloads: []string{"Deployment shop/api", "Deployment shop/web", "Ingress shop/shop"},
			Tiers:     []string{"back", "front", "middle"}, Owners: []string{"team-back", "team-front", "team-middle"}}},
		"one pod hits its workload, and not the other pods": {g.Blast(of("Pod", "web-5d9-0")), incident.BlastRadius{Pods: 1, Services: []string{"web"},
			Dependents: 1, Workloads: []string{"Ingress shop/shop"}, Tiers: []string{"front"}, Owners: []string{"team-front"}}},
		"a node hits what it runs": {g.Blast(of("Node", "node-1")), incident.BlastRadius{Pods: 2, Dependents: 3,
			Workloads: []string{"Deployment shop/api", "Deployment shop/web", "Ingress shop/shop"},
			Tiers:     []string{"front", "middle"}, Owners: []string{"team-front", "team-middle"}}},
		"a ConfigMap": {g.Blast(of("ConfigMap", "api")), incident.BlastRadius{Dependents: 3,
			Workloads: []string{"Deployment shop/api", "Deployment shop/web", "Ingress shop/shop"},
			Tiers:     []string{"front", "middle"}, Owners: []string{"team-front", "team-middle"}}},
		"nobody depends on the ingress": {g.Blast(of("Ingress", "shop")), incident.BlastRadius{}},
		"what is not known":             {g.Blast(of("Deployment", "nope")), incident.BlastRadius{}},
		"what a frontend needs": {g.Causes(of("Deployment", "web")), incident.BlastRadius{Pods: 2, Dependents: 5,
			Workloads: []string{"ConfigMap shop/api", "Deployment shop/api", "Deployment shop/db", "Node node-0", "Node node-1"},
			Tiers:     []string{"back", "front", "middle"}, Owners: []string{"team-back", "team-front", "team-middle"}}},
	} {
		if !reflect.DeepEqual(tc.got, tc.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, tc.got, tc.want)
		}
	}
}

func TestNeighbours(t *testing.T) {
	t.Parallel()
	g := built(t, shop())
	var got []string
	for _, n := range g.Near(of("Deployment", "api")) {
		way := "down"
		if n.Upstream {
			way = "up"
		}
		got = append(got, fmt.Sprintf("%s %s %d", n.Resource, way, n.Hops))
	}
	slices.Sort(got)
	want := []string{"ConfigMap shop/api up 1", "Deployment shop/db up 1", "Deployment shop/web down 1", "Ingress shop/shop down 2",
		"Node node-0 up 1", "Node node-1 up 1", "Service shop/api down 0", "Service shop/db up 1", "Service shop/web down 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOwnerByGraph(t *testing.T) {
	t.Parallel()
	g := built(t, append(shop(), put(incident.Node{Resource: of("StatefulSet", "cache")}), bind(of("Pod", "a"), of("Job", "b"), incident.OwnedBy),
		bind(of("Job", "b"), of("CronJob", "c"), incident.OwnedBy), bind(of("Deployment", "web"), of("App", "operator"), incident.OwnedBy)))
	for _, r := range []incident.Resource{of("Pod", "db-5d9-0"), of("ReplicaSet", "db-5d9")} {
		if err := g.Apply(remove(r)); err != nil {
			t.Fatal(err)
		}
	}
	none := incident.Resource{}
	for name, tc := range map[string]struct{ of, want incident.Resource }{
		"pod of a Deployment, and no further":   {of("Pod", "web-5d9-1"), of("Deployment", "web")},
		"pod of a Job of a CronJob":             {of("Pod", "a"), of("CronJob", "c")},
		"pod that is gone":                      {of("Pod", "db-5d9-0"), of("Deployment", "db")},
		"pod of a ReplicaSet that is gone":      {of("Pod", "db-5d9-7"), of("Deployment", "db")},
		"pod that was never seen":               {of("Pod", "web-5d9-zz"), of("Deployment", "web")},
		"pod of a StatefulSet, never seen":      {of("Pod", "cache-3"), of("StatefulSet", "cache")},
		"pod with a generated name, never seen": {of("Pod", "other-6b7f9c8d5-x2x4z"), of("Deployment", "other")},
		"pod with a name that says nothing":     {of("Pod", "other"), none},
		"what nothing owns":                     {of("Node", "node-0"), of("Node", "node-0")},
		"what is not known":                     {of("Deployment", "nope"), none},
	} {
		got, ok := g.Owner(tc.of)
		if got.Key() != tc.want.Key() || ok != (tc.want != none) {
			t.Errorf("%s: got %v %v, want %v", name, got, ok, tc.want)
		}
	}
}

func TestDigestForgetsTheWay(t *testing.T) {
	t.Parallel()
	list := shop()
	want := built(t, list)
	other := slices.Clone(list)
	rand.New(rand.NewSource(1)).Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
	// The annotated api comes twice, and the later word counts: keep their order.
	slices.SortStableFunc(other, func(a, b incident.GraphChange) int {
		rank := func(c incident.GraphChange) int {
			if c.Upsert.Node != nil && c.Upsert.Node.DependsOn != "" {
				return 1
			}
			return 0
		}
		return rank(a) - rank(b)
	})
	got := built(t, slices.Concat(workload("gone", "x", 3), other, other))
	if got.Digest() == want.Digest() {
		t.Error("more is known, and the digest is the same")
	}
	for _, c := range workload("gone", "x", 3) {
		if n := c.Upsert.Node; n != nil && n.Kind != "Node" {
			if err := got.Apply(remove(n.Resource)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := got.Apply(remove(of("Node", "node-2"))); err != nil { // which none but gone used
		t.Fatal(err)
	}
	if got.Digest() != want.Digest() {
		t.Errorf("%s and %s", got.Digest(), want.Digest())
	}
	if a, b := got.Blast(of("Deployment", "db")), want.Blast(of("Deployment", "db")); !reflect.DeepEqual(a, b) {
		t.Errorf("%+v and %+v", a, b)
	}
	n1, e1 := got.Len()
	n2, e2 := want.Len()
	if n1 != n2 || e1 != e2 {
		t.Errorf("%d nodes and %d edges, and %d and %d", n1, e1, n2, e2)
	}
}

func TestAnnotationIsReplaced(t *testing.T) {
	t.Parallel()
	g := built(t, shop())
	if err := g.Apply(put(incident.Node{Resource: of("Deployment", "api"), DependsOn: "apps/namespaces/shop/Deployment/web, /Node/x@dev"})); err != nil {
		t.Fatal(err)
	}
	if hit := g.Blast(of("Deployment", "db")); hit.Dependents != 0 {
		t.Errorf("still hit: %+v", hit)
	}
	far := incident.Resource{Cluster: "dev", Kind: "Node", Name: "x"}
	if hit := g.Blast(far); !slices.Contains(hit.Workloads, "Deployment shop/api in prod") {
		t.Errorf("another cluster's node hits %+v", hit)
	}
}

func TestRestoredGraphIsTheSame(t *testing.T) {
	t.Parallel()
	g := built(t, shop())
	var b bytes.Buffer
	if err := g.Snapshot(&b, midday); err != nil {
		t.Fatal(err)
	}
	again, at, err := RestoreGraph(bytes.NewReader(b.Bytes()))
	if err != nil || !at.Equal(midday) {
		t.Fatal(at, err)
	}
	if again.Digest() != g.Digest() || !reflect.DeepEqual(again.Blast(of("Deployment", "db")), g.Blast(of("Deployment", "db"))) {
		t.Errorf("another graph came back")
	}
	if got := again.Rollout(of("Deployment", "api")); got.Revision != "9f3c1d2" || !got.At.Equal(midday) {
		t.Errorf("its rollout is %+v", got)
	}
	whole := b.String()
	for name, s := range map[string]string{"empty": "", "no head": whole[strings.IndexByte(whole, '\n')+1:],
		"cut off": whole[:len(whole)/2], "a line less": whole[:strings.LastIndexByte(strings.TrimSpace(whole), '\n')+1],
		"changed": strings.Replace(whole, "9f3c1d2", "9f3c1d3", 1)} {
		if _, _, err := RestoreGraph(strings.NewReader(s)); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecordsThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	g := built(t, shop())
	before := g.Digest()
	node := &incident.GraphItem{Node: &incident.Node{Resource: of("Pod", "x")}}
	for name, tc := range map[string]struct {
		c    incident.GraphChange
		want string
	}{
		"neither":         {incident.GraphChange{}, ": exactly one of upsert and delete is required"},
		"both":            {incident.GraphChange{Upsert: node, Delete: node}, ": exactly one of upsert and delete is required"},
		"nothing in it":   {incident.GraphChange{Upsert: &incident.GraphItem{}}, "/upsert: exactly one of node and edge is required"},
		"no name":         {put(incident.Node{Resource: of("Pod", "")}), "/upsert/node/name: is required"},
		"no cluster":      {bind(of("Pod", "x"), incident.Resource{Kind: "Pod", Name: "y"}, incident.Selects), "/upsert/edge/to/cluster: is required"},
		"unknown kind":    {bind(of("Pod", "x"), of("Pod", "y"), "likes"), "/upsert/edge/kind: is not a kind of edge"},
		"bad annotation":  {put(incident.Node{Resource: of("Pod", "x"), DependsOn: "db"}), `depends-on "db"`},
		"empty name":      {put(incident.Node{Resource: of("Pod", "x"), DependsOn: "/Node/"}), `depends-on "/Node/"`},
		"empty namespace": {put(incident.Node{Resource: of("Pod", "x"), DependsOn: "/namespaces//Pod/a"}), `depends-on`},
	} {
		if err := g.Apply(tc.c); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	if g.Digest() != before {
		t.Error("a refused record changed the graph")
	}
}

func TestRoundsOfOwnersAndCalls(t *testing.T) {
	t.Parallel()
	a, b := of("Pod", "a"), of("Pod", "b")
	g := built(t, []incident.GraphChange{bind(a, b, incident.OwnedBy), bind(b, a, incident.OwnedBy), bind(a, a, incident.Calls), bind(a, b, incident.Calls), bind(b, a, incident.Calls)})
	g.Owner(a)
	g.Blast(a)
	g.Near(a)
	for _, r := range []incident.Resource{a, b} {
		if err := g.Apply(remove(r)); err != nil {
			t.Fatal(err)
		}
	}
	if nodes, edges := g.Len(); nodes+edges+len(g.ids) != 0 {
		t.Errorf("%d nodes and %d edges are left", nodes, edges)
	}
}

func TestAHubIsCutAtADistance(t *testing.T) {
	t.Parallel()
	list := workload("hub", "x", 1)
	for i := range most + 1 {
		list = append(list, bind(of("Deployment", fmt.Sprintf("caller-%d", i)), of("Service", "hub"), incident.Calls))
	}
	for range 2 {
		g := built(t, list)
		if hit := g.Blast(of("Deployment", "hub")); !hit.AtLeast || hit.Dependents != 0 || hit.Pods != 1 {
			t.Errorf("got %+v", hit)
		}
		slices.Reverse(list)
	}
}

// A hub has more dependents than a walk visits: they are its neighbours all the same, and it stays quick to change.
func TestAHubHasAllItsDependents(t *testing.T) {
	t.Parallel()
	const n = 3000
	list := []incident.GraphChange{put(incident.Node{Resource: of("Deployment", "hub")})}
	for i := range n {
		list = append(list, bind(of("Deployment", fmt.Sprintf("app-%d", i)), of("Deployment", "hub"), incident.DependsOn), bind(of("Deployment", fmt.Sprintf("gate-%d", i)), of("Deployment", fmt.Sprintf("app-%d", i)), incident.DependsOn))
	}
	g := built(t, list)
	near := g.Near(of("Deployment", "hub"))
	if len(near) != n || slices.ContainsFunc(near, func(n incident.Neighbour) bool { return n.Hops != 1 }) {
		t.Errorf("%d neighbours, want %d one hop away", len(near), n)
	}
	if b := g.Blast(of("Deployment", "hub")); !b.AtLeast {
		t.Errorf("a blast radius of %d is whole", b.Dependents)
	}
}

// ties of both ends know each other, whatever comes and goes.
func TestTiesAgree(t *testing.T) {
	t.Parallel()
	draw := rand.New(rand.NewSource(1))
	g := NewGraph()
	there := map[incident.Edge]bool{}
	for range 20_000 {
		e := incident.Edge{From: of("Deployment", fmt.Sprint(draw.Intn(12))), To: of("Deployment", fmt.Sprint(draw.Intn(12))), Kind: []incident.EdgeKind{incident.DependsOn, incident.Calls, incident.Refers}[draw.Intn(3)]}
		c := bind(e.From, e.To, e.Kind)
		if there[e] {
			c.Upsert, c.Delete = nil, c.Upsert
		}
		there[e] = !there[e]
		if err := g.Apply(c); err != nil {
			t.Fatal(err)
		}
		count := 0
		for x := range g.faces {
			for i, o := range g.faces[x].out {
				in := g.faces[o.to].in[o.twin]
				if in.to != int32(x) || in.twin != int32(i) || in.kind != o.kind || in.count != o.count || o.count < 1 {
					t.Fatalf("%+v and %+v", o, in)
				}
				count += int(o.count)
			}
		}
		want := 0
		for e, on := range there {
			if on && e.From != e.To {
				want++
			}
		}
		if count != want {
			t.Fatalf("%d edges, want %d", count, want)
		}
	}
}
