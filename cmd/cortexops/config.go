package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cortexops/cortexops/pipeline/notify"
)

// Config is the configuration file. Unknown keys are errors. Secrets come from the environment only.
type Config struct {
	// Cluster is the name of the cluster that this instance looks after, as it appears in incidents. Its workers have a queue of
	// their own by that name.
	Cluster string `yaml:"cluster"`
	Server  struct {
		// Address of webhooks, health and metrics.
		Address string `yaml:"address"`
	} `yaml:"server"`
	NATS struct {
		URL string `yaml:"url"`
		// Prefix of the streams' names and subjects, where several instances share a server.
		Prefix string `yaml:"prefix"`
		// Memory keeps the stream of signals in the server's memory.
		Memory bool `yaml:"memory"`
	} `yaml:"nats"`
	Temporal struct {
		Address   string `yaml:"address"`
		Namespace string `yaml:"namespace"`
		// TaskQueue is what the queues of all clusters have in common: each is TaskQueue@CLUSTER.
		TaskQueue string `yaml:"taskQueue"`
		// UI is the address of its web UI, for links to workflows. Empty: there are none.
		UI string `yaml:"ui"`
	} `yaml:"temporal"`
	Kubernetes struct {
		// Kubeconfig of the worker's own identity. Empty: the pod's service account.
		Kubeconfig string `yaml:"kubeconfig"`
		// Context of the kubeconfig. Empty: its current one.
		Context string `yaml:"context"`
		// Namespaces that are watched and may be remediated.
		Namespaces []string `yaml:"namespaces"`
		// Signals are made of what the objects say of themselves, too.
		Signals bool `yaml:"signals"`
	} `yaml:"kubernetes"`
	// Scope is what may be acted on.
	Scope scope `yaml:"scope"`
	// Maintenance are times in which nothing acts.
	Maintenance []maintenance `yaml:"maintenance"`
	// CloudEvents are who may send them, each to /webhooks/cloudevents/NAME.
	CloudEvents []sender `yaml:"cloudevents"`
	Forge       struct {
		// API is the REST root: https://api.github.com/, or https://HOST/api/v3/ of a GitHub Enterprise.
		API   string `yaml:"api"`
		Owner string `yaml:"owner"`
		Repo  string `yaml:"repo"`
		// Base is the branch that is deployed.
		Base string `yaml:"base"`
		// User is our own login.
		User string `yaml:"user"`
	} `yaml:"forge"`
	Git struct {
		URL string `yaml:"url"`
		// Directory keeps the mirror.
		Directory   string `yaml:"directory"`
		AuthorName  string `yaml:"authorName"`
		AuthorEmail string `yaml:"authorEmail"`
		// Signing of commits; none is signed where it is empty.
		Signing struct {
			// Format is ssh or openpgp.
			Format string `yaml:"format"`
			// KeyFile holds the private key, without a passphrase. Empty: CORTEXOPS_GIT_SIGNING_KEY does.
			KeyFile string `yaml:"keyFile"`
		} `yaml:"signing"`
	} `yaml:"git"`
	// Overlays are the kustomizations in the repository that this cluster runs.
	Overlays   []string       `yaml:"overlays"`
	Delivery   deliveryConfig `yaml:"delivery"`
	Prometheus struct {
		URL string `yaml:"url"`
		// Traffic is a query of who calls whom, for the topology. Empty: it is not known.
		Traffic string `yaml:"traffic"`
	} `yaml:"prometheus"`
	Ledger struct {
		// Path of the SQLite file; empty where CORTEXOPS_LEDGER_URL names a Postgres.
		Path string `yaml:"path"`
	} `yaml:"ledger"`
	Playbooks struct {
		// Directory of NAME/playbook.yaml. Empty: the built-in catalogue.
		Directory string `yaml:"directory"`
	} `yaml:"playbooks"`
	Policies policyConfig `yaml:"policies"`
	Slack    struct {
		// Channel is its ID; empty: Slack is not used.
		Channel string `yaml:"channel"`
		// API is the root of Slack's methods.
		API string `yaml:"api"`
		// Users may approve and reject on Slack: Slack user ID → login on the forge.
		Users map[string]string `yaml:"users"`
		// Mode is how clicks come in: http, a webhook, or socket, a websocket that we open.
		Mode string `yaml:"mode"`
	} `yaml:"slack"`
	PagerDuty struct {
		// API takes the events. People are called where CORTEXOPS_PAGERDUTY_KEY is set.
		API string `yaml:"api"`
	} `yaml:"pagerduty"`
	LLM struct {
		// BaseURL of an OpenAI-compatible API. Empty: heuristics advise.
		BaseURL string `yaml:"baseURL"`
		Model   string `yaml:"model"`
		// Deadline after which the heuristics' word is taken.
		Deadline time.Duration `yaml:"deadline"`
	} `yaml:"llm"`
	Memory struct {
		// QdrantURL is its gRPC address, such as http://qdrant:6334. Empty: an SQLite file beside the ledger, or the mirror.
		QdrantURL string `yaml:"qdrantURL"`
	} `yaml:"memory"`
	Correlate struct {
		// Settle is how long an incident gathers signals before it is sealed.
		Settle time.Duration `yaml:"settle"`
	} `yaml:"correlate"`

	secrets secrets
}

// secrets come from the environment, or from the files that it names: they are in no configuration and no log.
type secrets struct {
	alertmanagerToken, fluxKey, forgeWebhookSecret string
	cloudEvents                                    map[string]*string // by the sender's name
	forgeToken                                     func() string      // read anew from its file, where it has one
	slackToken, slackSigningSecret                 string             // required where slack.channel is set
	slackAppToken                                  string             // instead of the signing secret, where slack.mode is socket
	pagerDutyKey                                   string             // optional: where it is empty nobody is called
	llmKey                                         string             // optional: a local model may want none
	qdrantKey                                      string             // optional, as well
	signingKey                                     string             // where commits are signed and git.signing.keyFile is empty
}

func defaults() Config {
	var c Config
	c.Server.Address = ":8080"
	c.NATS.URL, c.NATS.Prefix = "nats://127.0.0.1:4222", "cortexops"
	c.Temporal.Address, c.Temporal.Namespace, c.Temporal.TaskQueue = "127.0.0.1:7233", "default", "cortexops"
	c.Forge.API, c.Forge.Base = "https://api.github.com/", "main"
	c.Git.AuthorName, c.Git.AuthorEmail = "CortexOps", "cortexops@localhost"
	c.Slack.API, c.Slack.Mode = "https://slack.com/api/", modeHTTP
	c.PagerDuty.API = notify.PagerDutyAPI
	c.LLM.Deadline = 10 * time.Second
	c.Correlate.Settle = 10 * time.Second
	c.Delivery.Mode, c.Delivery.ArgoCD.Namespace = "direct", "argocd"
	c.Policies.Bundle.Algorithm = "RS256"
	return c
}

// loadConfig reads a file over the defaults and reports everything that is
// missing at once.
func loadConfig(path string) (Config, error) {
	c := defaults()
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read configuration: %w (name one with --config)", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("configuration %s: %w", path, plainly(err))
	}
	var missing []error
	required := map[string]string{
		"cluster": c.Cluster, "forge.owner": c.Forge.Owner, "forge.repo": c.Forge.Repo, "forge.user": c.Forge.User, "git.url": c.Git.URL,
		"git.directory": c.Git.Directory, "overlays": strings.Join(c.Overlays, ","), "prometheus.url": c.Prometheus.URL,
		"kubernetes.namespaces": strings.Join(c.Kubernetes.Namespaces, ","),
	}
	for _, key := range slices.Sorted(maps.Keys(required)) {
		if required[key] == "" {
			missing = append(missing, fmt.Errorf("configuration %s: %s is required", path, key))
		}
	}
	for _, key := range []struct {
		name  string
		value time.Duration
	}{{"correlate.settle", c.Correlate.Settle}, {"llm.deadline", c.LLM.Deadline}} {
		if key.value <= 0 {
			missing = append(missing, fmt.Errorf("configuration %s: %s is %s, and must be more than nothing, such as 10s", path, key.name, key.value))
		}
	}
	if err := errors.Join(c.sound(), c.limits(), c.slackMode(), c.nameable()); err != nil {
		missing = append(missing, fmt.Errorf("configuration %s: %w", path, err))
	}
	return c, errors.Join(append(missing, c.Delivery.check(path), c.Policies.check(path))...)
}

var (
	unknownKey = regexp.MustCompile(`field (\S+) not found in type .*`)
	wrongForm  = regexp.MustCompile(`cannot unmarshal !!(\w+)(?: (` + "`[^`]*`" + `))? into (.*)`)
	// What the parser says, not the scanner, counts the lines from 0.
	grammar = regexp.MustCompile(`^yaml: line (\d+): (did not find expected (?:key|node content|'-' indicator|',' or '[\]}]'|<document start>)|found undefined tag handle)$`)
	forms   = map[string]string{"string": "a text", "time.Duration": "a duration, such as 10s", "[]string": "a list, such as [a, b]", "map[string]string": "a mapping"}
)

// plainly says what is wrong without the names of our types, of which nobody who writes YAML has heard.
func plainly(err error) error {
	var list *yaml.TypeError
	if !errors.As(err, &list) {
		if m := grammar.FindStringSubmatch(err.Error()); m != nil {
			n, _ := strconv.Atoi(m[1]) // digits
			return fmt.Errorf("yaml: line %d: %s", n+1, m[2])
		}
		return err
	}
	var said []error
	for _, s := range list.Errors {
		s = unknownKey.ReplaceAllString(s, "there is no key $1 here")
		if m := wrongForm.FindStringSubmatch(s); m != nil {
			s = strings.Replace(s, m[0], fmt.Sprintf("%s is not %s", cmp.Or(m[2], "this"), cmp.Or(forms[m[3]], "a mapping")), 1)
		}
		said = append(said, errors.New(s))
	}
	return errors.Join(said...)
}

// ledger is where the audit is: the file of the configuration, or the Postgres whose URL, which holds a password, is in the
// environment.
func (c *Config) ledger(getenv func(string) string) (string, error) {
	url, err := secret(getenv, "CORTEXOPS_LEDGER_URL")
	switch {
	case err != nil:
		return "", err
	case url != "" && c.Ledger.Path != "":
		return "", errors.New("the ledger is named twice: by ledger.path in the configuration, and by CORTEXOPS_LEDGER_URL; remove one")
	case url == "" && c.Ledger.Path == "":
		return "", errors.New("the ledger is nowhere: set ledger.path in the configuration (SQLite), or the environment variable CORTEXOPS_LEDGER_URL (Postgres)")
	case url != "" && !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://"):
		return "", errors.New("CORTEXOPS_LEDGER_URL is not shown, since it may hold a password, but it does not begin with postgres://; a file goes into ledger.path")
	case strings.Contains(c.Ledger.Path, "://"):
		return "", errors.New("ledger.path is an SQLite file; the URL of a Postgres goes into the environment variable CORTEXOPS_LEDGER_URL, since it holds a password")
	case url != "":
		return url, nil
	}
	return c.Ledger.Path, nil
}

// memoryFile is where incidents are remembered without Qdrant.
func (c *Config) memoryFile() string {
	if c.Ledger.Path != "" {
		return filepath.Join(filepath.Dir(strings.TrimPrefix(c.Ledger.Path, "sqlite:")), "memory.db")
	}
	return filepath.Join(filepath.Dir(filepath.Clean(c.Git.Directory)), "memory.db")
}

// readSecrets is apart from loadConfig: migrate and ledger need none.
func (c *Config) readSecrets(getenv func(string) string, r roles) error {
	required, optional := map[string]*string{}, map[string]*string{}
	if r.serve {
		required["CORTEXOPS_ALERTMANAGER_TOKEN"] = &c.secrets.alertmanagerToken
		required["CORTEXOPS_FLUX_HMAC_KEY"] = &c.secrets.fluxKey
		required["CORTEXOPS_FORGE_WEBHOOK_SECRET"] = &c.secrets.forgeWebhookSecret
		c.secrets.cloudEvents = map[string]*string{}
		for _, s := range c.CloudEvents {
			c.secrets.cloudEvents[s.Name] = new(string)
			required[s.of("").Variable()] = c.secrets.cloudEvents[s.Name]
		}
		if len(c.Slack.Users) > 0 {
			if c.Slack.Mode == modeSocket {
				required["CORTEXOPS_SLACK_APP_TOKEN"] = &c.secrets.slackAppToken
			} else {
				required["CORTEXOPS_SLACK_SIGNING_SECRET"] = &c.secrets.slackSigningSecret
			}
			required["CORTEXOPS_SLACK_TOKEN"] = &c.secrets.slackToken // to tell those who may not
		}
	}
	forge := ""
	if r.work {
		required["CORTEXOPS_FORGE_TOKEN"] = &forge
		if c.Slack.Channel != "" {
			required["CORTEXOPS_SLACK_TOKEN"] = &c.secrets.slackToken
		}
		optional["CORTEXOPS_LLM_KEY"], optional["CORTEXOPS_QDRANT_API_KEY"] = &c.secrets.llmKey, &c.secrets.qdrantKey
		optional["CORTEXOPS_PAGERDUTY_KEY"] = &c.secrets.pagerDutyKey
		optional["CORTEXOPS_GIT_SIGNING_KEY"] = &c.secrets.signingKey
	}
	var missing []error
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		value, err := secret(getenv, name)
		if err != nil {
			missing = append(missing, err)
		}
		*optional[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(required)) {
		value, err := secret(getenv, name)
		if err == nil && value == "" {
			err = fmt.Errorf("the environment variable %s is required, or %s_FILE with the path of a file that holds it: manifests/cortexops.yaml says what it is", name, name)
		}
		if err != nil {
			missing = append(missing, err)
		}
		*required[name] = value
	}
	c.secrets.forgeToken = func() string { // a token that is rotated while we run
		if now, err := secret(getenv, "CORTEXOPS_FORGE_TOKEN"); err == nil && now != "" {
			return now
		}
		return forge
	}
	return errors.Join(missing...)
}

// secret is what the variable holds, or the file that NAME_FILE names, without the newline at its end.
func secret(getenv func(string) string, name string) (string, error) {
	file := getenv(name + "_FILE")
	if file == "" {
		return getenv(name), nil
	}
	if getenv(name) != "" {
		return "", fmt.Errorf("%s and %s_FILE are both set: remove one", name, name)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
