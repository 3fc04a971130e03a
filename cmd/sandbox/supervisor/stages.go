package supervisor

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// Stages are the sandbox: what it is made of, in the order in which it starts.
func Stages() []Stage {
	return []Stage{
		{Children: []Child{
			{Name: "kube", Ready: kubeReady, Listens: listens(
				func(s *stack.Stack) string { return s.Kube.URL },
				func(s *stack.Stack) string { return s.Kube.EtcdClient },
				func(s *stack.Stack) string { return s.Kube.EtcdPeer })},
			{Name: "temporal", Ready: temporalReady, Listens: temporalListens},
			{Name: "nats", Ready: natsReady, Listens: listens(func(s *stack.Stack) string { return s.NATS.URL })},
			{Name: "forge", Ready: answers(forgeURL), Listens: listens(forgeURL)},
			{Name: "slack", Ready: answers(slackURL), Listens: listens(slackURL)},
		}},
		{
			Steps: []Step{
				{Name: "configuration", Do: func(_ context.Context, s *stack.Stack) error { return seed.Files(s) }},
				{Name: "cluster", Needs: []string{"kube"}, Do: seed.Cluster},
				{Name: "repository", Needs: []string{"forge"}, Do: func(ctx context.Context, s *stack.Stack) error { _, err := seed.Repository(ctx, s); return err }},
			},
			Children: []Child{
				{Name: "workload", Needs: []string{"kube"}, Ready: answers(metricsURL), Listens: listens(metricsURL)},
				{Name: "deployer", Needs: []string{"kube", "forge"}, Ready: deployerReady},
				{Name: "prometheus", Command: prometheus, Ready: answers(func(s *stack.Stack) string { return s.Prometheus.URL + "/-/ready" }),
					Listens: listens(func(s *stack.Stack) string { return s.Prometheus.URL })},
				{Name: "alertmanager", Command: alertmanager, Ready: answers(func(s *stack.Stack) string { return s.Alertmanager.URL + "/-/ready" }),
					Listens: listens(func(s *stack.Stack) string { return s.Alertmanager.URL })},
			},
		},
		{
			Steps: []Step{{Name: "migration", Needs: []string{"cortexops"}, Do: migrate}},
			Children: []Child{{
				Name: "cortexops", Needs: []string{"kube", "temporal", "nats", "forge", "slack", "prometheus"},
				Command: func(s *stack.Stack) Command { return product(s, "serve", "--all") },
				Ready:   answers(func(s *stack.Stack) string { return s.Product.URL + "/readyz" }),
				Listens: listens(func(s *stack.Stack) string { return s.Product.URL }),
			}},
		},
	}
}

func forgeURL(s *stack.Stack) string   { return s.Forge.URL }
func slackURL(s *stack.Stack) string   { return s.Slack.URL }
func metricsURL(s *stack.Stack) string { return s.Workload.URL + "/metrics" }

func temporalListens(s *stack.Stack) []string {
	at := []string{hostOf(s.Temporal.UI)}
	for i := range stack.TemporalPorts {
		at = append(at, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Temporal.Port+i)))
	}
	return at
}

func program(s *stack.Stack, name string) string {
	return filepath.Join(filepath.Dir(s.Product.Binary), name)
}

func prometheus(s *stack.Stack) Command {
	return Command{Args: []string{
		program(s, "prometheus"),
		"--config.file=" + s.Prometheus.Config,
		"--storage.tsdb.path=" + filepath.Join(s.Data("prometheus"), "data"),
		"--web.listen-address=" + hostOf(s.Prometheus.URL),
		"--web.enable-lifecycle", // the deployer reloads it
	}}
}

func alertmanager(s *stack.Stack) Command {
	return Command{Args: []string{
		program(s, "alertmanager"),
		"--config.file=" + s.Alertmanager.Config,
		"--storage.path=" + filepath.Join(s.Data("alertmanager"), "data"),
		"--web.listen-address=" + hostOf(s.Alertmanager.URL),
		"--cluster.listen-address=", // alone
	}}
}

func product(s *stack.Stack, args ...string) Command {
	return Command{Args: append([]string{s.Product.Binary}, append(args, "--config", s.Product.Config)...), Env: s.Product.Env}
}

func migrate(ctx context.Context, s *stack.Stack) error {
	c := product(s, "migrate")
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env = append(os.Environ(), c.environment()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	return nil
}
