// Command gen writes what is made of code: the Grafana dashboard, the alert rules in both forms that Prometheus is given them,
// and the JSON Schema of the policies' input. Run it in the repository's root, without arguments; its tests fail while a file is stale.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// files are all that is generated, by path in the repository.
var files = map[string]func() ([]byte, error){
	"manifests/grafana/cortexops.json":         dashboardJSON,
	"policies/input.schema.json":               policyInputJSON,
	"manifests/prometheus/rules.yaml":          rulesYAML,
	"manifests/prometheus/prometheusrule.yaml": prometheusRuleYAML,
}

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	for path, render := range files {
		b, err := render()
		if err != nil {
			return fmt.Errorf("render %s: %w", path, err)
		}
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(path)), b, 0o644); err != nil {
			return fmt.Errorf("write %s: %w (run gen in the repository's root)", path, err)
		}
	}
	return nil
}
