package topology

import (
	"cmp"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// A workload was last changed when the ReplicaSet (or ControllerRevision) of its present template was made. The revision is
// what the annotation cortexops.io/revision says; else, where Flux reconciled the workload within ten minutes of it, what
// Flux applied then; else the ReplicaSet's own name, which no other workload has, so that it makes nobody kin.

const (
	nearRollout = 10 * time.Minute

	rolloutNumber  = "deployment.kubernetes.io/revision"
	rolloutHistory = "deployment.kubernetes.io/revision-history" // of one that was rolled back to
)

// rolled is what its object says, and what is known of its versions beside.
type rolled struct {
	incident.Node
	edges    []incident.Edge
	given    string            // the revision that its annotation says
	by       incident.Resource // the Kustomization or HelmRelease that applies it, as its labels say
	progress time.Time         // the Deployment's own word on its last progress
	named    map[string]string // Flux's revision, by the version that it brought
}

type version struct {
	incident.Resource
	of      incident.Resource // whose it is
	number  int64
	created time.Time
	again   bool // it was rolled back to: it is older than the rollout
}

// applied is what Flux brought last.
type applied struct {
	by       incident.Resource
	revision string
	at       time.Time
	objects  []incident.Resource
}

type loads struct {
	of       map[incident.Resource]*rolled
	owner    map[incident.Resource]incident.Resource // of a version
	versions map[incident.Resource]map[string]version
	applied  map[incident.Resource]applied
	refused  map[incident.Resource]string // annotations that cannot be read, so that each is told once
}

func newLoads() loads {
	return loads{of: map[incident.Resource]*rolled{}, owner: map[incident.Resource]incident.Resource{}, versions: map[incident.Resource]map[string]version{},
		applied: map[incident.Resource]applied{}, refused: map[incident.Resource]string{}}
}

func workloadOf(self incident.Resource, o metav1.Object) *rolled {
	w := &rolled{}
	for _, by := range []struct{ label, group, version, kind string }{
		{"kustomize.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io", "v1", "Kustomization"},
		{"helm.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "v2", "HelmRelease"},
	} {
		if name := o.GetLabels()[by.label+"/name"]; name != "" {
			w.by = incident.Resource{Cluster: self.Cluster, Group: by.group, Version: by.version, Kind: by.kind, Namespace: o.GetLabels()[by.label+"/namespace"], Name: name}
		}
	}
	return w
}

// workload is applied by the HelmRelease that its labels name: not every version of Flux keeps an inventory of a release.
func (f *Feed) workload(d *described, self incident.Resource, o metav1.Object) {
	d.workload = workloadOf(self, o)
	if by := d.workload.by; by.Kind == "HelmRelease" && by.Namespace != "" {
		d.edge(by, self, incident.Applies)
	}
}

func versionOf(self, owner incident.Resource, o metav1.Object) *version {
	v := &version{Resource: self, of: owner, created: o.GetCreationTimestamp().UTC()}
	v.number, _ = strconv.ParseInt(o.GetAnnotations()[rolloutNumber], 10, 64) // absent from a ControllerRevision: the youngest is the present one
	v.again = o.GetAnnotations()[rolloutHistory] != ""
	return v
}

// changed takes in what an object says of rollouts, and returns the workloads that it changes.
func (l loads) changed(d described) []*rolled {
	var touched []*rolled
	switch {
	case d.version != nil:
		v := *d.version
		touched = l.withdraw(v.Resource, v.of)
		l.owner[v.Resource] = v.of
		if l.versions[v.of] == nil {
			l.versions[v.of] = map[string]version{}
		}
		l.versions[v.of][v.Name] = v
		touched = append(touched, l.of[v.of])
	case d.applied != nil:
		l.applied[d.applied.by] = *d.applied
		for _, r := range d.applied.objects {
			if w := l.of[r]; w != nil && w.by == d.applied.by {
				touched = append(touched, w)
			}
		}
	}
	return l.rerolled(touched)
}

// rerolled are those of the workloads that are now of another version, or of one of another name.
func (l loads) rerolled(list []*rolled) (changed []*rolled) {
	for _, w := range list {
		if w == nil {
			continue
		}
		before := w.Node
		l.roll(w)
		if w.Revision != before.Revision || !w.ChangedAt.Equal(before.ChangedAt) {
			changed = append(changed, w)
		}
	}
	return changed
}

// withdraw a version from the workload that had it, if that is another one now.
func (l loads) withdraw(r, owner incident.Resource) []*rolled {
	of, ok := l.owner[r]
	if !ok || of == owner {
		return nil
	}
	delete(l.owner, r)
	if delete(l.versions[of], r.Name); len(l.versions[of]) == 0 {
		delete(l.versions, of)
	}
	return []*rolled{l.of[of]}
}

// take a workload in, and complete its node.
func (l loads) take(d *described) {
	w := d.workload
	w.Node, w.edges, w.given = *d.node, d.edges, d.node.Revision
	if before := l.of[w.Resource]; before != nil {
		w.named = before.named
	}
	l.of[w.Resource] = w
	l.roll(w)
	node := w.Node
	d.node = &node
}

// roll finds the present version and its revision.
func (l loads) roll(w *rolled) {
	var now version
	for _, v := range l.versions[w.Resource] {
		if now.Name == "" || cmp.Or(cmp.Compare(v.number, now.number), v.created.Compare(now.created), cmp.Compare(v.Name, now.Name)) > 0 {
			now = v
		}
	}
	if now.Name == "" {
		w.Revision, w.ChangedAt = w.given, time.Time{}
		return
	}
	w.ChangedAt = now.created
	if now.again && w.progress.After(now.created) {
		w.ChangedAt = w.progress
	}
	if by, ok := l.applied[w.by]; ok && by.revision != "" && by.at.Sub(w.ChangedAt).Abs() <= nearRollout {
		w.named = map[string]string{now.Name: by.revision}
	}
	w.Revision = cmp.Or(w.given, w.named[now.Name], now.Name)
}

// delete what is gone, and return the workloads that it changes.
func (l loads) delete(r incident.Resource) []*rolled {
	delete(l.refused, r)
	switch {
	case r.Group != appsv1.GroupName:
		delete(l.applied, r)
	case r.Kind == "ReplicaSet" || r.Kind == "ControllerRevision":
		return l.rerolled(l.withdraw(r, incident.Resource{}))
	default:
		delete(l.of, r)
	}
	return nil
}
