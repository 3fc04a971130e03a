package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// kinds are what the manifests may hold, and the type that each must fit field by field; another project's have none. A
// Secret is not among them.
var kinds = map[string]func() metav1.Object{
	"v1 Namespace": func() metav1.Object { return &corev1.Namespace{} }, "v1 ServiceAccount": func() metav1.Object { return &corev1.ServiceAccount{} },
	"v1 ConfigMap": func() metav1.Object { return &corev1.ConfigMap{} }, "v1 Service": func() metav1.Object { return &corev1.Service{} },
	"v1 PersistentVolumeClaim":               func() metav1.Object { return &corev1.PersistentVolumeClaim{} },
	"apps/v1 Deployment":                     func() metav1.Object { return &appsv1.Deployment{} },
	"batch/v1 Job":                           func() metav1.Object { return &batchv1.Job{} },
	"batch/v1 CronJob":                       func() metav1.Object { return &batchv1.CronJob{} },
	"policy/v1 PodDisruptionBudget":          func() metav1.Object { return &policyv1.PodDisruptionBudget{} },
	"networking.k8s.io/v1 NetworkPolicy":     func() metav1.Object { return &networkingv1.NetworkPolicy{} },
	"autoscaling/v2 HorizontalPodAutoscaler": func() metav1.Object { return &autoscalingv2.HorizontalPodAutoscaler{} },
	"rbac.authorization.k8s.io/v1 Role":      func() metav1.Object { return &rbacv1.Role{} }, "rbac.authorization.k8s.io/v1 RoleBinding": func() metav1.Object { return &rbacv1.RoleBinding{} },
	"rbac.authorization.k8s.io/v1 ClusterRole":        func() metav1.Object { return &rbacv1.ClusterRole{} },
	"rbac.authorization.k8s.io/v1 ClusterRoleBinding": func() metav1.Object { return &rbacv1.ClusterRoleBinding{} },
	"monitoring.coreos.com/v1 PodMonitor":             nil, "monitoring.coreos.com/v1 PrometheusRule": nil, "keda.sh/v1alpha1 ScaledObject": nil,
}

// render is what `kubectl apply -k` would send, each object as JSON.
func render(dir string) ([][]byte, error) {
	res, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), under(dir))
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, r := range res.Resources() {
		b, err := r.MarshalJSON()
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// workload is whatever makes pods.
type workload struct {
	kind, namespace, name string
	pod                   corev1.PodTemplateSpec
}

// cluster is the objects as their types.
type cluster struct {
	objects   []metav1.Object
	workloads []workload
}

func decoded(documents [][]byte) (c cluster, err error) {
	var errs []error
	for _, d := range documents {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal(d, &head); err != nil {
			return c, err
		}
		kind := head.APIVersion + " " + head.Kind
		into, ok := kinds[kind]
		if !ok {
			errs = append(errs, fmt.Errorf("a %s has no place here", kind))
		}
		if into == nil {
			continue
		}
		o := into()
		if err := yaml.UnmarshalStrict(d, o); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", kind, err))
		}
		c.objects = append(c.objects, o)
		w := workload{kind: head.Kind, namespace: o.GetNamespace(), name: o.GetName()}
		switch v := o.(type) {
		case *appsv1.Deployment:
			w.pod = v.Spec.Template
		case *batchv1.Job:
			w.pod = v.Spec.Template
		case *batchv1.CronJob:
			w.pod = v.Spec.JobTemplate.Spec.Template
		default:
			continue
		}
		c.workloads = append(c.workloads, w)
	}
	return c, errors.Join(errs...)
}

// has tells whether there is such an object. Of Secrets only the names are known: people make them.
func (c cluster) has(kind, namespace, name string) bool {
	if kind == "Secret" {
		return slices.Contains([]string{"cortexops-secrets", "cortexops-backup"}, name)
	}
	return slices.ContainsFunc(c.objects, func(o metav1.Object) bool {
		return strings.HasSuffix(fmt.Sprintf("%T", o), "."+kind) && o.GetNamespace() == namespace && o.GetName() == name
	})
}

// sound finds what an API server would take and a cluster would suffer from.
func (c cluster) sound() error {
	var errs []error
	for _, w := range c.workloads {
		for _, err := range slices.Concat(w.restricted(), w.operable(), c.references(w)) {
			errs = append(errs, fmt.Errorf("%s %s: %w", w.kind, w.name, err))
		}
	}
	for _, o := range c.objects {
		var selector *metav1.LabelSelector
		switch v := o.(type) {
		case *policyv1.PodDisruptionBudget:
			selector = v.Spec.Selector
		case *networkingv1.NetworkPolicy:
			selector = &v.Spec.PodSelector
		case *corev1.Service:
			selector = &metav1.LabelSelector{MatchLabels: v.Spec.Selector}
		case *autoscalingv2.HorizontalPodAutoscaler:
			if !c.has(v.Spec.ScaleTargetRef.Kind, v.Namespace, v.Spec.ScaleTargetRef.Name) {
				errs = append(errs, fmt.Errorf("the autoscaler %s scales nothing", v.Name))
			}
			continue
		case *rbacv1.ClusterRoleBinding:
			for _, s := range v.Subjects {
				if !c.has(s.Kind, s.Namespace, s.Name) || !c.has(v.RoleRef.Kind, "", v.RoleRef.Name) {
					errs = append(errs, fmt.Errorf("ClusterRoleBinding %s binds what is not there", v.Name))
				}
			}
			continue
		case *rbacv1.RoleBinding:
			for _, s := range v.Subjects {
				if !c.has(s.Kind, s.Namespace, s.Name) || !c.has(v.RoleRef.Kind, v.Namespace, v.RoleRef.Name) {
					errs = append(errs, fmt.Errorf("RoleBinding %s binds what is not there", v.Name))
				}
			}
			continue
		default:
			continue
		}
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || !slices.ContainsFunc(c.workloads, func(w workload) bool { return s.Matches(labels.Set(w.pod.Labels)) && w.namespace == o.GetNamespace() }) {
			errs = append(errs, fmt.Errorf("%T %s selects no workload: %w", o, o.GetName(), err))
		}
	}
	return errors.Join(errs...)
}

// restricted is the Pod Security Standard of that name, and a root file system that nobody writes to.
func (w workload) restricted() (errs []error) {
	s := w.pod.Spec.SecurityContext
	if s == nil || !is(s.RunAsNonRoot) || s.RunAsUser == nil || *s.RunAsUser == 0 {
		errs = append(errs, errors.New("may run as root"))
	}
	if s == nil || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		errs = append(errs, errors.New("has no seccomp profile"))
	}
	for _, c := range w.containers() {
		s := c.SecurityContext
		switch {
		case s == nil || !is(s.ReadOnlyRootFilesystem):
			errs = append(errs, errors.New("has a writable root file system"))
		case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || is(s.Privileged):
			errs = append(errs, errors.New("may escalate its privileges"))
		case s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL") || len(s.Capabilities.Add) > 0:
			errs = append(errs, errors.New("keeps capabilities"))
		}
	}
	return errs
}

var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9.]+)?(@sha256:[0-9a-f]{64})?$`)

// operable is what the people need who run it.
func (w workload) operable() (errs []error) {
	for _, c := range w.containers() {
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			errs = append(errs, fmt.Errorf("container %s does not say what resources it needs", c.Name))
		}
		if !pinned.MatchString(c.Image) {
			errs = append(errs, fmt.Errorf("the image %s has no version", c.Image))
		}
		if w.kind == "Deployment" && (asks(c.LivenessProbe) != "/livez" || asks(c.ReadinessProbe) != "/readyz" || asks(c.StartupProbe) != "/livez") {
			errs = append(errs, errors.New("probes must ask /livez, /livez and /readyz"))
		}
		for _, e := range c.Env {
			if e.Value != "" && secretName.MatchString(e.Name) {
				errs = append(errs, fmt.Errorf("%s is written down", e.Name))
			}
		}
	}
	return errs
}

var secretName = regexp.MustCompile(`(?i)(TOKEN|SECRET|PASSWORD|PWD|KEY|LEDGER_URL)$`)

// references must lead somewhere.
func (c cluster) references(w workload) (errs []error) {
	want := func(kind, name string) {
		if !c.has(kind, w.namespace, name) {
			errs = append(errs, fmt.Errorf("there is no %s %s", kind, name))
		}
	}
	if name := w.pod.Spec.ServiceAccountName; name != "" {
		want("ServiceAccount", name)
	} else if w.pod.Spec.AutomountServiceAccountToken == nil || *w.pod.Spec.AutomountServiceAccountToken {
		errs = append(errs, errors.New("gets a token that it has no use for"))
	}
	volumes := map[string]bool{}
	for _, v := range w.pod.Spec.Volumes {
		volumes[v.Name] = true
		switch {
		case v.ConfigMap != nil:
			want("ConfigMap", v.ConfigMap.Name)
		case v.PersistentVolumeClaim != nil:
			want("PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName)
		}
	}
	for _, container := range w.containers() {
		for _, m := range container.VolumeMounts {
			if !volumes[m.Name] {
				errs = append(errs, fmt.Errorf("there is no volume %s", m.Name))
			}
		}
		for _, e := range container.EnvFrom {
			want("Secret", e.SecretRef.Name)
		}
		for _, e := range container.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				want("Secret", e.ValueFrom.SecretKeyRef.Name)
			}
		}
	}
	return errs
}

func (w workload) containers() []corev1.Container {
	return slices.Concat(w.pod.Spec.InitContainers, w.pod.Spec.Containers)
}

func asks(p *corev1.Probe) string {
	if p == nil || p.HTTPGet == nil {
		return ""
	}
	return p.HTTPGet.Path
}

func is(b *bool) bool { return b != nil && *b }

// broken replaces the first from in an object of that kind.
func broken(t *testing.T, documents [][]byte, kind, from, to string) [][]byte {
	t.Helper()
	documents = slices.Clone(documents)
	for i, d := range documents {
		if bytes.Contains(d, []byte(`"kind":"`+kind+`","metadata"`)) && bytes.Contains(d, []byte(from)) {
			documents[i] = bytes.Replace(d, []byte(from), []byte(to), 1)
			return documents
		}
	}
	t.Fatalf("no %s has %s: change this test with it", kind, from)
	return nil
}

// under is a path in the repository, or an absolute one.
func under(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, filepath.FromSlash(path))
}
