package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

const (
	example = "manifests/overlays/example"
	second  = "manifests/overlays/second"
)

func TestTheExampleOverlay(t *testing.T) {
	t.Parallel()
	documents, err := render(example)
	if err != nil {
		t.Fatal(err)
	}
	c, err := decoded(documents)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.sound(); err != nil {
		t.Error(err)
	}
	var names []string
	for _, w := range c.workloads {
		names = append(names, w.name)
	}
	slices.Sort(names)
	if want := []string{"cortexops-backup-postgres", "cortexops-backup-qdrant", "cortexops-migrate", "cortexops-serve", "cortexops-work"}; !slices.Equal(names, want) {
		t.Errorf("workloads %v, want %v", names, want)
	}
	for _, o := range c.objects {
		switch v := o.(type) {
		case *corev1.ConfigMap:
			if v.Name == "cortexops-dashboard" && (v.Labels["grafana_dashboard"] != "1" || v.Data["cortexops.json"] != string(read(t, "manifests/grafana/cortexops.json"))) {
				t.Error("the dashboard's ConfigMap is not the dashboard, or Grafana's sidecar would not find it")
			}
			var conf struct {
				Memory struct {
					QdrantURL string `json:"qdrantURL"`
				} `json:"memory"`
			}
			if text, ok := v.Data["cortexops.yaml"]; ok && (yaml.Unmarshal([]byte(text), &conf) != nil || conf.Memory.QdrantURL == "") {
				t.Error("a CronJob snapshots Qdrant, and memory.qdrantURL names none")
			}
		case *rbacv1.Role:
			if v.Namespace != "shop" {
				t.Errorf("Role %s is in %q, want the namespace that is watched", v.Name, v.Namespace)
			}
		}
	}
}

// TestTheSecondClustersOverlay: it is sound by itself, its rights are the first one's and no more, and what all clusters must have in
// common it has.
func TestTheSecondClustersOverlay(t *testing.T) {
	t.Parallel()
	var access [2][]string
	var conf [2]map[string]any
	for n, overlay := range []string{example, second} {
		documents, err := render(overlay)
		if err != nil {
			t.Fatal(err)
		}
		c, err := decoded(documents)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.sound(); err != nil {
			t.Errorf("%s: %v", overlay, err)
		}
		for _, d := range documents {
			if strings.Contains(string(d), `"apiVersion":"rbac.authorization.k8s.io/v1"`) {
				access[n] = append(access[n], string(d))
			}
		}
		if err := yaml.Unmarshal(read(t, overlay+"/cortexops.yaml"), &conf[n]); err != nil {
			t.Fatal(err)
		}
	}
	if len(access[0]) == 0 || !slices.Equal(access[0], access[1]) {
		t.Errorf("its rights are %v, want %v", access[1], access[0])
	}
	for _, key := range []string{"forge", "git"} {
		if !reflect.DeepEqual(conf[0][key], conf[1][key]) {
			t.Errorf("%s is %v, and %v in the first", key, conf[1][key], conf[0][key])
		}
	}
	if conf[0]["cluster"] == conf[1]["cluster"] {
		t.Error("both clusters have one name")
	}
}

func TestUnsoundManifestsAreSeen(t *testing.T) {
	t.Parallel()
	documents, err := render(example)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ kind, from, to, says string }{
		"root":               {"Deployment", `"runAsNonRoot":true`, `"runAsNonRoot":false`, "may run as root"},
		"a writable root":    {"Deployment", `"readOnlyRootFilesystem":true`, `"readOnlyRootFilesystem":false`, "writable root"},
		"more privileges":    {"CronJob", `"allowPrivilegeEscalation":false`, `"allowPrivilegeEscalation":true`, "escalate"},
		"capabilities":       {"Job", `"drop":["ALL"]`, `"drop":[]`, "capabilities"},
		"no seccomp":         {"Deployment", `"type":"RuntimeDefault"`, `"type":"Unconfined"`, "seccomp"},
		"no readiness":       {"Deployment", `"path":"/readyz"`, `"path":"/"`, "/readyz"},
		"no limit":           {"CronJob", `"limits":{"memory":"512Mi"}`, `"limits":{}`, "resources"},
		"no version":         {"Deployment", `cortexops:0.1.0"`, `cortexops:latest"`, "has no version"},
		"a secret's value":   {"Deployment", `"name":"CORTEXOPS_FORGE_TOKEN",`, `"name":"CORTEXOPS_FORGE_TOKEN","value":"x",`, "CORTEXOPS_FORGE_TOKEN is written down"},
		"another secret":     {"Deployment", `"name":"cortexops-secrets"`, `"name":"secrets"`, "there is no Secret secrets"},
		"an unknown field":   {"Deployment", `"replicas"`, `"replica"`, "replica"},
		"an unknown volume":  {"Deployment", `"mountPath":"/etc/cortexops","name":"config"`, `"mountPath":"/etc/cortexops","name":"conf"`, "no volume conf"},
		"no account":         {"Deployment", `"serviceAccountName":"cortexops-work"`, `"serviceAccountName":"work"`, "no ServiceAccount work"},
		"an idle token":      {"Deployment", `"automountServiceAccountToken":false`, `"automountServiceAccountToken":true`, "no use for"},
		"no configuration":   {"Deployment", `"configMap":{"name":"cortexops-config`, `"configMap":{"name":"config`, "no ConfigMap config"},
		"a budget for none":  {"PodDisruptionBudget", `"app.kubernetes.io/component":"`, `"app.kubernetes.io/component":"x`, "selects no workload"},
		"a service for none": {"Service", `"selector":{`, `"selector":{"a":"b",`, "selects no workload"},
		"a policy for none":  {"NetworkPolicy", `"podSelector":{"matchLabels":{`, `"podSelector":{"matchLabels":{"a":"b",`, "selects no workload"},
		"a loose binding":    {"RoleBinding", `"namespace":"cortexops"`, `"namespace":"shop"`, "binds what is not there"},
		"a Secret":           {"ServiceAccount", `"kind":"ServiceAccount"`, `"kind":"Secret"`, "v1 Secret has no place here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := decoded(broken(t, documents, c.kind, c.from, c.to))
			if err == nil {
				err = objects.sound()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q in it", err, c.says)
			}
		})
	}
}

// Each of the two autoscalers fits onto the base.
func TestAutoscalersFit(t *testing.T) {
	t.Parallel()
	for component, kind := range map[string]string{"autoscale": "HorizontalPodAutoscaler", "keda": "ScaledObject"} {
		t.Run(component, func(t *testing.T) {
			t.Parallel()
			// An overlay outside the repository: kustomize wants relative paths.
			dir := t.TempDir()
			here, err := filepath.Abs(filepath.Join(root, "manifests"))
			if err != nil {
				t.Fatal(err)
			}
			to, err := filepath.Rel(dir, here)
			if err != nil {
				t.Fatal(err)
			}
			text := "resources: [" + to + "/overlays/example]\ncomponents: [" + to + "/components/" + component + "]\n"
			if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			documents, err := render(dir)
			if err != nil {
				t.Fatal(err)
			}
			c, err := decoded(documents)
			if err == nil {
				err = c.sound()
			}
			if err != nil {
				t.Error(err)
			}
			all := ""
			for _, d := range documents {
				if strings.Contains(string(d), `"kind":"Deployment","metadata"`) && strings.Contains(string(d), `"name":"cortexops-work","namespace"`) && strings.Contains(string(d), `"replicas"`) {
					t.Errorf("the Deployment and the autoscaler both set replicas: %s", d)
				}
				all += string(d)
			}
			if strings.Count(all, `"kind":"`+kind+`"`) != 1 || !strings.Contains(all, "cortexops_bus_pending") {
				t.Errorf("there is not one %s on cortexops_bus_pending", kind)
			}
		})
	}
}

// What is configured in the examples are keys that exist. The product refuses others when it starts.
func TestExampleConfigurations(t *testing.T) {
	t.Parallel()
	var all map[string]any
	if err := yaml.Unmarshal(read(t, "manifests/cortexops.yaml"), &all); err != nil {
		t.Fatal(err)
	}
	known := keys("", all)
	for _, path := range []string{example + "/cortexops.yaml", second + "/cortexops.yaml", "manifests/compose/cortexops.yaml"} {
		var some map[string]any
		if err := yaml.UnmarshalStrict(read(t, path), &some); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, key := range keys("", some) {
			if !slices.Contains(known, key) {
				t.Errorf("%s: %s is no key of manifests/cortexops.yaml", path, key)
			}
		}
	}
}

func keys(under string, m map[string]any) (all []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if deeper, ok := m[k].(map[string]any); ok {
			all = append(all, keys(under+k+".", deeper)...)
			continue
		}
		all = append(all, under+k)
	}
	return all
}

// The API server validates what the types do not: names, ports, quantities, schedules, references between fields.
func TestTheAPIServerTakesTheExample(t *testing.T) {
	t.Parallel()
	client := dynamicClient(t)
	documents, err := render(example)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, d := range documents {
		tried++
		if err := dryRun(t, client, d); err != nil {
			t.Errorf("%v: %s", err, d)
		}
	}
	if tried < 20 {
		t.Errorf("only %d objects were tried", tried)
	}
	for _, d := range broken(t, documents, "Service", `"targetPort":"http"`, `"targetPort":"no port"`) {
		if strings.Contains(string(d), "no port") && dryRun(t, client, d) == nil {
			t.Error("a port that is no name is taken")
		}
	}
}

func dryRun(t *testing.T, client dynamic.Interface, document []byte) error {
	var o unstructured.Unstructured
	if err := json.Unmarshal(document, &o.Object); err != nil {
		return err
	}
	if kinds[o.GetAPIVersion()+" "+o.GetKind()] == nil {
		return nil // another project's, which this API server does not know
	}
	resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
	force := true
	_, err := client.Resource(resource).Namespace(o.GetNamespace()).Patch(t.Context(), o.GetName(), types.ApplyPatchType, document,
		metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "gen", Force: &force, FieldValidation: metav1.FieldValidationStrict})
	return err
}

func dynamicClient(t *testing.T) dynamic.Interface {
	t.Helper()
	var stack struct {
		Kube struct{ AdminKubeconfig string }
	}
	stackInto(t, &stack)
	config, err := clientcmd.BuildConfigFromFlags("", stack.Kube.AdminKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
