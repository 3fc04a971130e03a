// Package workload is the child that measures the pretended programs: one /metrics with the names of
// kube-state-metrics, cAdvisor and an HTTP middleware, computed from the live objects. What it reports follows from
// their specs by the rules of package model: an alert fires because a manifest is wrong, and stops when it is
// right. It only reads the cluster.
package workload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

const (
	step        = 250 * time.Millisecond // of the requests' arrival
	readTimeout = 5 * time.Second
	stopTimeout = time.Second
)

// Run serves until ctx ends. It answers only when it has seen the live objects.
func Run(ctx context.Context, s *stack.Stack, lg *slog.Logger) error {
	rc, err := kubeconfig.Load(s.Kube.ReaderKubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return fmt.Errorf("make the workload's client: %w", err)
	}
	f := informers.NewSharedInformerFactory(client, 0)
	defer f.Shutdown() // waits for ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pods, deployments := f.Core().V1().Pods(), f.Apps().V1().Deployments()
	live := cluster{pods.Lister(), deployments.Lister()}
	podsSynced, deploymentsSynced := pods.Informer().HasSynced, deployments.Informer().HasSynced
	f.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), podsSynced, deploymentsSynced) {
		return nil // ctx ended
	}
	u, err := url.Parse(s.Workload.URL)
	if err != nil {
		return fmt.Errorf("read the address of the workload: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("the workload cannot listen: %w", err)
	}
	lg.InfoContext(ctx, "the workload serves", "url", s.Workload.URL+"/metrics")
	return serve(ctx, l, newCollector(live, time.Now()))
}

func serve(ctx context.Context, l net.Listener, c *collector) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	srv := &http.Server{Handler: mux, ReadTimeout: readTimeout}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			c.advance(now)
		case err := <-served:
			return fmt.Errorf("serve the workload's metrics: %w", err)
		case <-ctx.Done():
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			if err := srv.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("stop serving the workload's metrics: %w", err)
			}
			return nil
		}
	}
}

// cluster is the live objects, as the informers know them.
type cluster struct {
	pods        corelisters.PodLister
	deployments appslisters.DeploymentLister
}

func (c cluster) Pods() []*corev1.Pod {
	all, _ := c.pods.List(labels.Everything()) // a lister's index cannot fail
	return all
}

func (c cluster) Deployments() []*appsv1.Deployment {
	all, _ := c.deployments.List(labels.Everything())
	return all
}
