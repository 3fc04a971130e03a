package intake

import (
	"cmp"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// KubernetesOptions of NewKubernetes. The times are those of the rules in kubernetes_rules.go.
type KubernetesOptions struct {
	Cluster string
	Steady  time.Duration    // how long a container must run until its trouble is over; default 2 min
	Patient time.Duration    // how long what heals by itself in a rollout must last until it is told; default 1 min
	Quiet   time.Duration    // without another Warning, after which the event is over; default 5 min
	Now     func() time.Time // nil is time.Now
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Kubernetes makes signals from the state of a cluster's objects: one fires when the state is seen, and is resolved when it
// is over, or its object is gone. The IDs follow from what the object says, and a state that was told is not told again, so
// that listing everything anew tells nothing new.
type Kubernetes struct {
	KubernetesOptions
	ingested, duplicate prometheus.Counter

	mu     sync.Mutex
	states map[holder]map[string]*state // by fingerprint
	timed  map[*state]struct{}          // what changes by waiting
	dirty  []*state
}

// holder is the object whose state it is.
type holder struct {
	kind            schema.GroupKind
	namespace, name string
}

// state of an object that is some trouble.
type state struct {
	trouble
	holder holder
	print  string
	due    time.Time // when it is told, unless it is over before
	told   bool      // that it fires
	over   bool
	ends   time.Time
	queued bool
	former bool // told before us, and not confirmed yet
}

// trouble is what the rules find in an object.
type trouble struct {
	name      string // Kubernetes' own word: the reason, or the type of a condition
	severity  string
	subject   incident.Resource
	container string
	message   string
	since     time.Time
	wait      time.Duration // until it is told
	calm      time.Time     // since when it is not so any more; it is over when that has lasted for as long as keep says
	keep      time.Duration
}

// finding is everything that the rules say of an object.
type finding struct {
	troubles []trouble
	calm     map[string]time.Time // containers that run, since when: what troubled them is not over at once
	cleared  map[string]time.Time // by the trouble's name: when its condition became good
}

// timely lets nothing happen ahead of now: whoever may write a status or an Event may write any time.
func (f *finding) timely(now time.Time) {
	known := func(t time.Time) time.Time {
		if t.IsZero() || Sane(t) {
			return past(t, now)
		}
		return now
	}
	for i := range f.troubles {
		f.troubles[i].since, f.troubles[i].calm = known(f.troubles[i].since), known(f.troubles[i].calm)
	}
	for _, times := range []map[string]time.Time{f.calm, f.cleared} {
		for name, t := range times {
			times[name] = known(t)
		}
	}
}

// NewKubernetes makes one that has seen nothing.
func NewKubernetes(o KubernetesOptions) *Kubernetes {
	o.Steady, o.Patient, o.Quiet = cmp.Or(o.Steady, 2*time.Minute), cmp.Or(o.Patient, time.Minute), cmp.Or(o.Quiet, 5*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	k := &Kubernetes{KubernetesOptions: o, states: map[holder]map[string]*state{}, timed: map[*state]struct{}{}}
	k.ingested = counted(o.Metrics, ingestedOpts, "source").WithLabelValues(kubernetesSource)
	k.duplicate = counted(o.Metrics, duplicateOpts, "source").WithLabelValues(kubernetesSource)
	return k
}

const kubernetesSource = "kubernetes"

// Resume takes up what fires according to the incidents that are open. Call it before anything else.
func (k *Kubernetes) Resume(open []incident.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range open {
		if s.Source != kubernetesSource || s.Status != incident.Firing || s.Subject.Cluster != k.Cluster {
			continue
		}
		h, ok := holderOf(s)
		if !ok {
			continue
		}
		k.at(h)[s.Fingerprint] = &state{holder: h, print: s.Fingerprint, told: true, former: true, trouble: trouble{name: s.Name, severity: s.Severity,
			subject: s.Subject, container: s.Container, message: s.Annotations["message"], since: s.StartsAt}}
	}
}

// holderOf reads back what signal has written. The namespace is the subject's: nobody scales or tells of what is in another one.
func holderOf(s incident.Signal) (holder, bool) {
	f := strings.SplitN(s.Labels[incident.Observed], "/", 3)
	if len(f) != 3 {
		return holder{}, false
	}
	return holder{schema.GroupKind{Group: f[0], Kind: f[1]}, s.Subject.Namespace, f[2]}, true
}

// Sweep resolves what was resumed and nobody has confirmed, of the kinds that were listed: where nobody may look, what fires goes on
// firing. Call it when all was listed that can be, and now and again after that.
func (k *Kubernetes) Sweep(listed func(kind schema.GroupKind, namespace string) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for h, of := range k.states {
		for _, s := range of {
			if s.former && listed(h.kind, h.namespace) {
				k.end(s, k.Now())
			}
		}
	}
}

// Put takes an object in.
func (k *Kubernetes) Put(kind schema.GroupVersionKind, o metav1.Object) {
	now := k.Now().UTC()
	h, found, ok := k.look(kind, o, now)
	if !ok {
		return
	}
	found.timely(now)
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := map[string]bool{}
	for _, t := range found.troubles {
		print := incident.Digest(kubernetesSource, t.subject.Key(), t.name, t.container)[:16]
		seen[print] = true
		k.begin(h, print, t, now)
	}
	for print, s := range k.states[h] {
		if seen[print] || s.over {
			continue
		}
		calm, runs := found.calm[s.container]
		switch {
		case s.container == "":
			k.end(s, cmp.Or(found.cleared[s.name], now))
		case runs:
			s.calm, s.keep, s.former = calm, k.Steady, false
			k.timed[s] = struct{}{}
		}
	}
	k.timers(now)
}

// Delete ends the troubles of an object that is gone.
func (k *Kubernetes) Delete(kind schema.GroupVersionKind, namespace, name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.states[holder{kind.GroupKind(), namespace, name}] {
		k.end(s, k.Now())
	}
}

func (k *Kubernetes) at(h holder) map[string]*state {
	if k.states[h] == nil {
		k.states[h] = map[string]*state{}
	}
	return k.states[h]
}

func (k *Kubernetes) begin(h holder, print string, t trouble, now time.Time) {
	if !t.calm.IsZero() && !now.Before(t.calm.Add(t.keep)) && k.states[h][print] == nil {
		return // it was over before we came
	}
	of := k.at(h)
	s := of[print]
	if s == nil || s.over && s.queued {
		began := cmp.Or(t.since, now).UTC().Truncate(time.Second)
		s = &state{holder: h, print: print, due: now}
		if t.since = began; t.wait > 0 {
			s.due = began.Add(t.wait)
		}
		of[print] = s
	} else {
		t.since = s.since // the same trouble still
	}
	if later := s.calm.After(t.calm) && h.kind.Kind == eventKind; later { // an older Event of the same kind
		t.calm = s.calm
	}
	s.trouble, s.former = t, false
	k.timed[s] = struct{}{}
}

// end a trouble. What was never told is forgotten.
func (k *Kubernetes) end(s *state, at time.Time) {
	if s.over {
		return
	}
	s.over, s.ends = true, at.UTC().Truncate(time.Second)
	if s.ends.Before(s.since) {
		s.ends = s.since
	}
	delete(k.timed, s)
	k.queue(s)
}

func (k *Kubernetes) queue(s *state) {
	if !s.queued {
		s.queued = true
		k.dirty = append(k.dirty, s)
	}
}

// timers does what waiting does.
func (k *Kubernetes) timers(now time.Time) {
	for s := range k.timed {
		switch {
		case !s.calm.IsZero() && !now.Before(s.calm.Add(s.keep)):
			k.end(s, s.calm)
		case !s.told && !now.Before(s.due):
			k.queue(s)
		}
		if s.told && s.calm.IsZero() {
			delete(k.timed, s)
		}
	}
}
