package seed

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

//go:embed playbooks
var playbooks embed.FS

// object is one mapping of a configuration file. It is encoded, never pasted together: an address or a token
// cannot change the file's meaning.
type object = map[string]any

// Files writes what the programs of the stack read when they start: the configurations of Prometheus, Alertmanager and
// CortexOps, and the playbooks of the demo.
func Files(s *stack.Stack) error {
	if err := os.MkdirAll(s.Prometheus.Rules, 0o755); err != nil {
		return fmt.Errorf("make the folder of alert rules: %w", err)
	}
	prometheus, err := prometheusConfig(s)
	if err != nil {
		return err
	}
	err = errors.Join(
		writeYAML(s.Prometheus.Config, prometheus),
		writeYAML(s.Alertmanager.Config, alertmanagerConfig(s)),
		writeYAML(s.Product.Config, productConfig(s)),
	)
	if err != nil {
		return err
	}
	root, err := fs.Sub(playbooks, "playbooks")
	if err != nil {
		return fmt.Errorf("read the demo's playbooks: %w", err)
	}
	return copyTree(playbooksDir(s), root)
}

func playbooksDir(s *stack.Stack) string { return filepath.Join(s.Dir, "playbooks") }

func prometheusConfig(s *stack.Stack) (object, error) {
	var scrapes []object
	for _, job := range []struct{ name, url string }{{"workload", s.Workload.URL}, {"cortexops", s.Product.URL}} {
		u, err := url.Parse(job.url)
		if err != nil {
			return nil, fmt.Errorf("read the address of %s: %w", job.name, err)
		}
		scrapes = append(scrapes, object{"job_name": job.name, "static_configs": []object{{"targets": []string{u.Host}}}})
	}
	alertmanager, err := url.Parse(s.Alertmanager.URL)
	if err != nil {
		return nil, fmt.Errorf("read the address of alertmanager: %w", err)
	}
	return object{
		"global": object{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s", "query_log_file": s.Prometheus.QueryLog},
		// The team's, which the deployer keeps as the repository has them, and those of whoever runs CortexOps.
		"rule_files":     []string{filepath.Join(s.Prometheus.Rules, "*.yaml"), filepath.Join(s.Data("prometheus"), "cortexops*.yaml")},
		"scrape_configs": scrapes,
		"alerting":       object{"alertmanagers": []object{{"static_configs": []object{{"targets": []string{alertmanager.Host}}}}}},
	}, nil
}

func alertmanagerConfig(s *stack.Stack) object {
	return object{
		"route": object{
			"receiver": "cortexops", "group_by": []string{"alertname", "namespace"},
			"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1m",
			// What is wrong with CortexOps itself is told to people, not to it.
			"routes": []object{{"receiver": "people", "matchers": []string{`app="cortexops"`}}},
		},
		"receivers": []object{{"name": "people"}, {
			"name": "cortexops",
			"webhook_configs": []object{{
				"url": s.Product.URL + "/webhooks/alertmanager", "send_resolved": true,
				"http_config": object{"authorization": object{"type": "Bearer", "credentials": s.Product.Env["CORTEXOPS_ALERTMANAGER_TOKEN"]}},
			}},
		}},
	}
}

// productConfig is what a team would write for itself. Secrets are not in it: they are in the environment.
func productConfig(s *stack.Stack) object {
	address := s.Product.URL
	if u, err := url.Parse(s.Product.URL); err == nil {
		address = u.Host
	}
	data := filepath.Dir(s.Product.Config)
	ledger := object{"path": filepath.Join(data, "ledger.db")}
	if s.Product.Env["CORTEXOPS_LEDGER_URL"] != "" { // a Postgres, which the configuration does not name
		ledger = object{}
	}
	return object{
		"cluster": "sandbox",
		"server":  object{"address": address},
		"nats":    object{"url": s.NATS.URL, "prefix": "CORTEXOPS_"},
		"temporal": object{
			"address": s.Temporal.Address, "namespace": s.Temporal.Namespace, "taskQueue": "cortexops",
		},
		"kubernetes": object{"kubeconfig": s.Kube.WorkerKubeconfig, "namespaces": []string{"shop", "shop-staging"}},
		"forge": object{
			"api": s.Forge.API, "owner": s.Forge.Owner, "repo": s.Forge.Repo, "base": "main", "user": "cortexops-bot",
		},
		"git":        object{"url": s.Forge.URL + "/" + s.Forge.Owner + "/" + s.Forge.Repo + ".git", "directory": filepath.Join(data, "repository.git")},
		"overlays":   []string{"overlays/production", "overlays/staging"},
		"delivery":   object{"direct": object{"fieldManager": "gitops"}},
		"prometheus": object{"url": s.Prometheus.URL},
		"ledger":     ledger,
		"playbooks":  object{"directory": playbooksDir(s)},
		"slack":      object{"api": s.Slack.API, "channel": s.Slack.Channel, "users": s.Slack.Users},
		"correlate":  object{"settle": "1s"},
	}
}

func writeYAML(path string, v object) error {
	b, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// copyTree writes the files of root below dir, over what is there.
func copyTree(dir string, root fs.FS) error {
	return fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
}
