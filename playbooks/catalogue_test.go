package playbooks

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// What ships loads, fits the incident that it is for, and binds.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	pbs, err := Load(Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	f := Facts{Root: Root{Kind: "Deployment", Group: "apps", Namespace: "shop", Name: "checkout"}, Alerts: []string{"ContainerOOMKilled"}, Signals: 1, Container: "app"}
	p, whys := Match(pbs, f)
	if p == nil || p.Name != "raise-memory-limit" {
		t.Fatalf("matched %v: %v", p, whys)
	}
	text, err := Explain(*p, Explanation{Container: "app", Namespace: "shop", Name: "checkout", Count: 1, From: "512Mi", To: "1Gi"})
	if err != nil || !strings.Contains(text, "1 signal says so. This raises the limit to 1Gi") {
		t.Errorf("%q %v", text, err)
	}
	db := Facts{Root: Root{Kind: "StatefulSet", Group: "apps", Namespace: "shop", Name: "orders-db"}, Alerts: []string{"PostgresqlTooManyConnections"}, Signals: 1}
	if p, whys := Match(pbs, db); p == nil || p.Name != "restart-database" || p.Risk != High || p.Rollback != None || !p.Edits[0].Stamp {
		t.Errorf("a database without connections matched %+v: %v", p, whys)
	}
	f.Root.Kind = "DaemonSet"
	if p, _ := Match(pbs, f); p != nil {
		t.Errorf("%s fits a DaemonSet", p.Name)
	}
}

// A real Prometheus accepts every query of the catalogue.
func TestCatalogueQueries(t *testing.T) {
	t.Parallel()
	prometheus := prometheusURL(t)
	pbs, err := Load(Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pbs {
		bound, err := Bind(p, Binding{Namespace: "shop", Name: "checkout.v2", Container: "app"})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range bound.Checks {
			resp, err := http.PostForm(prometheus+"/api/v1/query", url.Values{"query": {c.Query}})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var answer struct{ Status, Error string }
			if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
				t.Errorf("%s, check %q: %s %s %v", p.Name, c.Name, answer.Status, answer.Error, err)
			}
		}
	}
}

func prometheusURL(t *testing.T) string {
	t.Helper()
	file := os.Getenv("CORTEXOPS_TEST_STACK")
	if file == "" {
		t.Skip("not run: no stack: run make test")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Prometheus struct {
			URL string `json:"url"`
		} `json:"prometheus"`
	}
	if err := json.Unmarshal(b, &stack); err != nil {
		t.Fatal(err)
	}
	if stack.Prometheus.URL == "" {
		t.Fatalf("%s has no prometheus.url", file)
	}
	return strings.TrimSuffix(stack.Prometheus.URL, "/")
}
