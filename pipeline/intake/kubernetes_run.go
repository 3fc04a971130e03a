package intake

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	kubernetesTick  = 100 * time.Millisecond
	kubernetesBatch = 200
)

// Run hands the signals to publish until ctx ends; what fails is handed over again.
func (k *Kubernetes) Run(ctx context.Context, publish func(context.Context, []incident.Signal) (duplicates int, err error)) error {
	tick := time.NewTicker(kubernetesTick)
	defer tick.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for {
			n, err := k.flush(ctx, publish)
			if err != nil && !failing && ctx.Err() == nil {
				k.Log.WarnContext(ctx, "signals of the cluster cannot be published, trying again", "error", err)
			}
			if failing = err != nil; failing || n == 0 {
				break
			}
		}
	}
}

// flush publishes up to a batch, and says how many states it worked off.
func (k *Kubernetes) flush(ctx context.Context, publish func(context.Context, []incident.Signal) (int, error)) (int, error) {
	k.mu.Lock()
	now := k.Now().UTC()
	k.timers(now)
	batch := slices.Clone(k.dirty[:min(len(k.dirty), kubernetesBatch)])
	type told struct {
		of   *state
		over bool
	}
	var list []incident.Signal
	var of []told
	for _, s := range batch {
		of = append(of, told{s, s.over})
		if s.told == s.over { // it fires and nobody knows, or it is over and all think that it fires
			list = append(list, s.signal(now))
		}
	}
	k.mu.Unlock()
	duplicates := 0
	if len(list) > 0 {
		var err error
		if duplicates, err = publish(ctx, list); err != nil {
			return 0, err
		}
	}
	k.ingested.Add(float64(len(list) - duplicates))
	k.duplicate.Add(float64(duplicates))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dirty = k.dirty[len(batch):]
	for _, t := range of {
		t.of.queued, t.of.told = false, !t.over
		switch {
		case t.of.over && !t.over: // it ended meanwhile
			k.queue(t.of)
		case t.over && k.states[t.of.holder][t.of.print] == t.of:
			delete(k.states[t.of.holder], t.of.print)
			if len(k.states[t.of.holder]) == 0 {
				delete(k.states, t.of.holder)
			}
		}
	}
	return len(batch), nil
}

func (s *state) signal(now time.Time) incident.Signal {
	labels := map[string]string{"reason": s.name, incident.Observed: s.holder.kind.Group + "/" + s.holder.kind.Kind + "/" + s.holder.name}
	for name, value := range map[string]string{"namespace": s.holder.namespace, "container": s.container} {
		if value != "" {
			labels[name] = value
		}
	}
	out := incident.Signal{Source: kubernetesSource, Name: cut(s.name, maxID), Status: incident.Firing, Severity: s.severity, Fingerprint: s.print,
		Subject: s.subject, Container: s.container, Labels: labels, StartsAt: s.since.UTC(), AcceptedAt: now}
	if s.message != "" {
		out.Annotations = bounded(map[string]string{"message": s.message})
	}
	if s.over {
		out.Status, out.EndsAt = incident.Resolved, s.ends
	}
	out.ID = incident.SignalID(out.Source, out.Fingerprint, out.Status, out.StartsAt, out.EndsAt)
	return out
}

// Firing is how many troubles have been told and are not over.
func (k *Kubernetes) Firing() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for of := range maps.Values(k.states) {
		for _, s := range of {
			if s.told && !s.over {
				n++
			}
		}
	}
	return n
}

// counted is the counter that another source of this process has registered, or registers it.
func counted(r prometheus.Registerer, o prometheus.CounterOpts, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(o, labels)
	if r == nil {
		return c
	}
	var there prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &there) {
		if have, ok := there.ExistingCollector.(*prometheus.CounterVec); ok {
			return have
		}
	}
	return c
}
