package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metrics are all of CortexOps, with their labels.
var metrics = map[string][]string{
	"cortexops_events_ingested_total":       {"source"},
	"cortexops_events_duplicate_total":      {"source"},
	"cortexops_alerts_truncated_total":      {},
	"cortexops_events_rejected_total":       {"source", "reason"},
	"cortexops_events_dropped_total":        {},
	"cortexops_bus_pending":                 {"stream"},
	"cortexops_bus_postponed":               {"stream"},
	"cortexops_bus_used_ratio":              {"stream"},
	"cortexops_bus_partitions_owned":        {},
	"cortexops_bus_joins":                   {},
	"cortexops_bus_follows":                 {},
	"cortexops_bus_publish_seconds":         {"stream", "le"},
	"cortexops_bus_retried_total":           {"stream"},
	"cortexops_bus_terminated_total":        {"stream"},
	"cortexops_correlation_latency_seconds": {"le"},
	"cortexops_incidents_total":             {"state"},
	"cortexops_signals_correlated_total":    {"outcome"},
	"cortexops_remediations_total":          {"phase", "playbook"},
	"cortexops_remediations_open":           {"phase"},
	"cortexops_remediations_unattended":     {"cluster"},
	"cortexops_policy_loads_total":          {"result"},
	"cortexops_policy_current":              {},
	"cortexops_remediation_oldest_seconds":  {"phase"},
	"cortexops_approvals_total":             {"state"},
	"cortexops_verdicts_total":              {"result"},
	"cortexops_llm_tokens_total":            {"model", "kind"},
	"cortexops_llm_requests_total":          {"result"},
	"cortexops_llm_seconds":                 {"le"},
	"cortexops_component_up":                {"component"},
	"cortexops_memory_requests_total":       {"operation", "result"},
}

func TestQueriesNameWhatExists(t *testing.T) {
	t.Parallel()
	for where, expr := range exprs() {
		if err := known(expr); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	for expr, says := range map[string]string{
		`up == 0`: "names no metric of CortexOps", `cortexops_bus_pendin`: "cortexops_bus_pendin is no metric",
		`max by (streams) (cortexops_bus_pending)`: "streams is no label", `cortexops_bus_pending{streem!="A"}`: "streem is no label",
		`rate(cortexops_llm_seconds[5m])`: "is a histogram", `rate(cortexops_bus_pending_bucket[5m])`: "cortexops_bus_pending_bucket is no metric",
	} {
		if err := known(expr); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q in it", expr, err, says)
		}
	}
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	names    = regexp.MustCompile(`\bcortexops_[a-z_]+\b`)
	matchers = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring) \(([^)]*)\)`)
)

// known tells whether the expression names metrics and labels that exist. It is no parser: Prometheus is asked for that.
func known(expr string) error {
	var errs []error
	var labels []string
	found := names.FindAllString(quoted.ReplaceAllString(expr, `""`), -1)
	if len(found) == 0 {
		errs = append(errs, errors.New("it names no metric of CortexOps"))
	}
	for _, name := range found {
		of, ok := metrics[name]
		if base, bucket := strings.CutSuffix(name, "_bucket"); bucket && slices.Contains(metrics[base], "le") {
			of, ok = metrics[base], true
		} else if slices.Contains(of, "le") {
			errs = append(errs, fmt.Errorf("%s is a histogram: ask for its buckets", name))
		}
		if !ok {
			errs = append(errs, fmt.Errorf("%s is no metric", name))
		}
		labels = append(labels, of...)
	}
	var used []string
	for _, m := range matchers.FindAllStringSubmatch(expr, -1) {
		used = append(used, m[1])
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		used = append(used, strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	for _, l := range used {
		if !slices.Contains(labels, l) {
			errs = append(errs, fmt.Errorf("%s is no label of %s", l, strings.Join(found, ", ")))
		}
	}
	return errors.Join(errs...)
}

// The list above and the code agree.
func TestMetricsAreInTheCode(t *testing.T) {
	t.Parallel()
	said := regexp.MustCompile(`Name:\s+"(cortexops_[a-z_]+)"`)
	code := map[string]bool{}
	for _, dir := range []string{"pipeline", "cmd/cortexops", "gitops", "playbooks", "policies"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range said.FindAllSubmatch(b, -1) {
				code[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range code {
		if metrics[name] == nil {
			t.Errorf("%s is not in this test's list: add it, and see whether the dashboard should show it", name)
		}
	}
	for name := range metrics {
		if !code[name] {
			t.Errorf("no code has %s any more: take it out of this test's list, the dashboard, the rules and the runbooks", name)
		}
	}
}

// A real Prometheus parses every query.
func TestPrometheusParsesEveryQuery(t *testing.T) {
	t.Parallel()
	address := prometheusURL(t)
	for where, expr := range exprs() {
		if err := ask(address, expr); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	if err := ask(address, "sum by (x (y)"); err == nil || !strings.Contains(err.Error(), "parse error") {
		t.Errorf("a broken query gives %v", err)
	}
}

func ask(address, expr string) error {
	expr = strings.ReplaceAll(expr, "$__rate_interval", "1m") // Grafana's; another variable fails to parse
	res, err := http.PostForm(address+"/api/v1/query", url.Values{"query": {expr}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct{ Status, Error string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("read Prometheus's answer to %q: %w", expr, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", answer.Error, expr)
	}
	return nil
}

func prometheusURL(t *testing.T) string {
	t.Helper()
	var stack struct{ Prometheus struct{ URL string } }
	stackInto(t, &stack)
	if stack.Prometheus.URL == "" {
		t.Fatal("the stack has no prometheus.url")
	}
	return stack.Prometheus.URL
}

// stackInto reads what `make test` says of the stack that it started.
func stackInto(t *testing.T, into any) {
	t.Helper()
	file := os.Getenv("CORTEXOPS_TEST_STACK")
	if file == "" {
		t.Skip("not run: no stack: run make test")
	}
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
