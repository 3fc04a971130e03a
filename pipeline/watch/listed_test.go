package watch

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/intake"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// TestWhatNobodyMayLookAtIsNotGone: neither is what fired there over, nor is it taken out of the graph; nor where the server fails once to
// say which kinds it has. What was looked at and is not there is. A fake server, since kube-apiserver cannot be made to fail so.
func TestWhatNobodyMayLookAtIsNotGone(t *testing.T) {
	t.Parallel()
	var discoveries atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		say := func(status int, body string) { w.WriteHeader(status); _, _ = w.Write([]byte(body)) }
		switch {
		case r.URL.Path == "/apis/kustomize.toolkit.fluxcd.io/v1" && discoveries.Add(1) == 1:
			say(500, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcdserver: leader changed","code":500}`)
		case r.URL.Path == "/apis/kustomize.toolkit.fluxcd.io/v1":
			say(200, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"kustomize.toolkit.fluxcd.io/v1","resources":[{"name":"kustomizations","kind":"Kustomization","namespaced":true,"verbs":["get","list","watch"]}]}`)
		case strings.Count(r.URL.Path, "/") == 3 && strings.HasPrefix(r.URL.Path, "/apis/"):
			say(404, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		case r.URL.Path == "/apis/apps/v1/daemonsets" && r.URL.Query().Get("watch") == "":
			say(200, `{"kind":"DaemonSetList","apiVersion":"apps/v1","metadata":{"resourceVersion":"1"},"items":[]}`)
		default:
			say(403, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"forbidden","code":403}`)
		}
	}))
	t.Cleanup(server.Close)

	of := func(group, kind, namespace, name string) incident.Resource {
		return incident.Resource{Cluster: "prod", Group: group, Version: "v1", Kind: kind, Namespace: namespace, Name: name}
	}
	n1, web, apps := of("", "Node", "", "n1"), of("apps", "Deployment", "shop", "web"), of("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps")
	logs := of("apps", "DaemonSet", "shop", "logs")
	feed, source := topology.NewFeed(topology.FeedOptions{Cluster: "prod"}), intake.NewKubernetes(intake.KubernetesOptions{Cluster: "prod"})
	var known []incident.GraphChange
	for _, r := range []incident.Resource{n1, web, apps, logs} {
		known = append(known, incident.GraphChange{Upsert: &incident.GraphItem{Node: &incident.Node{Resource: r}}})
	}
	feed.Seed(known)
	fires := func(name string, r incident.Resource) incident.Signal {
		return incident.Signal{Source: "kubernetes", Name: name, Status: incident.Firing, Fingerprint: name, Subject: r, StartsAt: time.Now().Add(-time.Hour),
			Labels: map[string]string{incident.Observed: r.Group + "/" + r.Kind + "/" + r.Name}}
	}
	source.Resume([]incident.Signal{fires("NodeNotReady", n1), fires("ReplicasUnavailable", logs)})
	w, err := New(Options{Config: &rest.Config{Host: server.URL}, Handlers: []Handler{feed, source}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	working.Go(func() { w.Run(ctx) })
	if err := w.WaitSynced(ctx); err != nil {
		t.Fatal(err)
	}
	if discoveries.Load() < 2 {
		t.Error("it was synced before the server had said which kinds it has")
	}
	feed.Sweep(w.Listed)
	source.Sweep(w.Listed)
	over := make(chan string, 10)
	working.Go(func() {
		_ = source.Run(ctx, func(_ context.Context, list []incident.Signal) (int, error) {
			for _, s := range list {
				over <- string(s.Status) + " " + s.Name
			}
			return 0, nil
		})
	})
	deleted := make(chan string, 10)
	working.Go(func() {
		_ = feed.Run(ctx, func() bool { return true }, func(_ context.Context, list []incident.GraphChange) error {
			for _, c := range list {
				if c.Delete != nil && c.Delete.Node != nil {
					deleted <- c.Delete.Node.Resource.String()
				}
			}
			if len(list) == 0 { // that was all
				deleted <- ""
			}
			return nil
		})
	})
	for what, c := range map[string]struct {
		got  chan string
		want []string
	}{"signals": {over, []string{"resolved ReplicasUnavailable"}}, "graph": {deleted, []string{"DaemonSet shop/logs", ""}}} {
		for _, want := range c.want {
			select {
			case got := <-c.got:
				if got != want {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
			case <-ctx.Done():
				t.Fatalf("%s: no %q", what, want)
			}
		}
	}
	select {
	case got := <-over:
		t.Errorf("also %s", got)
	default:
	}
}
