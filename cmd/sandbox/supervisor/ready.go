package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

var errNothingDeployed = errors.New("nothing is deployed yet")

// answers is ready when url is answered with 200.
func answers(url func(*stack.Stack) string) func(context.Context, *stack.Stack) error {
	return func(ctx context.Context, s *stack.Stack) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url(s), http.NoBody)
		if err != nil {
			return err
		}
		req.Close = true // leave no idle connection for the part to wait for when it stops
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			b, _ := io.ReadAll(io.LimitReader(res.Body, 500))
			return fmt.Errorf("GET %s: %s: %s", url(s), res.Status, b)
		}
		return nil
	}
}

func kubeReady(ctx context.Context, s *stack.Stack) error {
	c, err := kubeClient(s)
	if err != nil {
		return err
	}
	return c.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// deployerReady waits for its first deployment: it listens nowhere.
func deployerReady(ctx context.Context, s *stack.Stack) error {
	c, err := kubeClient(s)
	if err != nil {
		return err
	}
	list, err := c.AppsV1().Deployments(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return errNothingDeployed
	}
	return nil
}

func kubeClient(s *stack.Stack) (*kubernetes.Clientset, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", s.Kube.AdminKubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(cfg)
}

func temporalReady(ctx context.Context, s *stack.Stack) error {
	// gRPC writes to our stderr about each address that does not answer.
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Temporal.Address)
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	c, err := client.DialContext(ctx, client.Options{
		HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.Temporal.Namespace})
	if err != nil {
		return err
	}
	return answers(func(s *stack.Stack) string { return s.Temporal.UI + "/healthz" })(ctx, s)
}

func natsReady(ctx context.Context, s *stack.Stack) error {
	nc, err := nats.Connect(s.NATS.URL)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	_, err = js.AccountInfo(ctx)
	return err
}

// hostOf is the HOST:PORT of an address in the stack, which we wrote ourselves.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}

func listens(addresses ...func(*stack.Stack) string) func(*stack.Stack) []string {
	return func(s *stack.Stack) []string {
		var hosts []string
		for _, a := range addresses {
			hosts = append(hosts, hostOf(a(s)))
		}
		return hosts
	}
}
