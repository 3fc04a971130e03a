package kube

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
)

// TestStatefulSetRestartsByItsAnnotation does what a restart does: the same pod again, with another identity. A disruption
// budget and a quota see the pods.
func TestStatefulSetRestartsByItsAnnotation(t *testing.T) {
	t.Parallel()
	ns, ctx, app := newNamespace(t), t.Context(), map[string]string{"app": "db"}
	pods := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "db:1"}}}}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "pods"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("5")}}}
	if _, err := admin.CoreV1().ResourceQuotas(ns).Create(ctx, quota, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the quota to count", func(ctx context.Context) bool { // what is made before that is counted at the next resync only
		q, err := admin.CoreV1().ResourceQuotas(ns).Get(ctx, "pods", metav1.GetOptions{})
		return err == nil && q.Status.Used != nil
	})
	two, most := int32(2), intstr.FromInt32(1)
	db := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: appsv1.StatefulSetSpec{Replicas: &two, ServiceName: "db",
		Selector: &metav1.LabelSelector{MatchLabels: app}, Template: pods}}
	if _, err := admin.AppsV1().StatefulSets(ns).Create(ctx, db, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: policyv1.PodDisruptionBudgetSpec{
		MaxUnavailable: &most, Selector: &metav1.LabelSelector{MatchLabels: app}}}
	if _, err := admin.PolicyV1().PodDisruptionBudgets(ns).Create(ctx, budget, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the pods, the budget and the quota", func(ctx context.Context) bool {
		s, err := admin.AppsV1().StatefulSets(ns).Get(ctx, "db", metav1.GetOptions{})
		b, bErr := admin.PolicyV1().PodDisruptionBudgets(ns).Get(ctx, "db", metav1.GetOptions{})
		q, qErr := admin.CoreV1().ResourceQuotas(ns).Get(ctx, "pods", metav1.GetOptions{})
		return err == nil && bErr == nil && qErr == nil && s.Status.ReadyReplicas == 2 && b.Status.DisruptionsAllowed == 1 && q.Status.Used.Pods().Value() == 2
	})
	old, err := admin.CoreV1().Pods(ns).Get(ctx, "db-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stamp := []byte(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-02T03:04:05Z"}}}}}`)
	if _, err := admin.AppsV1().StatefulSets(ns).Patch(ctx, "db", types.StrategicMergePatchType, stamp, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the pods to be others", func(ctx context.Context) bool {
		s, err := admin.AppsV1().StatefulSets(ns).Get(ctx, "db", metav1.GetOptions{})
		now, podErr := admin.CoreV1().Pods(ns).Get(ctx, "db-0", metav1.GetOptions{})
		return err == nil && podErr == nil && now.UID != old.UID && s.Status.UpdatedReplicas == 2 && s.Status.ReadyReplicas == 2
	})
}

// TestJobsGetPods has a CronJob too, whose Job is made by its controller within a minute.
func TestJobsGetPods(t *testing.T) {
	t.Parallel()
	ns, ctx := newNamespace(t), t.Context()
	spec := batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
		Containers: []corev1.Container{{Name: "app", Image: "report:1"}}}}}
	if _, err := admin.BatchV1().Jobs(ns).Create(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "report"}, Spec: spec}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	cron := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "nightly"}, Spec: batchv1.CronJobSpec{Schedule: "* * * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: spec}}}
	if _, err := admin.BatchV1().CronJobs(ns).Create(ctx, cron, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the Job's pod", func(ctx context.Context) bool {
		j, err := admin.BatchV1().Jobs(ns).Get(ctx, "report", metav1.GetOptions{})
		return err == nil && j.Status.Active == 1 && j.Status.Ready != nil && *j.Status.Ready == 1
	})
	err := wait.PollUntilContextTimeout(ctx, time.Second, 2*patience, true, func(ctx context.Context) (bool, error) {
		c, err := admin.BatchV1().CronJobs(ns).Get(ctx, "nightly", metav1.GetOptions{})
		return err == nil && len(c.Status.Active) == 1, nil
	})
	if err != nil {
		t.Fatalf("waited for the CronJob's Job: %v", err)
	}
}
