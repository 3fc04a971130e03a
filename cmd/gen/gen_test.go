package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// root is the repository's, as seen from here.
const root = "../.."

func TestMain(m *testing.M) {
	runtime := cog.NewRuntime() // else the strict decoder takes any panel and any query
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
	os.Exit(m.Run())
}

func TestGeneratedFilesAreFresh(t *testing.T) {
	t.Parallel()
	for path, render := range files {
		want, err := render()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		again, err := render()
		if err != nil || !bytes.Equal(want, again) {
			t.Errorf("%s is rendered differently each time: %v", path, err)
		}
		if got := read(t, path); !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run `make generate` (go run ./cmd/gen) and commit it", path)
		}
	}
}

func TestRunWritesAllFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := run(dir); err == nil || !strings.Contains(err.Error(), "in the repository's root") {
		t.Errorf("in an empty folder: %v", err)
	}
	for path := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	for path := range files {
		if b, err := os.ReadFile(filepath.Join(dir, path)); err != nil || !bytes.Equal(b, read(t, path)) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestDashboardIsSound(t *testing.T) {
	t.Parallel()
	raw := read(t, "manifests/grafana/cortexops.json")
	if err := lint(raw); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct{ from, to, says string }{
		"an unknown field":        {`"refresh": "30s"`, `"refreshing": "30s"`, "refreshing"},
		"an unknown option":       {`"showLegend": true`, `"showLegends": true`, "showLegends"},
		"a field of a wrong type": {`"refresh": "30s"`, `"refresh": 30`, "refresh"},
		"two panels of one name":  {`"Bus Pending"`, `"Correlation Latency"`, "two panels are called Correlation Latency"},
		"two panels of one id":    {`"id": 4,`, `"id": 5,`, "two panels have the id 5"},
		"a panel is missing":      {`"LLM Token Usage"`, `"Tokens"`, "no panel is called LLM Token Usage"},
		"no query":                {`"expr": "max by (phase) (cortexops_remediations_open)"`, `"expr": ""`, "Open Remediations by Phase: a query is empty"},
		"another data source":     {`"uid": "${datasource}"`, `"uid": "P1809"`, "not the variable"},
		"no data source":          {`"name": "datasource"`, `"name": "source"`, "no variable of type datasource"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := strings.Replace(string(raw), c.from, c.to, 1)
			if broken == string(raw) {
				t.Fatalf("the file has no %s: change this test with it", c.from)
			}
			if err := lint([]byte(broken)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q in it", err, c.says)
			}
		})
	}
}

// lint is what Grafana would not say: it shows an empty panel instead.
func lint(raw []byte) error {
	// The SDK's strict decoder returns its list of errors also where that is empty, and loses the panels over it: it judges,
	// and the other one reads.
	//nolint:staticcheck // as in dashboard.go
	var d, judged dashboard.Dashboard
	if err := judged.UnmarshalJSONStrict(raw); err != nil && err.Error() != "" {
		return err
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	errs := []error{d.Validate()}
	if !slices.ContainsFunc(d.Templating.List, func(v dashboard.VariableModel) bool { return v.Type == "datasource" && v.Name == source }) {
		errs = append(errs, errors.New("no variable of type datasource is called "+source))
	}
	titles, ids := map[string]bool{}, map[uint32]bool{}
	see := func(title *string, id *uint32) {
		if title == nil || id == nil {
			errs = append(errs, errors.New("a panel has no title or no id"))
			return
		}
		if titles[*title] {
			errs = append(errs, fmt.Errorf("two panels are called %s", *title))
		}
		if ids[*id] {
			errs = append(errs, fmt.Errorf("two panels have the id %d", *id))
		}
		titles[*title], ids[*id] = true, true
	}
	for _, p := range d.Panels {
		if p.RowPanel != nil {
			see(p.RowPanel.Title, &p.RowPanel.Id)
			continue
		}
		see(p.Panel.Title, p.Panel.Id)
		errs = append(errs, targets(*p.Panel))
	}
	for _, name := range []string{"Correlation Latency", "Workflow Success Rates", "LLM Token Usage"} { // as asked for
		if !titles[name] {
			errs = append(errs, fmt.Errorf("no panel is called %s", name))
		}
	}
	return errors.Join(errs...)
}

func targets(p dashboard.Panel) error {
	if len(p.Targets) == 0 {
		return fmt.Errorf("%s has no query", *p.Title)
	}
	var errs []error
	for _, t := range p.Targets {
		q, ok := t.(*prometheus.Dataquery)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: a query is a %T", *p.Title, t))
			continue
		}
		if q.Expr == "" {
			errs = append(errs, fmt.Errorf("%s: a query is empty", *p.Title))
		}
		if q.Datasource == nil || q.Datasource.Uid == nil || *q.Datasource.Uid != "${"+source+"}" {
			errs = append(errs, fmt.Errorf("%s: a query's data source is not the variable", *p.Title))
		}
	}
	return errors.Join(errs...)
}

// exprs are all queries of the dashboard and the rules, by where they are.
func exprs() map[string]string {
	all := map[string]string{"panel Components": components.expr}
	for _, r := range rows {
		for _, g := range r.graphs {
			for i, q := range g.queries {
				all[fmt.Sprintf("panel %s, query %d", g.title, i+1)] = q.expr
			}
		}
	}
	for _, a := range alerts {
		all["alert "+a.name] = a.expr
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
