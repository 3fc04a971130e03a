package main

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

type decodedRules struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

func TestBothFilesHaveTheSameRules(t *testing.T) {
	t.Parallel()
	var plain decodedRules
	strict(t, "manifests/prometheus/rules.yaml", &plain)
	var operator struct {
		APIVersion, Kind string
		Metadata         map[string]any
		Spec             decodedRules
	}
	decode(t, "manifests/prometheus/prometheusrule.yaml", &operator)
	if len(plain.Groups) != 1 || len(plain.Groups[0].Rules) != len(alerts) || !reflect.DeepEqual(plain, operator.Spec) {
		t.Errorf("rules.yaml has %+v, prometheusrule.yaml %+v", plain, operator.Spec)
	}
}

func TestAlertsAreSound(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, a := range alerts {
		if seen[a.name] || !strings.HasPrefix(a.name, "CortexOps") {
			t.Errorf("%s: there are two, or it does not begin with CortexOps", a.name)
		}
		seen[a.name] = true
		// By what its template makes of an ordinary component; promtool tries the others.
		if !slices.Contains([]string{"critical", "warning", `{{ if match "^(brakes|clusters|graph|llm|policy-source|slack)$" $labels.component }}warning{{ else }}critical{{ end }}`}, a.severity) {
			t.Errorf("%s: severity %q", a.name, a.severity)
		}
		if a.why == "" || a.summary == "" || a.description == "" {
			t.Errorf("%s: say why, summary and description", a.name)
		}
		if _, err := model.ParseDuration(cmp.Or(a.holds, "0s")); err != nil {
			t.Errorf("%s: for %s: %v", a.name, a.holds, err)
		}
	}
}

// One page an alert, one screen a page, and every metric on it exists.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	const dir = "docs/runbooks"
	pages, err := filepath.Glob(filepath.Join(root, dir, "*"))
	if err != nil || len(pages) != len(alerts) {
		t.Errorf("%d page(s) for %d alerts: %v", len(pages), len(alerts), err)
	}
	for _, a := range alerts {
		page := string(read(t, dir+"/"+a.name+".md"))
		if !strings.HasPrefix(page, "# "+a.name+"\n") {
			t.Errorf("%s.md does not begin with the alert's name", a.name)
		}
		for _, part := range []string{"**What it means.**", "**Look here.**", "**Do this.**", "**Over when**"} {
			if strings.Count(page, part) != 1 {
				t.Errorf("%s.md: no %s, or two", a.name, part)
			}
		}
		if n := strings.Count(page, "\n"); n > 50 {
			t.Errorf("%s.md has %d lines, more than a screen", a.name, n)
		}
		for _, name := range names.FindAllString(page, -1) {
			if metrics[strings.TrimSuffix(name, "_bucket")] == nil {
				t.Errorf("%s.md names the metric %s, which does not exist", a.name, name)
			}
		}
		for _, link := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(page, -1) {
			if _, err := os.Stat(filepath.Join(root, dir, link[1])); err != nil {
				t.Errorf("%s.md links to %s: %v", a.name, link[1], err)
			}
		}
	}
}

// promtool runs manifests/prometheus/rules_test.yaml; here it is only held to being complete.
func TestEveryAlertIsTestedToFireAndToResolve(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	decode(t, "manifests/prometheus/rules_test.yaml", &file)
	for _, a := range alerts {
		fires, resolves := false, false
		for _, test := range file.Tests {
			fired := false
			for _, at := range test.AlertRuleTest {
				if at.Alertname != a.name {
					continue
				}
				resolves = resolves || fired && len(at.ExpAlerts) == 0
				fired = fired || len(at.ExpAlerts) > 0
			}
			fires = fires || fired
		}
		if !fires || !resolves {
			t.Errorf("rules_test.yaml: %s fires: %t, and later resolves: %t", a.name, fires, resolves)
		}
	}
}

func strict(t *testing.T, path string, into any) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader(read(t, path)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal(read(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
