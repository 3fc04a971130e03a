package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"

	"github.com/cortexops/cortexops/playbooks"
)

// TestErrorsSayWhatToDo: each names the argument, the key or the secret that is missing.
func TestErrorsSayWhatToDo(t *testing.T) { // not parallel: it sets the environment
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("CORTEXOPS_FORGE_TOKEN", "")
	config := configured(t, "https://127.0.0.1:1/acme/shop.git", filepath.Join(t.TempDir(), "ledger.db"))
	command := func(args ...string) error { _, err := says(t, config, args...); return err }
	_, noPod := kubernetes("", "")
	_, noKubeconfig := kubernetes("", "prod-eu-1")
	_, noFolder := playbooks.Load(folder("/nope", playbooks.Catalogue()))
	none := fmt.Errorf("failed reaching server: %w", serviceerror.NewNamespaceNotFound("nosuch"))
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"retry":               {command("retry"), []string{"cortexops retry wants one INCIDENT, not 0"}},
		"backup":              {command("backup"), []string{"cortexops backup wants one FOLDER"}},
		"restore":             {command("restore", "a", "b"), []string{"cortexops restore wants one FOLDER, not 2"}},
		"ledger":              {command("ledger"), []string{"ledger: say ledger show"}},
		"ledger verifi":       {command("ledger", "verifi"), []string{"ledger verifi: say"}},
		"no token":            {command("ledger", "reconcile"), []string{"CORTEXOPS_FORGE_TOKEN is not set"}},
		"no pod":              {noPod, []string{"set kubernetes.kubeconfig"}},
		"a context of none":   {noKubeconfig, []string{`kubernetes.context is "prod-eu-1"`, "set kubernetes.kubeconfig"}},
		"no folder":           {inFolder("playbooks.directory", "/nope", noFolder), []string{"playbooks.directory /nope: "}},
		"no namespace":        {hinted(none), []string{"temporal.namespace", "nosuch", "manifests/compose/temporal-namespace.sh"}},
		"another of Temporal": {hinted(os.ErrClosed), []string{os.ErrClosed.Error()}},
	} {
		for _, want := range c.want {
			if c.err == nil || !strings.Contains(c.err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", name, c.err, want)
			}
		}
	}
	if err := hinted(none); !errors.Is(err, none) {
		t.Errorf("%v hides what happened", err)
	}
	if _, err := os.Stat("../../manifests/compose/temporal-namespace.sh"); err != nil {
		t.Error(err)
	}
}

// TestBackupOfTheFirstDay has no memory, and is whole all the same.
func TestBackupOfTheFirstDay(t *testing.T) {
	t.Parallel()
	at, backups := filepath.Join(t.TempDir(), "ledger.db"), filepath.Join(t.TempDir(), "backups")
	config := configured(t, "", at)
	say(t, config, "migrate")
	if out := say(t, config, "ledger", "verify"); out != "the ledger is empty\n" {
		t.Errorf("verify says %q", out)
	}
	if out := say(t, config, "backup", backups); !strings.Contains(out, "no memory yet\n") || !strings.Contains(out, "ledger-") {
		t.Errorf("backup says %q", out)
	}
	away(t, at)
	if out := say(t, config, "restore", backups); !strings.Contains(out, "restored "+filepath.Join(backups, "ledger-")) || !strings.Contains(out, "has none of memory-DATE.db") {
		t.Errorf("restore says %q", out)
	}
	say(t, config, "ledger", "verify")
	away(t, at)
	if out, err := says(t, config, "restore", t.TempDir()); err == nil || !strings.Contains(err.Error(), "has none of ledger-DATE.db") {
		t.Errorf("an empty folder is restored: %v %s", err, out)
	}
	if _, err := says(t, config, "restore", backups+"x"); err == nil {
		t.Error("a folder that is not there is restored")
	}
}
