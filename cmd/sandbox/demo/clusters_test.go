package demo

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/cortexops/cortexops/cmd/sandbox/deployer"
	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
)

// second is a cluster by its own name, which shares everything with the stack's but who works in it. The sandbox has one API server:
// what is the second's there are one namespace and one account, which has no right in any other.
const second = "staging"

// TestClusters has two clusters, each with workers of its own, on one bus, one Temporal, one ledger and one forge. An incident is
// remediated by the workers of its own cluster, under their account; while there are none it waits, and that is told.
func TestClusters(t *testing.T) {
	t.Parallel()
	h := start(t)
	of := h.settle(t)
	serve := h.beside(t, "serve", of)
	id := h.oom(t, serve.url)
	own := h.begun(t, "APPROVAL_PENDING")
	h.posts(t, h.Stack.Product.URL, "ContainerThrottled", "shop")
	h.becomes(t, "clusters", "failing")
	if text, err := h.get(t.Context(), h.Stack.Product.URL+"/metrics"); err != nil || !strings.Contains(text, "\ncortexops_remediations_unattended{cluster=\"staging\"} 1\n") {
		t.Errorf("the gauge does not say that it waits, %v", err)
	}
	if phase, err := h.Phase(t.Context(), id); phase != "PLANNING" || err != nil {
		t.Errorf("without a worker of its cluster it is %s, %v", phase, err)
	}
	work := h.beside(t, "work", of)
	h.reaches(t, id, "APPROVAL_PENDING")
	h.told(t, h.pullOf(t, own), "`ContainerThrottled`") // evidence that came after it had begun
	for _, workflow := range []string{own, id} {
		if err := h.Approve(t.Context(), "sam", h.pullOf(t, workflow).Number); err != nil {
			t.Fatal(err)
		}
	}
	h.ends(t, own, "SUCCEEDED", "")
	h.ends(t, id, "SUCCEEDED", "")
	h.becomes(t, "clusters", "ok")
	h.doneBy(t, own, "sandbox/")
	h.doneBy(t, id, second+"/")
	for user, want := range map[string]string{Worker: "deployments shop/checkout", account: "deployments shop-staging/checkout"} {
		writes, err := writesOf(h.Stack.Kube.AuditLog, user)
		if err != nil || Applied(writes) != 1 {
			t.Errorf("%d applies by %s, %v", Applied(writes), user, err)
		}
		for _, w := range writes {
			if w.Object != want {
				t.Errorf("%s writes to %s", user, w.Object)
			}
		}
	}
	h.followed(t, work.url)
}

const account = "system:serviceaccount:cortexops:" + second

// settle makes the second cluster's account, with the rights that the manifests give a worker, and says what its processes have else
// in their configuration.
func (h *house) settle(t *testing.T) func(config map[string]any) {
	t.Helper()
	rc, err := kubeconfig.Load(h.Stack.Kube.AdminKubeconfig)
	check(t, err)
	_, err = h.kube.CoreV1().ServiceAccounts("cortexops").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: second}}, metav1.CreateOptions{})
	check(t, err)
	raw, err := os.ReadFile("../../../manifests/watched/access.yaml")
	check(t, err)
	admin, err := deployer.NewApplier(rc, "admin")
	check(t, err)
	rights := decoded(t, []byte(strings.ReplaceAll(string(raw), "name: cortexops-work", "name: "+second)))
	for _, o := range rights {
		o.SetNamespace("shop-staging")
	}
	check(t, admin.Apply(t.Context(), rights))
	token, err := h.kube.CoreV1().ServiceAccounts("cortexops").CreateToken(t.Context(), second, &authv1.TokenRequest{}, metav1.CreateOptions{})
	check(t, err)

	both, err := clientcmd.LoadFromFile(h.Stack.Kube.WorkerKubeconfig)
	check(t, err)
	both.AuthInfos[second] = &api.AuthInfo{Token: token.Status.Token}
	both.Contexts[second] = &api.Context{Cluster: both.Contexts[both.CurrentContext].Cluster, AuthInfo: second}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	check(t, clientcmd.WriteToFile(*both, file))
	return func(config map[string]any) {
		config["cluster"] = second
		config["kubernetes"] = map[string]any{"kubeconfig": file, "context": second, "namespaces": []string{"shop-staging"}}
		config["overlays"] = []string{"overlays/staging"}
	}
}

// oom tells the webhook at url of a pod that was killed, and waits for the remediation.
func (h *house) oom(t *testing.T, url string) (workflowID string) {
	t.Helper()
	known := h.remediations(t)
	h.posts(t, url, "ContainerOOMKilled", "shop-staging")
	return h.another(t, known, "PLANNING")
}

// posts tells the webhook at url of an alert about the checkout of a namespace.
func (h *house) posts(t *testing.T, url, alert, namespace string) {
	t.Helper()
	body := map[string]any{"version": "4", "status": "firing", "receiver": "r", "alerts": []map[string]any{{"status": "firing",
		"startsAt": time.Now().UTC().Format(time.RFC3339Nano), "fingerprint": alert + namespace,
		"labels": map[string]string{"alertname": alert, "namespace": namespace, "deployment": "checkout", "container": "app"}}}}
	token := h.Stack.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"]
	if err := wait(t.Context(), "the alert to be accepted", time.Minute, func(ctx context.Context) (bool, error) {
		err := h.call(ctx, http.MethodPost, url+"/webhooks/alertmanager", token, body, nil)
		return err == nil, err
	}); err != nil {
		t.Fatal(err)
	}
}

// doneBy is a prefix of everybody in Temporal's history who has carried out something.
func (h *house) doneBy(t *testing.T, workflowID, prefix string) {
	t.Helper()
	done := 0
	for events := h.temporal.GetWorkflowHistory(t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		e, err := events.Next()
		check(t, err)
		for _, who := range []string{e.GetWorkflowTaskCompletedEventAttributes().GetIdentity(), e.GetActivityTaskStartedEventAttributes().GetIdentity()} {
			if who == "" {
				continue
			}
			if done++; !strings.HasPrefix(who, prefix) {
				t.Errorf("%s is worked on by %s, want %s…", workflowID, who, prefix)
			}
		}
	}
	if done == 0 {
		t.Errorf("nobody has worked on %s", workflowID)
	}
}

// followed waits until whoever joins is told of both clusters, each by a process of its own.
func (h *house) followed(t *testing.T, other string) {
	t.Helper()
	if err := wait(t.Context(), "both clusters to be followed", time.Minute, func(ctx context.Context) (bool, error) {
		told := ""
		for _, url := range []string{h.Stack.Product.URL, other} {
			text, err := h.get(ctx, url+"/metrics")
			if err != nil || !strings.Contains(text, "\ncortexops_bus_follows 1\n") {
				return false, err
			}
			if text, err = h.get(ctx, url+"/debug/healthz"); err != nil {
				return false, err
			}
			told += text
		}
		return strings.Contains(told, "ago of sandbox") && strings.Contains(told, fmt.Sprintf("ago of %s", second)), nil
	}); err != nil {
		t.Fatal(err)
	}
}
