package topology

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var (
	podKind   = corev1.SchemeGroupVersion.WithKind("Pod")
	sliceKind = discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice")
	rsKind    = appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
	loadKind  = appsv1.SchemeGroupVersion.WithKind("Deployment")
	hpaKind   = autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler")
)

func newFeed() *Feed {
	return NewFeed(FeedOptions{Cluster: "prod", Now: func() time.Time { return midday }})
}

// told is what the feed has to say, and forgets it.
func (f *Feed) told() []incident.GraphChange {
	list := f.pending
	f.pending = nil
	return list
}

func feedPod(name, rs, node string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	if rs != "" {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: rs, Controller: &yes}}
	}
	p.Spec.NodeName = node
	return p
}

func feedSlice(name, service string, pods ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: service}}}
	for _, p := range pods {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: p}})
	}
	return s
}

func feedSet(name, deployment string) *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, CreationTimestamp: metav1.NewTime(midday)}}
	if deployment != "" {
		yes := true
		m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: deployment, Controller: &yes}}
	}
	return m
}

func feedLoad(name, dependsOnText, secret string) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: map[string]string{}}}
	if dependsOnText != "" {
		d.Annotations[dependsOn] = dependsOnText
	}
	if secret != "" {
		d.Spec.Template.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}}
	}
	return d
}

// TestTheGraphFollows: however objects come, change and go, a graph that is fed is the graph of the objects that are left, and
// saying them all again says nothing. So it is where the feed is a new one that takes up what the graph holds.
func TestTheGraphFollows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		there := map[object]func(*Feed){}
		f, g := newFeed(), NewGraph()
		follow := func() {
			for _, c := range f.told() {
				if err := g.Apply(c); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			kind, o := drawObject(t)
			who := object{kind.GroupKind(), o.GetNamespace(), o.GetName()}
			if rapid.IntRange(0, 2).Draw(t, "do") == 0 {
				f.Delete(kind, o.GetNamespace(), o.GetName())
				delete(there, who)
			} else {
				f.Put(kind, o)
				there[who] = func(f *Feed) { f.Put(kind, o) }
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				follow()
				f = newFeed()
				var known []incident.GraphChange
				g.Records(midday, func(c incident.GraphChange) { known = append(known, c) })
				f.Seed(known)
				missed, gone := drawObject(t) // while nobody watched
				delete(there, object{missed.GroupKind(), gone.GetNamespace(), gone.GetName()})
				before := linesOf(g)
				hidden := rapid.SampledFrom([]schema.GroupVersionKind{{}, podKind, sliceKind, rsKind, hpaKind, loadKind}).Draw(t, "not listed").GroupKind()
				for who, put := range there {
					if who.kind != hidden {
						put(f)
					}
				}
				f.Sweep(func(kind schema.GroupKind, _ string) bool { return kind != hidden })
				follow()
				for _, line := range before {
					if isNode := strings.HasSuffix(line, " "); isNode && strings.HasPrefix(line, hidden.Kind+" ") && !slices.Contains(linesOf(g), line) {
						t.Fatalf("%q is deleted, though nobody has looked; before: %q", line, before)
					}
				}
				for who, put := range there {
					if who.kind == hidden {
						put(f)
					}
				}
				f.Sweep(everything)
			}
			follow()
		}
		for _, put := range there {
			put(f)
		}
		if again := f.told(); len(again) > 0 {
			t.Fatalf("said again: %+v", again)
		}
		fresh, want := newFeed(), NewGraph()
		for _, put := range there {
			put(fresh)
		}
		for _, c := range fresh.told() {
			if err := want.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
		kept := f.kept()
		have, must := linesOf(g), linesOf(want)
		for _, line := range must {
			if !slices.Contains(have, line) {
				t.Fatalf("%q is missing in %q, the objects make %q", line, have, must)
			}
		}
		for _, line := range have {
			if !slices.Contains(must, line) && !slices.Contains(kept, line) {
				t.Fatalf("%q is too much in %q, the objects make %q", line, have, must)
			}
		}
	})
}

// kept is what is gone and still named by others: it is known a little longer.
func (f *Feed) kept() (list []string) {
	for _, s := range f.objects {
		if !s.gone {
			continue
		}
		list = append(list, fmt.Sprintf("%s ", f.names.of[s.node].Resource))
		for _, l := range s.edges {
			list = append(list, fmt.Sprintf("%s %s %s", f.names.of[l.from].Resource, rules[l.kind].kind, f.names.of[l.to].Resource))
		}
	}
	return list
}

func drawObject(t *rapid.T) (schema.GroupVersionKind, metav1.Object) {
	name := func(prefix string, n int) string {
		return fmt.Sprintf("%s%d", prefix, rapid.IntRange(0, n-1).Draw(t, prefix))
	}
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return podKind, feedPod(name("pod", 4), name("set", 2), name("node", 2))
	case 1:
		var pods []string
		for range rapid.IntRange(0, 3).Draw(t, "endpoints") {
			pods = append(pods, name("pod", 4))
		}
		return sliceKind, feedSlice(name("slice", 2), name("service", 2), pods...)
	case 2:
		return rsKind, feedSet(name("set", 2), name("load", 3))
	case 3:
		h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name("hpa", 2)}}
		h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name("load", 3)}
		return hpaKind, h
	}
	on := ""
	if rapid.Bool().Draw(t, "depends") {
		on = "apps/namespaces/shop/Deployment/" + name("load", 3)
	}
	return loadKind, feedLoad(name("load", 3), on, name("secret", 2))
}

func linesOf(g *Graph) (list []string) {
	g.Records(midday, func(c incident.GraphChange) {
		if e := c.Upsert.Edge; e != nil {
			list = append(list, fmt.Sprintf("%s %s %s", e.From, e.Kind, e.To))
		} else {
			list = append(list, fmt.Sprintf("%s ", c.Upsert.Node.Resource))
		}
	})
	slices.Sort(list)
	return list
}

// What is seen at the first look of all was there before: a signal that came first is judged by it all the same. Where the graph knew
// the cluster, what we find was changed while nobody looked, and nobody knows when.
func TestTheFirstLookIsOfBefore(t *testing.T) {
	t.Parallel()
	f := newFeed()
	f.Put(podKind, feedPod("a", "web-5d9", ""))
	first := f.told()
	f.Sweep(everything)
	f.Put(podKind, feedPod("b", "web-5d9", ""))
	later := f.told()
	seeded := newFeed()
	seeded.Seed(first)
	seeded.Put(podKind, feedPod("b", "web-5d9", ""))
	for name, tc := range map[string]struct {
		told []incident.GraphChange
		want time.Time
	}{"first": {first, midday.Add(-time.Hour)}, "later": {later, midday}, "known before": {seeded.told(), midday}} {
		for _, c := range tc.told {
			if !c.At.Truncate(time.Millisecond).Equal(tc.want) {
				t.Errorf("%s: at %v, want %v", name, c.At, tc.want)
			}
		}
		if len(tc.told) == 0 {
			t.Errorf("%s: nothing is told", name)
		}
	}
}

// When all was listed it is said at once that what was published is whole.
func TestWholeIsToldAfterSweep(t *testing.T) {
	t.Parallel()
	f := newFeed()
	f.Put(podKind, feedPod("a", "web-5d9", ""))
	f.Sweep(everything)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told []int
	err := f.Run(ctx, func() bool { return true }, func(_ context.Context, list []incident.GraphChange) error {
		if told = append(told, len(list)); len(list) == 0 {
			cancel()
		}
		return nil
	})
	if err != nil || len(told) != 2 || told[0] == 0 || told[1] != 0 {
		t.Errorf("published %v, %v", told, err)
	}
}

// Whoever reads the records in the order of their times reads them in that in which they were told, also those of the first look, and
// when the clock stands or goes back. Else what came and went would be there for ever.
func TestEveryRecordHasATimeOfItsOwn(t *testing.T) {
	t.Parallel()
	now := midday
	f := NewFeed(FeedOptions{Cluster: "prod", Now: func() time.Time { now = now.Add(-time.Second); return now }})
	comeAndGo := func() {
		f.Put(podKind, feedPod("a", "web-5d9", "node1"))
		f.Delete(podKind, "shop", "a")
	}
	comeAndGo()
	f.Sweep(everything)
	comeAndGo()
	told := f.told()
	for i, c := range told[1:] {
		if !c.At.After(told[i].At) {
			t.Errorf("record %d is of %v, and the one before it of %v", i+2, c.At, told[i].At)
		}
	}
}

func everything(schema.GroupKind, string) bool { return true }
