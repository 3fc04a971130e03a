package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/statefulset"
)

const (
	resync         = 10 * time.Minute
	collectorSync  = 30 * time.Second
	workers        = 2
	endpointsBatch = 100 // a slice's endpoints at most: Kubernetes' own default
)

// runControllers runs Kubernetes' own controllers, those that the usual workloads need and no more. They are
// imported one by one: the controller manager would bring three hundred packages along. It returns when ctx ended
// and all of them stopped.
func runControllers(ctx context.Context, rc *rest.Config) error {
	cs, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return fmt.Errorf("make the controllers' client: %w", err)
	}
	md, err := metadata.NewForConfig(rc)
	if err != nil {
		return fmt.Errorf("make the controllers' client: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(cs.Discovery()))
	f := informers.NewSharedInformerFactory(cs, resync)
	// Without it the collector waits 30 s for custom resources.
	mf := metadatainformer.NewSharedInformerFactory(md, resync)
	core, apps := f.Core().V1(), f.Apps().V1()

	dc, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), core.Pods(), cs)
	if err != nil {
		return fmt.Errorf("make the deployment controller: %w", err)
	}
	sac, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), core.ServiceAccounts(), core.Namespaces(), cs,
		serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return fmt.Errorf("make the serviceaccount controller: %w", err)
	}
	started := make(chan struct{})
	gc, err := garbagecollector.NewGarbageCollector(ctx, cs, md, mapper, garbagecollector.DefaultIgnoredResources(),
		informerfactory.NewInformerFactory(f, mf), started)
	if err != nil {
		return fmt.Errorf("make the garbage collector: %w", err)
	}
	rsc := replicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), core.Pods(), cs, replicaset.BurstReplicas)
	esc := endpointslice.NewController(ctx, core.Pods(), core.Services(), core.Nodes(), f.Discovery().V1().EndpointSlices(), endpointsBatch, cs, 0)
	nsc := namespace.NewNamespaceController(ctx, cs, md, cs.Discovery().ServerPreferredNamespacedResources, core.Namespaces(),
		resync, corev1.FinalizerKubernetes)
	batch, err := batchControllers(ctx, cs, f)
	if err != nil {
		return err
	}
	bounds, syncQuotas, err := boundControllers(ctx, rc, cs, mapper, f, informerfactory.NewInformerFactory(f, mf), started)
	if err != nil {
		return err
	}
	ssc := statefulset.NewStatefulSetController(ctx, core.Pods(), apps.StatefulSets(), core.PersistentVolumeClaims(), apps.ControllerRevisions(), cs)

	f.Start(ctx.Done())
	mf.Start(ctx.Done())
	close(started)
	var running sync.WaitGroup
	for _, run := range append(append(batch, bounds...), dc.Run, rsc.Run, ssc.Run, esc.Run, nsc.Run, sac.Run) {
		running.Go(func() { run(ctx, workers) })
	}
	running.Go(func() { gc.Run(ctx, workers, collectorSync) })
	running.Go(func() { gc.Sync(ctx, cs.Discovery(), collectorSync) })
	running.Go(func() { syncQuotas(ctx) })
	running.Wait()
	return nil
}
