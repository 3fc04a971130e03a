package seed

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"

	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/cortexops/cortexops/cmd/sandbox/deployer"
	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

//go:embed cluster/cluster.yaml
var clusterYAML []byte

// tokenSeconds is how long the service accounts' tokens are good: each start of the sandbox makes new ones.
const tokenSeconds = 24 * 60 * 60

// Cluster makes namespaces, service accounts and their rights, and writes each account's kubeconfig with a token of its
// own. It may be run again.
func Cluster(ctx context.Context, s *stack.Stack) error {
	admin, err := kubeconfig.Load(s.Kube.AdminKubeconfig)
	if err != nil {
		return err
	}
	apply, err := deployer.NewApplier(admin, "sandbox-seed")
	if err != nil {
		return err
	}
	objects, err := decodeAll(clusterYAML)
	if err != nil {
		return err
	}
	if err := apply.Apply(ctx, objects); err != nil {
		return fmt.Errorf("prepare the cluster: %w", err)
	}
	for _, a := range []struct{ namespace, name, file string }{
		{"cortexops", "cortexops-worker", s.Kube.WorkerKubeconfig},
		{"sandbox", "deployer", s.Kube.DeployerKubeconfig},
		{"sandbox", "reader", s.Kube.ReaderKubeconfig},
	} {
		if err := grant(ctx, admin, a.namespace, a.name, a.file); err != nil {
			return err
		}
	}
	return nil
}

func grant(ctx context.Context, admin *rest.Config, namespace, name, file string) error {
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return fmt.Errorf("make a client of the cluster: %w", err)
	}
	seconds := int64(tokenSeconds)
	tr, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name,
		&authv1.TokenRequest{Spec: authv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make a token for %s/%s: %w", namespace, name, err)
	}
	return kubeconfig.Write(file, kubeconfig.Access{Server: admin.Host, CA: admin.CAData, User: name, Token: tr.Status.Token})
}

func decodeAll(b []byte) (objects []*unstructured.Unstructured, err error) {
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(b), 4096)
	for {
		o := &unstructured.Unstructured{}
		err := d.Decode(o)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the cluster's objects: %w", err)
		}
		objects = append(objects, o)
	}
}
