package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// contexts of two clusters; as kubectl, we are who the current one says unless another is named.
const contexts = `apiVersion: v1
kind: Config
current-context: eu
clusters:
  - {name: eu, cluster: {server: "https://eu.example.com"}}
  - {name: us, cluster: {server: "https://us.example.com"}}
users:
  - {name: eu, user: {token: of-eu}}
  - {name: us, user: {token: of-us}}
contexts:
  - {name: eu, context: {cluster: eu, user: eu}}
  - {name: us, context: {cluster: us, user: us}}
`

// TestAWorkerIsWhoItsContextSays, and no other.
func TestAWorkerIsWhoItsContextSays(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(contexts), 0o600); err != nil {
		t.Fatal(err)
	}
	for context, want := range map[string]string{"": "eu", "eu": "eu", "us": "us"} {
		rc, err := kubernetes(file, context)
		if err != nil {
			t.Fatal(err)
		}
		if rc.Host != "https://"+want+".example.com" || rc.BearerToken != "of-"+want {
			t.Errorf("context %q is %s as %s", context, rc.Host, rc.BearerToken)
		}
	}
	if _, err := kubernetes(file, "asia"); err == nil || !strings.Contains(err.Error(), "asia") {
		t.Errorf("a context that is not there: %v", err)
	}
}

// TestTheIdentityNamesTheCluster, as Temporal shows it beside every task.
func TestTheIdentityNamesTheCluster(t *testing.T) {
	t.Parallel()
	var c Config
	c.Cluster, c.Temporal.TaskQueue = "prod-eu-1", "cortexops"
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.identity(); !strings.HasPrefix(got, "prod-eu-1/"+host+"/") {
		t.Error(got)
	}
	if got := c.queues().Of(c.Cluster); got != "cortexops@prod-eu-1" {
		t.Error(got)
	}
}
