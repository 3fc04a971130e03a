package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// stack is the part of the Compose specification that compose.yaml uses. The keys are held to it: one that is misspelt
// would only be noticed where Docker is.
type stack struct {
	Name     string
	Services map[string]service
	Secrets  map[string]struct{ File, Environment string }
	Volumes  map[string]any
	X        map[string]any `yaml:",inline"` // anchors
}

type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Command     []string
	Restart     string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Environment map[string]string
	Volumes     []string
	Secrets     []string
	Ports       []string
	Healthcheck *struct {
		Test              []string
		Interval, Timeout string
		StartPeriod       string `yaml:"start_period"`
		Retries           int
	}
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Tmpfs       []string
	ShmSize     string `yaml:"shm_size"`
}

func TestCompose(t *testing.T) {
	t.Parallel()
	text := string(read(t, "manifests/compose.yaml"))
	if err := composed(text); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct{ from, to, says string }{
		"an unknown key":             {"shm_size:", "shmsize:", "shmsize"},
		"waiting for nobody":         {"      postgres: {condition: service_healthy}", "      postgresql: {condition: service_healthy}", "waits for postgresql, which does not exist"},
		"waiting for an end":         {"cortexops-migrate: {condition: service_completed_successfully}", "nats-box: {condition: service_started}", "nats-box"},
		"an end that never comes":    {"temporal: {condition: service_healthy}", "temporal: {condition: service_completed_successfully}", "runs on and on"},
		"health that nobody checks":  {"temporal-schema: {condition: service_completed_successfully}", "temporal-schema: {condition: service_healthy}", "has no health check"},
		"no health check":            {"    healthcheck: # the image has no wget and no curl\n", "    x: # \n", "field x not found"},
		"latest":                     {"nats:2.15.2-alpine", "nats:latest", "has no version"},
		"no version":                 {"grafana/grafana:12.4.1", "grafana/grafana", "has no version"},
		"a secret written down":      {"${CORTEXOPS_FORGE_TOKEN:?set a token that writes contents, pull requests and commit statuses of the repository}", "ghp_x", "CORTEXOPS_FORGE_TOKEN is written down"},
		"a secret that may be empty": {"${GRAFANA_ADMIN_PASSWORD:?set a password for admin of Grafana}", "${GRAFANA_ADMIN_PASSWORD:-}", "GF_SECURITY_ADMIN_PASSWORD may be empty"},
		"a variable nobody tells of": {"${TEMPORAL_DB_PASSWORD:?set a password for the databases of Temporal}", "${TEMPORAL_PASSWORD:?set it}", "TEMPORAL_PASSWORD is not in secrets.env.example"},
		"a volume nobody declares":   {"nats:/data", "jetstream:/data", "the volume jetstream is not declared"},
		"a volume nobody uses":       {"\nvolumes:\n", "\nvolumes:\n  spare:\n", "the volume spare is not used"},
		"a file that is not there":   {"./compose/nats.conf:", "./compose/nats.cfg:", "nats.cfg"},
		"a secret nobody declares":   {"secrets: [kubeconfig]", "secrets: [kubecfg]", "the secret kubecfg is not declared"},
		"open to the world":          {"127.0.0.1:9090:9090", "9090:9090", "publishes 9090:9090"},
		"more rights than it needs":  {"  cap_drop: [ALL]\n", "", "cortexops-work may do more than it needs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := strings.Replace(text, c.from, c.to, 1)
			if broken == text {
				t.Fatalf("compose.yaml has no %q: change this test with it", c.from)
			}
			if err := composed(broken); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q in it", err, c.says)
			}
		})
	}
}

func composed(text string) error {
	var s stack
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return err
	}
	errs := []error{s.variables(text)}
	for extra := range s.X {
		if !strings.HasPrefix(extra, "x-") {
			errs = append(errs, fmt.Errorf("the key %s is unknown", extra))
		}
	}
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.Services)) {
		for _, err := range slices.Concat(s.order(name), s.files(name, used), s.Services[name].careful()) {
			errs = append(errs, fmt.Errorf("%s %w", name, err))
		}
	}
	for v := range s.Volumes {
		if !used[v] {
			errs = append(errs, fmt.Errorf("the volume %s is not used", v))
		}
	}
	return errors.Join(errs...)
}

// order is who waits for whom, and for what.
func (s stack) order(name string) (errs []error) {
	for other, d := range s.Services[name].DependsOn {
		o, ok := s.Services[other]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("waits for %s, which does not exist", other))
		case d.Condition == "service_healthy" && o.Healthcheck == nil:
			errs = append(errs, fmt.Errorf("waits for %s, which has no health check", other))
		case d.Condition == "service_completed_successfully" && o.Restart != "on-failure":
			errs = append(errs, fmt.Errorf("waits for the end of %s, which runs on and on", other))
		}
	}
	own := strings.HasPrefix(s.Services[name].Image, "ghcr.io/cortexops/") // the image has no command that could check
	if s.Services[name].Restart != "on-failure" && !own && s.Services[name].Healthcheck == nil {
		errs = append(errs, errors.New("has no health check"))
	}
	return errs
}

// files are what it mounts.
func (s stack) files(name string, used map[string]bool) (errs []error) {
	for _, v := range s.Services[name].Volumes {
		from, to, _ := strings.Cut(v, ":")
		if !strings.HasPrefix(from, ".") {
			used[from] = true
			if _, ok := s.Volumes[from]; !ok {
				errs = append(errs, fmt.Errorf("mounts the volume %s: the volume %s is not declared", v, from))
			}
			continue
		}
		if _, err := os.Stat(filepath.Join(root, "manifests", from)); err != nil {
			errs = append(errs, err)
		}
		if !strings.HasSuffix(to, ":ro") {
			errs = append(errs, fmt.Errorf("may write to %s", from))
		}
	}
	for _, secret := range s.Services[name].Secrets {
		if _, ok := s.Secrets[secret]; !ok {
			errs = append(errs, fmt.Errorf("wants a secret: the secret %s is not declared", secret))
		}
	}
	return errs
}

// careful is about versions, secrets, and who can reach it.
func (s service) careful() (errs []error) {
	if !pinned.MatchString(s.Image) {
		errs = append(errs, fmt.Errorf("is of the image %s, which has no version", s.Image))
	}
	for k, v := range s.Environment {
		switch {
		case !secretName.MatchString(k):
		case !strings.Contains(v, "${"):
			errs = append(errs, fmt.Errorf("is told a secret: %s is written down", k))
		case !strings.Contains(v, ":?") && !slices.Contains([]string{"CORTEXOPS_SLACK_TOKEN", "CORTEXOPS_SLACK_SIGNING_SECRET", "CORTEXOPS_SLACK_APP_TOKEN", "CORTEXOPS_PAGERDUTY_KEY", "CORTEXOPS_LLM_KEY"}, k):
			errs = append(errs, fmt.Errorf("needs a secret: %s may be empty", k))
		}
	}
	for _, p := range s.Ports {
		if !strings.HasPrefix(p, "127.0.0.1:") && p != "8080:8080" { // webhooks come from outside
			errs = append(errs, fmt.Errorf("publishes %s to everybody", p))
		}
	}
	if !slices.Contains(s.CapDrop, "ALL") && s.Build.Dockerfile != "" || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") && s.Restart != "on-failure" {
		errs = append(errs, errors.New("may do more than it needs"))
	}
	return errs
}

var variable = regexp.MustCompile(`\$\{([A-Z_]+)`)

// variables are all told of, without a value, in the file that people copy.
func (s stack) variables(text string) error {
	b, err := os.ReadFile(filepath.Join(root, "manifests", "secrets.env.example"))
	if err != nil {
		return err
	}
	told := map[string]bool{}
	var errs []error
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if strings.HasPrefix(line, "#") || !ok {
			continue
		}
		told[name] = true
		if value != "" {
			errs = append(errs, fmt.Errorf("secrets.env.example has a value of %s", name))
		}
	}
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		if !told[m[1]] {
			errs = append(errs, fmt.Errorf("%s is not in secrets.env.example", m[1]))
		}
	}
	for _, secret := range s.Secrets {
		if secret.Environment != "" && !told[secret.Environment] {
			errs = append(errs, fmt.Errorf("%s is not in secrets.env.example", secret.Environment))
		}
	}
	return errors.Join(errs...)
}
