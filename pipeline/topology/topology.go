// Package topology knows which workload owns a pod and who is hit when a workload fails. It follows the cluster by
// watching pods, ReplicaSets, Deployments and Services, and only reads.
package topology

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// retried is longer than a watch that fails waits before it is tried again.
const retried = 90 * time.Second

// Options of New.
type Options struct {
	Config     *rest.Config // of an identity that may get, list and watch the four kinds in Namespaces
	Cluster    string       // the name that Resources of this cluster carry
	Namespaces []string     // none: all of them, which needs a ClusterRole
	Log        *slog.Logger
}

// Topology answers from memory. It is safe for concurrent use.
type Topology struct {
	cluster string
	log     *slog.Logger
	scopes  map[string]*scope // by namespace, "" for all
	gone    *memory

	mu      sync.Mutex
	problem error // of the last watch that failed
	failed  time.Time
}

// scope is what one namespace's informers hold, or the whole cluster's.
type scope struct {
	pods, replicaSets, deployments, services cache.SharedIndexInformer
}

// New prepares the watches. Nothing is asked of the server before Run.
func New(o Options) (*Topology, error) {
	client, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("topology: %w", err)
	}
	return newTopology(o, func(kind, namespace string) cache.ListerWatcher {
		api := client.CoreV1().RESTClient()
		if kind == "replicasets" || kind == "deployments" {
			api = client.AppsV1().RESTClient()
		}
		return cache.NewListWatchFromClient(api, kind, namespace, fields.Everything())
	})
}

// newTopology takes its objects from any source.
func newTopology(o Options, source func(kind, namespace string) cache.ListerWatcher) (*Topology, error) {
	if o.Cluster == "" {
		return nil, errors.New("topology needs the name of its cluster")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{metav1.NamespaceAll}
	}
	t := &Topology{cluster: o.Cluster, log: o.Log, scopes: map[string]*scope{}, gone: newMemory(remembered)}
	for _, ns := range o.Namespaces {
		if t.scopes[ns] != nil {
			continue
		}
		s, err := t.newScope(func(kind string) cache.ListerWatcher { return source(kind, ns) })
		if err != nil {
			return nil, fmt.Errorf("topology: %w", err)
		}
		t.scopes[ns] = s
	}
	return t, nil
}

func (s *scope) all() []cache.SharedIndexInformer {
	return []cache.SharedIndexInformer{s.pods, s.replicaSets, s.deployments, s.services}
}

// Run watches until ctx ends. Owner and Blast answer meanwhile, with what is known so far.
func (t *Topology) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, s := range t.scopes {
		for _, i := range s.all() {
			running.Go(func() { i.RunWithContext(ctx) })
		}
	}
	running.Wait()
}

// Synced reports whether every kind has been listed once: before that an owner may be unknown although it exists.
func (t *Topology) Synced() bool {
	for _, s := range t.scopes {
		for _, i := range s.all() {
			if !i.HasSynced() {
				return false
			}
		}
	}
	return true
}

// WaitSynced returns nil as soon as Synced, or with why not when ctx ends.
func (t *Topology) WaitSynced(ctx context.Context) error {
	var each []cache.InformerSynced
	for _, s := range t.scopes {
		for _, i := range s.all() {
			each = append(each, i.HasSynced)
		}
	}
	if cache.WaitForCacheSync(ctx.Done(), each...) {
		return nil
	}
	return errors.Join(fmt.Errorf("the cluster's objects were not listed: %w", ctx.Err()), t.lastProblem())
}

// Check reports whether the graph is whole and its last watch worked.
func (t *Topology) Check(context.Context) error {
	if err := t.lastProblem(); err != nil {
		return err
	}
	if !t.Synced() {
		return errors.New("the cluster's objects are still being listed")
	}
	return nil
}

// lastProblem is nil once a failing watch would have been tried again, and failed again, but has not.
func (t *Topology) lastProblem() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.failed) > retried {
		return nil
	}
	return t.problem
}

func (t *Topology) report(ctx context.Context, kind string, err error) {
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || errors.Is(err, io.EOF) {
		return // a watch that the server ended in good order; it is taken up again
	}
	t.log.WarnContext(ctx, "watching the cluster fails, trying again", "kind", kind, "error", err)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problem, t.failed = fmt.Errorf("watch %s: %w", kind, err), time.Now()
}
