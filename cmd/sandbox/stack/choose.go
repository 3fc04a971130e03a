package stack

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
)

// Ports come from below the kernel's ephemeral range (32768 and up on Linux):
// no outgoing connection can take one while its child is being restarted. One
// aligned block a sandbox, so that two of them overlap wholly or not at all, and
// who listens on the last port of a block has it: its children listen later.
const (
	firstPort = 20000
	lastPort  = 32000
	blockSize = 32

	// TemporalPorts is how many consecutive ports Temporal's four services take:
	// one each for calls, one each that its configuration asks for membership.
	TemporalPorts = 8
)

// ErrNoPorts means that no block of free ports was found.
var ErrNoPorts = errors.New("no block of 32 free ports between 20000 and 32000 on 127.0.0.1: stop what listens there (`ss -ltnp` lists it)")

// Choose returns the stack that was saved in dir, by this version, if its ports are still free,
// else a new one. Until Release nobody else is given its ports. The caller saves it.
func Choose(dir string) (*Stack, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("choose the sandbox's folder: %w", err)
	}
	if old, err := Load(dir); err == nil && old.Dir == dir && old.Slack.URL != "" {
		if old.claim = claim(old.base()); old.claim != nil {
			return old, nil
		}
	}
	for range 200 {
		base := firstPort + mrand.IntN((lastPort-firstPort)/blockSize)*blockSize
		if l := claim(base); l != nil {
			s := describe(dir, base)
			s.claim = l
			return s, nil
		}
	}
	return nil, ErrNoPorts
}

// base is the first port of the block; Temporal's come first.
func (s *Stack) base() int { return s.Temporal.Port }

// Release lets others have the ports.
func (s *Stack) Release() error { return s.claim.Close() }

// claim takes the block by its last port; nil: it is not free.
func claim(base int) net.Listener {
	if base < firstPort || base >= lastPort {
		return nil
	}
	l, err := net.Listen("tcp", addr(base+blockSize-1))
	if err != nil {
		return nil
	}
	for p := base; p < base+blockSize-1; p++ {
		if !free(p) {
			_ = l.Close()
			return nil
		}
	}
	return l
}

// free tells whether nothing listens on the port of 127.0.0.1.
func free(port int) bool {
	l, err := net.Listen("tcp", addr(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func describe(dir string, base int) *Stack {
	next := base + TemporalPorts
	take := func() string { next++; return addr(next - 1) }
	s := &Stack{Dir: dir}
	in := func(child, name string) string { return filepath.Join(s.Data(child), name) }

	s.Temporal = Temporal{Port: base, Address: addr(base), Namespace: "cortexops", UI: "http://" + take()}
	s.NATS.URL = "nats://" + take()
	s.Kube = Kube{
		URL: "https://" + take(), EtcdClient: "http://" + take(), EtcdPeer: "http://" + take(),
		AdminKubeconfig: in("kube", "admin.kubeconfig"), WorkerKubeconfig: in("kube", "worker.kubeconfig"),
		DeployerKubeconfig: in("kube", "deployer.kubeconfig"), ReaderKubeconfig: in("kube", "reader.kubeconfig"),
		AuditLog: in("kube", "audit.log"),
	}
	s.Prometheus = Prometheus{URL: "http://" + take(), Config: in("prometheus", "prometheus.yml"), Rules: in("prometheus", "rules"),
		QueryLog: in("prometheus", "query.log")}
	s.Alertmanager = Alertmanager{URL: "http://" + take(), Config: in("alertmanager", "alertmanager.yml")}
	s.Workload.URL = "http://" + take()
	s.Product = Product{URL: "http://" + take(), Config: in("cortexops", "config.yaml")}

	forge := "http://" + take()
	s.Forge = Forge{
		URL: forge, API: forge + "/api/v3/", Owner: "acme", Repo: "shop",
		Webhook: s.Product.URL + "/webhooks/forge", WebhookSecret: secret(), Users: map[string]string{},
	}
	for _, login := range []string{"cortexops-bot", "sam", "dana", "deployer"} {
		s.Forge.Users[login] = secret()
	}
	slack := "http://" + take()
	s.Slack = Slack{URL: slack, API: slack + "/api/", Channel: "C0APPROVALS", Token: "xoxb-" + secret(), AppToken: "xapp-" + secret(), SigningSecret: secret(),
		Users: map[string]string{"U0SAM": "sam", "U0DANA": "dana"}}
	s.Product.Env = map[string]string{
		"CORTEXOPS_ALERTMANAGER_TOKEN":   secret(),
		"CORTEXOPS_FLUX_HMAC_KEY":        secret(),
		"CORTEXOPS_FORGE_TOKEN":          s.Forge.Users["cortexops-bot"],
		"CORTEXOPS_FORGE_WEBHOOK_SECRET": s.Forge.WebhookSecret,
		"CORTEXOPS_SLACK_TOKEN":          s.Slack.Token,
		"CORTEXOPS_SLACK_APP_TOKEN":      s.Slack.AppToken,
		"CORTEXOPS_SLACK_SIGNING_SECRET": s.Slack.SigningSecret,
	}
	return s
}

func secret() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}
