package kube

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/scale"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/kubernetes/pkg/controller"
	"k8s.io/kubernetes/pkg/controller/cronjob"
	"k8s.io/kubernetes/pkg/controller/disruption"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/resourcequota"
	"k8s.io/kubernetes/pkg/features"
	quotas "k8s.io/kubernetes/pkg/quota/v1/install"
)

// loop runs one controller with so many workers until its context ends.
type loop = func(context.Context, int)

// batchControllers make pods of Jobs, and Jobs of CronJobs.
func batchControllers(ctx context.Context, cs kubernetes.Interface, f informers.SharedInformerFactory) ([]loop, error) {
	if utilfeature.DefaultFeatureGate.Enabled(features.WorkloadWithJob) {
		return nil, fmt.Errorf("make the job controller: it wants informers of workloads now, which the sandbox does not give it")
	}
	jc, err := job.NewController(ctx, cs, f.Core().V1().Pods(), f.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make the job controller: %w", err)
	}
	cjc, err := cronjob.NewControllerV2(ctx, f.Batch().V1().Jobs(), f.Batch().V1().CronJobs(), cs)
	if err != nil {
		return nil, fmt.Errorf("make the cronjob controller: %w", err)
	}
	return []loop{jc.Run, cjc.Run}, nil
}

// boundControllers count what bounds others: how many pods a PodDisruptionBudget lets go, and what a ResourceQuota has
// left. syncQuotas follows the kinds that the server has.
func boundControllers(ctx context.Context, rc *rest.Config, cs kubernetes.Interface, mapper meta.RESTMapper, f informers.SharedInformerFactory,
	any informerfactory.InformerFactory, started <-chan struct{}) (loops []loop, syncQuotas func(context.Context), err error) {
	scales, err := scale.NewForConfig(rc, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(cs.Discovery()))
	if err != nil {
		return nil, nil, fmt.Errorf("make the disruption controller's client: %w", err)
	}
	core, apps := f.Core().V1(), f.Apps().V1()
	pdb := disruption.NewDisruptionController(ctx, core.Pods(), f.Policy().V1().PodDisruptionBudgets(), core.ReplicationControllers(),
		apps.ReplicaSets(), apps.Deployments(), apps.StatefulSets(), cs, mapper, scales, cs.Discovery())
	counted, err := quotas.NewQuotaConfigurationForControllers(generic.ListerFuncForResourceFunc(f.ForResource), f)
	if err != nil {
		return nil, nil, fmt.Errorf("make the resourcequota controller: %w", err)
	}
	kinds := cs.Discovery().ServerPreferredNamespacedResources
	quota, err := resourcequota.NewController(ctx, &resourcequota.ControllerOptions{
		QuotaClient: cs.CoreV1(), ResourceQuotaInformer: core.ResourceQuotas(), ResyncPeriod: controller.StaticResyncPeriodFunc(resync),
		InformerFactory: any, ReplenishmentResyncPeriod: controller.StaticResyncPeriodFunc(resync), DiscoveryFunc: kinds,
		IgnoredResourcesFunc: counted.IgnoredResources, InformersStarted: started,
		Registry: generic.NewRegistry(counted.Evaluators()), UpdateFilter: quotas.DefaultUpdateFilter(),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make the resourcequota controller: %w", err)
	}
	return []loop{pdb.Run, quota.Run}, func(ctx context.Context) { quota.Sync(ctx, kinds, collectorSync) }, nil
}
