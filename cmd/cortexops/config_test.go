package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestTheCommentedConfigurationLoads(t *testing.T) {
	t.Parallel()
	c, err := loadConfig("../../manifests/cortexops.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	if c.Server != want.Server || c.NATS != want.NATS || c.Temporal != want.Temporal || c.Correlate != want.Correlate ||
		c.Delivery.Mode != want.Delivery.Mode || c.Delivery.ArgoCD != want.Delivery.ArgoCD {
		t.Errorf("the file says other defaults than the program: %+v, %+v", c, want)
	}
}

func TestConfigurationIsStrict(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile("../../manifests/cortexops.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text  string
		wants []string
	}{
		"an unknown key":     {string(whole) + "\nclutser: x\n", []string{"clutser", "line"}},
		"nothing":            {"", []string{"cluster is required", "prometheus.url is required", "git.url is required"}},
		"of the wrong shape": {"overlays: 3\n", []string{"line 1: `3` is not a list, such as [a, b]"}},
		"not even a mapping": {"server: 3\n", []string{"line 1: `3` is not a mapping"}},
		"a typo":             {"correlate: {settel: 1s}\n", []string{"line 1: there is no key settel here"}},
		"a bare number":      {"correlate: {settle: soon}\n", []string{"line 1: `soon` is not a duration, such as 10s"}},
		"before its time":    {"correlate: {settle: -1s}\n", []string{"correlate.settle is -1s"}},
		"a broken mapping":   {"\ncluster: a\n b: [\n", []string{"line 3: "}},
		"a lost bracket":     {"\n\ncluster: a\noverlays: [a, b\ncluster: c\n", []string{"line 4: did not find expected ',' or ']'"}},
		"a lost quote":       {"\n\ncluster: 'a\n", []string{"line 3: found unexpected end of stream"}},
		"a lost key":         {"\ncluster: a\n- b\n", []string{"line 2: did not find expected key"}},
		"a mapping too many": {"\n\na: b: c\n", []string{"line 3: mapping values are not allowed"}},
		"no way to deliver":  {"delivery: {mode: helm}\n", []string{"delivery.mode is \"helm\", and must be direct, flux or argocd"}},
		"nobody's fields":    {"", []string{"delivery.direct.fieldManager is required"}},
		"nobody's apps":      {"delivery: {mode: argocd, argocd: {namespace: ''}}\n", []string{"delivery.argocd.namespace is required"}},
		"fields of Flux":     {"delivery: {mode: flux, direct: {fieldManager: gitops}}\n", []string{"delivery.direct.fieldManager is of no use where delivery.mode is flux"}},
		"no way to click":    {"slack: {mode: rtm}\n", []string{"slack.mode is \"rtm\": say http or socket"}},
		"a name in quotes":   {"cluster: o'neil\n", []string{"cluster is \"o'neil\": write it without quotes"}},
		"no time at all":     {"llm: {deadline: 0s}\n", []string{"llm.deadline is 0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loadConfig(path)
			for _, want := range c.wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestSecretsAreRequired(t *testing.T) {
	t.Parallel()
	var c Config
	noToken := func(name string) string {
		if name == "CORTEXOPS_FORGE_TOKEN" || strings.HasSuffix(name, "_FILE") {
			return ""
		}
		return "x"
	}
	err := c.readSecrets(noToken, roles{serve: true, work: true})
	if err == nil || !strings.Contains(err.Error(), "CORTEXOPS_FORGE_TOKEN") || strings.Contains(err.Error(), "WEBHOOK") {
		t.Fatal(err)
	}
	if err := c.readSecrets(noToken, roles{serve: true}); err != nil {
		t.Errorf("webhooks need no token of the forge: %v", err)
	}
}

func TestTheForgesTokenIsReadAnewFromItsFile(t *testing.T) {
	t.Parallel()
	var c Config
	file := filepath.Join(t.TempDir(), "token")
	environment := map[string]string{"CORTEXOPS_FORGE_TOKEN_FILE": file}
	getenv := func(name string) string { return environment[name] }
	if err := c.readSecrets(getenv, roles{work: true}); err == nil || !strings.Contains(err.Error(), "CORTEXOPS_FORGE_TOKEN_FILE") {
		t.Fatalf("without the file: %v", err)
	}
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if token == "one" {
			if err := c.readSecrets(getenv, roles{work: true}); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.secrets.forgeToken(); got != token {
			t.Errorf("%q, want %q", got, token)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := c.secrets.forgeToken(); got != "one" {
		t.Errorf("without its file the token is %q", got)
	}
	environment["CORTEXOPS_LLM_KEY_FILE"] = file
	if err := c.readSecrets(getenv, roles{work: true}); err == nil || !strings.Contains(err.Error(), "CORTEXOPS_LLM_KEY_FILE") {
		t.Errorf("a key's file that is not there: %v", err)
	}
	environment["CORTEXOPS_FORGE_TOKEN"] = "three"
	if err := c.readSecrets(getenv, roles{work: true}); err == nil || !strings.Contains(err.Error(), "both set") {
		t.Errorf("named twice: %v", err)
	}
}

func TestTheLedgerIsInOnePlace(t *testing.T) {
	t.Parallel()
	const url = "postgres://u:s3cret@db/ledger"
	for name, c := range map[string]struct{ path, url, at, wrong string }{
		"a file": {"l.db", "", "l.db", ""}, "Postgres": {"", url, url, ""}, "both": {"l.db", url, "", "named twice"}, "neither": {"", "", "", "nowhere"},
		"no URL": {"", "host=db password=s3cret", "", "does not begin"}, "a URL in the file": {url, "", "", "CORTEXOPS_LEDGER_URL"},
	} {
		var conf Config
		conf.Ledger.Path = c.path
		at, err := conf.ledger(func(name string) string { return map[string]string{"CORTEXOPS_LEDGER_URL": c.url}[name] })
		if at != c.at || (err == nil) != (c.wrong == "") || err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: %q %v", name, at, err)
		}
	}
}

// A key to sign with is asked for, found in one place, and used; without a format nothing is signed.
func TestSigning(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(block))
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		format, keyFile string
		env             map[string]string
		signs           bool
		says            string
	}{
		"nothing":                  {},
		"a file":                   {format: "ssh", keyFile: file, signs: true},
		"the environment":          {format: "ssh", env: map[string]string{"CORTEXOPS_GIT_SIGNING_KEY": key}, signs: true},
		"a file that it names":     {format: "ssh", env: map[string]string{"CORTEXOPS_GIT_SIGNING_KEY_FILE": file}, signs: true},
		"both":                     {format: "ssh", keyFile: file, env: map[string]string{"CORTEXOPS_GIT_SIGNING_KEY": key}, says: "twice"},
		"no format":                {keyFile: file, says: "git.signing.format"},
		"no format, environment":   {env: map[string]string{"CORTEXOPS_GIT_SIGNING_KEY": key}, says: "git.signing.format"},
		"no key":                   {format: "openpgp", says: "CORTEXOPS_GIT_SIGNING_KEY"},
		"no such file":             {format: "ssh", keyFile: file + "x", says: "git.signing.keyFile"},
		"of another format":        {format: "openpgp", keyFile: file, says: "git.signing: "},
		"a format nobody knows":    {format: "x509", keyFile: file, says: "x509"},
		"a key nobody understands": {format: "ssh", env: map[string]string{"CORTEXOPS_GIT_SIGNING_KEY": "s3cret"}, says: "no private SSH key"},
	} {
		var cfg Config
		cfg.Git.Signing.Format, cfg.Git.Signing.KeyFile = c.format, c.keyFile
		getenv := func(name string) string {
			if name == "CORTEXOPS_FORGE_TOKEN" {
				return "x"
			}
			return c.env[name]
		}
		if err := cfg.readSecrets(getenv, roles{work: true}); err != nil {
			t.Fatal(err)
		}
		signer, err := cfg.signer()
		if (signer != nil) != c.signs || (err == nil) != (c.says == "") {
			t.Errorf("%s: %v, %v", name, signer, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
