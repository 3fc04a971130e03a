// Package stack holds the one description of a running sandbox: every address,
// path and credential, as DIR/stack.json. The supervisor writes it before the
// first child starts; children, the demo and the tests only read it. It starts
// nothing and listens on nothing.
package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// Stack is stack.json. It survives a restart, so that every address does too.
type Stack struct {
	Dir          string       `json:"dir"` // data folder of this sandbox, absolute
	Kube         Kube         `json:"kube"`
	Temporal     Temporal     `json:"temporal"`
	NATS         NATS         `json:"nats"`
	Prometheus   Prometheus   `json:"prometheus"`
	Alertmanager Alertmanager `json:"alertmanager"`
	Forge        Forge        `json:"forge"`
	Slack        Slack        `json:"slack"`
	Workload     Workload     `json:"workload"`
	Product      Product      `json:"product"`

	claim net.Listener // what Choose holds
}

// Kube is the API server and who may speak to it.
type Kube struct {
	URL                string `json:"url"` // https://127.0.0.1:PORT
	AdminKubeconfig    string `json:"adminKubeconfig"`
	WorkerKubeconfig   string `json:"workerKubeconfig"`   // CortexOps
	DeployerKubeconfig string `json:"deployerKubeconfig"` // the team's deployer
	ReaderKubeconfig   string `json:"readerKubeconfig"`   // reads only
	AuditLog           string `json:"auditLog"`
	EtcdClient         string `json:"etcdClient"` // http://127.0.0.1:PORT
	EtcdPeer           string `json:"etcdPeer"`   // http://127.0.0.1:PORT
}

// Temporal is the server and its web UI.
type Temporal struct {
	Address   string `json:"address"` // HOST:PORT of the frontend
	Namespace string `json:"namespace"`
	UI        string `json:"ui"`   // http://127.0.0.1:PORT
	Port      int    `json:"port"` // first of the TemporalPorts consecutive ones that its services take

	// Postgres is the URL of a server with the empty databases temporal and temporal_visibility, which then hold its state;
	// none: SQLite, in a file of its own.
	Postgres string `json:"postgres,omitempty"`
}

// NATS is the JetStream server.
type NATS struct {
	URL string `json:"url"` // nats://127.0.0.1:PORT
}

// Prometheus is the real program.
type Prometheus struct {
	URL    string `json:"url"`
	Config string `json:"config"` // prometheus.yml
	Rules  string `json:"rules"`  // folder of rule files; POST URL/-/reload after a change

	QueryLog string `json:"queryLog"` // its own log of every query that it received, a JSON object a line
}

// Alertmanager is the real program.
type Alertmanager struct {
	URL    string `json:"url"`
	Config string `json:"config"` // alertmanager.yml
}

// Forge is the stand-in for GitHub.
type Forge struct {
	URL           string            `json:"url"` // git: URL/OWNER/REPO.git, user x-access-token, password = token
	API           string            `json:"api"` // URL/api/v3/
	Owner         string            `json:"owner"`
	Repo          string            `json:"repo"`
	Webhook       string            `json:"webhook"` // where webhooks are delivered
	Users         map[string]string `json:"users"`   // login → token
	WebhookSecret string            `json:"webhookSecret"`
}

// Slack is the stand-in for Slack.
type Slack struct {
	URL           string            `json:"url"` // the page
	API           string            `json:"api"` // URL/api/
	Channel       string            `json:"channel"`
	Token         string            `json:"token"`
	AppToken      string            `json:"appToken"` // for Socket Mode
	SigningSecret string            `json:"signingSecret"`
	Users         map[string]string `json:"users"` // user ID → login on the forge
}

// Workload is the program that is watched.
type Workload struct {
	URL string `json:"url"` // http://127.0.0.1:PORT; its metrics are at URL/metrics
}

// Product is CortexOps itself.
type Product struct {
	URL    string            `json:"url"`
	Config string            `json:"config"`
	Binary string            `json:"binary"` // the other programs (prometheus, alertmanager) lie beside it
	Env    map[string]string `json:"env"`    // its secrets
}

const fileName = "stack.json"

// ErrNone means that no sandbox was ever started in the folder.
var ErrNone = errors.New("no sandbox here: start one with `sandbox up --dir DIR`")

// Load reads DIR/stack.json.
func Load(dir string) (*Stack, error) {
	path := filepath.Join(dir, fileName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("read the sandbox's addresses: %w", err)
	}
	var s Stack
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s is damaged, remove it and start again: %w", path, err)
	}
	return &s, nil
}

// Save writes DIR/stack.json, readable by its owner only: it holds tokens.
func (s *Stack) Save() error {
	return s.WriteFile(filepath.Join(s.Dir, fileName))
}

// WriteFile writes the same file elsewhere. It appears whole or not at all, so a
// program may wait for it.
func (s *Stack) WriteFile(path string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the sandbox's addresses: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".stack-*") // created 0600
	if err != nil {
		return fmt.Errorf("write the sandbox's addresses: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the sandbox's addresses: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write the sandbox's addresses: %w", err)
	}
	return nil
}

// Data is the folder that belongs to one child alone.
func (s *Stack) Data(child string) string { return filepath.Join(s.Dir, child) }
