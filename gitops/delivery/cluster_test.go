package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// patience is how long a test waits for what the cluster does by itself.
const patience = time.Minute

// cluster is a namespace of a real API server, and a worker in it that may do what rules say.
type cluster struct {
	t         *testing.T
	config    *rest.Config // the admin's
	kube      kubernetes.Interface
	namespace string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	file := os.Getenv("CORTEXOPS_TEST_STACK")
	if file == "" {
		t.Skip("not run: no stack: run make test")
	}
	data, err := os.ReadFile(file)
	check(t, err)
	var stack struct {
		Kube struct{ AdminKubeconfig string }
	}
	check(t, json.Unmarshal(data, &stack))
	config, err := clientcmd.BuildConfigFromFlags("", stack.Kube.AdminKubeconfig)
	check(t, err)
	config.QPS, config.Burst = 200, 400
	kube, err := kubernetes.NewForConfig(config)
	check(t, err)
	c := &cluster{t: t, config: config, kube: kube, namespace: "delivery-" + rand.String(8)}
	_, err = kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		_ = kube.CoreV1().Namespaces().Delete(context.Background(), c.namespace, metav1.DeleteOptions{})
	})
	c.until("the default service account", func(ctx context.Context) (bool, error) {
		_, err := kube.CoreV1().ServiceAccounts(c.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) until(what string, done func(context.Context) (bool, error)) {
	c.t.Helper()
	if err := wait.PollUntilContextTimeout(c.t.Context(), 50*time.Millisecond, patience, true, done); err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

// worker is a Direct with a service account's token.
func (c *cluster) worker(rules ...rbacv1.PolicyRule) *Direct {
	c.t.Helper()
	return c.workerSeenBy(nil, rules...)
}

func (c *cluster) workerSeenBy(seen func(http.RoundTripper) http.RoundTripper, rules ...rbacv1.PolicyRule) *Direct {
	c.t.Helper()
	ctx := c.t.Context()
	_, err := c.kube.CoreV1().ServiceAccounts(c.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "worker"}}, metav1.CreateOptions{})
	check(c.t, err)
	token, err := c.kube.CoreV1().ServiceAccounts(c.namespace).CreateToken(ctx, "worker", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	check(c.t, err)
	_, err = c.kube.RbacV1().Roles(c.namespace).Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "worker"}, Rules: rules}, metav1.CreateOptions{})
	check(c.t, err)
	_, err = c.kube.RbacV1().RoleBindings(c.namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "worker"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "worker"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "worker", Namespace: c.namespace}}}, metav1.CreateOptions{})
	check(c.t, err)
	config := c.as(token.Status.Token)
	config.WrapTransport = seen
	d, err := NewDirect(config, "gitops")
	check(c.t, err)
	if len(rules) > 0 { // the authorizer hears of them a little later
		c.until("the role", func(ctx context.Context) (bool, error) {
			_, err := d.kube.AppsV1().Deployments(c.namespace).Get(ctx, "any", metav1.GetOptions{})
			return !apierrors.IsForbidden(err), nil
		})
	}
	return d
}

// as is the configuration of whoever has the token.
func (c *cluster) as(token string) *rest.Config {
	config := rest.AnonymousClientConfig(c.config)
	config.BearerToken, config.QPS, config.Burst = token, 200, 400
	return config
}

// allow adds a rule, given as YAML, to the worker's role.
func (c *cluster) allow(rule string) {
	c.t.Helper()
	var rules []rbacv1.PolicyRule
	check(c.t, yaml.UnmarshalStrict([]byte(rule), &rules))
	role, err := c.kube.RbacV1().Roles(c.namespace).Get(c.t.Context(), "worker", metav1.GetOptions{})
	check(c.t, err)
	role.Rules = append(role.Rules, rules...)
	_, err = c.kube.RbacV1().Roles(c.namespace).Update(c.t.Context(), role, metav1.UpdateOptions{})
	check(c.t, err)
}

var deployments = rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}}

// deployment is checkout with this memory limit.
func (c *cluster) deployment(memory string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"checkout","namespace":%q},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"checkout"}},`+
		`"template":{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[{"image":"shop/checkout:1","name":"app","resources":{"limits":{"memory":%q}}}]}}}}`, c.namespace, memory)
}

func (c *cluster) ref() Ref { return Ref{"apps", "v1", "Deployment", c.namespace, "checkout"} }

// deploy is the team's own applier.
func (c *cluster) deploy(object []byte, manager string) {
	c.t.Helper()
	force := true
	_, err := c.kube.AppsV1().Deployments(c.namespace).Patch(c.t.Context(), "checkout", types.ApplyPatchType, object, metav1.PatchOptions{FieldManager: manager, Force: &force})
	check(c.t, err)
}

func (c *cluster) limit() string {
	c.t.Helper()
	d, err := c.kube.AppsV1().Deployments(c.namespace).Get(c.t.Context(), "checkout", metav1.GetOptions{})
	check(c.t, err)
	return d.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String()
}

// tape records the patches that pass.
type tape struct {
	http.RoundTripper
	mu      sync.Mutex
	patches []request
}

type request struct {
	path, contentType, body string
	query                   url.Values
}

func (r *tape) over(next http.RoundTripper) http.RoundTripper {
	r.RoundTripper = next
	return r
}

func (r *tape) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPatch {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.mu.Lock()
		r.patches = append(r.patches, request{req.URL.Path, req.Header.Get("Content-Type"), string(body), req.URL.Query()})
		r.mu.Unlock()
	}
	return r.RoundTripper.RoundTrip(req)
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in\n%s", p, text)
		}
	}
}
