package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestRollBack(t *testing.T) {
	t.Parallel()
	files := map[string]string{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml]\nimages: [{name: shop/api, newTag: 1.5.0}]\n", "prod/api.yaml": api}
	value := func(v, sha string, from, until time.Duration) repo.Value {
		out := repo.Value{Value: "shop/api:" + v, Set: true, Commit: repo.Commit{SHA: sha, When: onset.Add(-from), Subject: "ship " + v}}
		if until > 0 {
			out.Until = onset.Add(-until)
		}
		return out
	}
	day := 24 * time.Hour
	bad := value("1.5.0", "bad", time.Hour, 0)
	for _, c := range []struct {
		name   string
		values []repo.Value
		to     string
		why    string
	}{
		{"the one before", []repo.Value{bad, value("1.4.2", "good", 3*day, time.Hour)}, "1.4.2", ""},
		{"the last that held", []repo.Value{bad, value("1.4.3", "short", 2*time.Hour, time.Hour), value("1.4.2", "good", 3*day, 2*time.Hour)}, "1.4.2", ""},
		{"none held", []repo.Value{bad, value("1.4.3", "short", 2*time.Hour, time.Hour)}, "", "no earlier value is known that was in effect for 24h"},
		{"the beginning is not known", []repo.Value{bad, value("1.4.2", "", 0, time.Hour)}, "", "no earlier value is known"},
		{"it is old", []repo.Value{value("1.5.0", "bad", 5*time.Hour, 0), value("1.4.2", "good", 3*day, 5*time.Hour)}, "", "set by bad 5h before the incident began, more than the 2h"},
		{"somebody is at it", []repo.Value{value("1.5.0", "fix", -time.Minute, 0), value("1.4.2", "good", 3*day, time.Hour)}, "", "somebody is at it"},
		{"another value", []repo.Value{value("1.6.0", "x", time.Hour, 0)}, "", "does not say who set shop/api:1.5.0"},
		{"nothing", nil, "", "does not say who set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(files)
			plan := planner(t, "{field: '"+image+"', rollBack: {healthyFor: 24h, changedWithin: 2h}}", "prod")
			_, wanted, err := plan.Propose(t.Context(), r)
			if err != nil || wanted.History == nil || wanted.History.Path != "prod/kustomization.yaml" {
				t.Fatalf("%+v %v", wanted, err)
			}
			old := "images: [{name: other, newTag: '1'}, {name: shop/api, newTag: 1.4.9}]\n"
			if v, ok := wanted.History.Read([]byte(old)); !ok || v != "shop/api:1.4.9" {
				t.Errorf("an older file is read as %q %v", v, ok)
			}
			r.Histories = map[string][]repo.Value{wanted.History.Key(): c.values}
			p, _, err := plan.Propose(t.Context(), r)
			var none *incident.NoPlan
			switch {
			case c.why != "":
				if !errors.As(err, &none) || !strings.Contains(none.Why, c.why) {
					t.Errorf("%v", err)
				}
			case err != nil:
				t.Fatal(err)
			case !strings.Contains(string(p.Files[0].After), "newTag: "+c.to) || len(p.Files) != 1 || p.Edits[0].To != "shop/api:"+c.to ||
				!strings.Contains(strings.Join(p.Edits[0].Why, "\n"), "was in effect for") || p.Explain != "shop/api:1.5.0 shop/api:"+c.to+" bad 1h":
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestRevertASuspect(t *testing.T) {
	t.Parallel()
	web := strings.ReplaceAll(api, "name: api", "name: web")
	files := map[string]string{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml, web.yaml]\n", "prod/api.yaml": api, "prod/web.yaml": web, "prod/x.yaml": "a"}
	less := strings.Replace(api, "512Mi", "1Gi", 1)
	root := request(files).Incident.Root
	suspect := func(sha string, before time.Duration, distance int) incident.Suspect {
		return incident.Suspect{SHA: sha, Before: before, Distance: distance, Paths: []string{"prod/api.yaml"}, Subject: "less memory"}
	}
	good := map[string][]byte{"prod/api.yaml": []byte(less), "README.md": []byte("x")}
	for _, c := range []struct {
		name     string
		suspects []incident.Suspect
		reverts  map[string]map[string][]byte
		clash    bool
		edits    []string
		why      string
	}{
		{"the likeliest", []incident.Suspect{suspect("a", time.Hour, 0)}, map[string]map[string][]byte{"a": good}, false,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> 1Gi"}, ""},
		{"what else it did", []incident.Suspect{suspect("a", time.Hour, 0)},
			map[string]map[string][]byte{"a": {"prod/api.yaml": []byte(less), "prod/web.yaml": []byte(strings.ReplaceAll(web, "1.4.0", "1.3.0"))}}, false,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> 1Gi", "Deployment shop/web image: shop/api:1.4.0 -> shop/api:1.3.0"}, ""},
		{"the first that changes the root", []incident.Suspect{suspect("a", time.Minute, 0), suspect("b", time.Hour, 0)},
			map[string]map[string][]byte{"a": {"prod/web.yaml": []byte(strings.ReplaceAll(web, "1.4.0", "1.3.0"))}, "b": good}, false,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> 1Gi"}, ""},
		{"one that is undone already", []incident.Suspect{suspect("a", time.Minute, 0), suspect("b", time.Hour, 0)}, map[string]map[string][]byte{"a": nil, "b": good}, false,
			[]string{"Deployment shop/api resources.limits.memory: 512Mi -> 1Gi"}, ""},
		{"none", nil, nil, false, nil, "no commit is suspect"},
		{"too old", []incident.Suspect{suspect("a", 3*time.Hour, 0)}, nil, false, nil, "the likeliest, a, came 3h before the incident at distance 0, and the playbook takes back what came within 2h at distance 0"},
		{"too far", []incident.Suspect{suspect("a", time.Hour, 1)}, nil, false, nil, "at distance 1"},
		{"a conflict", []incident.Suspect{suspect("a", time.Hour, 0)}, nil, true, nil, "cannot be taken back: commit a cannot be undone: prod/api.yaml: line 3"},
		{"an object that goes", []incident.Suspect{suspect("a", time.Hour, 0)}, map[string]map[string][]byte{"a": {"prod/web.yaml": nil,
			"prod/kustomization.yaml": []byte("namespace: shop\nresources: [api.yaml]\n"), "prod/api.yaml": []byte(less)}}, false, nil, "Deployment shop/web would be gone from prod"},
		{"an object that comes", []incident.Suspect{suspect("a", time.Hour, 0)}, map[string]map[string][]byte{"a": {"prod/api.yaml": []byte(less + "---\n" + strings.ReplaceAll(api, "name: api", "name: new"))}},
			false, nil, "Deployment shop/new would be a new object"},
		{"what does not render", []incident.Suspect{suspect("a", time.Hour, 0)}, map[string]map[string][]byte{"a": {"prod/api.yaml": nil}}, false, nil, "prod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(files)
			r.Suspects, r.Reverts, r.Clashes = c.suspects, map[string]repo.Reverted{}, map[string]error{}
			plan := planner(t, "revert: {suspect: {within: 2h}}", "prod")
			var p incident.Proposal
			var wanted Wanted
			var err error
			for range 5 {
				if p, wanted, err = plan.Propose(t.Context(), r); wanted.Revert == "" {
					break
				}
				if c.clash {
					r.Clashes[wanted.Revert] = &repo.Conflict{Commit: wanted.Revert, Paths: []repo.Clash{{Path: "prod/api.yaml", Why: "line 3"}}}
				}
				r.Reverts[wanted.Revert] = repo.Reverted{Files: c.reverts[wanted.Revert]}
			}
			var none *incident.NoPlan
			if c.why != "" {
				if !errors.As(err, &none) || !strings.Contains(none.Why, c.why) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			edits, _ := told(p)
			last := c.suspects[len(c.suspects)-1]
			if !slices.Equal(edits, c.edits) || p.Reverts == nil || p.Reverts.SHA != last.SHA || p.Objects[0].Resource.Key() != root.Key() ||
				p.Edits[0].File != "prod/api.yaml" || p.Edits[0].Line != 13 || p.Explain != "512Mi 1Gi "+last.SHA+" 1h" {
				t.Errorf("%q %+v", edits, p)
			}
		})
	}
}

// A commit that changed two namespaces is for people.
func TestARevertIsWithinANamespace(t *testing.T) {
	t.Parallel()
	web := strings.ReplaceAll(api, "name: api", "name: web")
	r := request(map[string]string{"prod/kustomization.yaml": "resources: [shop, pay]\n",
		"prod/shop/kustomization.yaml": "namespace: shop\nresources: [api.yaml]\n", "prod/shop/api.yaml": api,
		"prod/pay/kustomization.yaml": "namespace: payments\nresources: [web.yaml]\n", "prod/pay/web.yaml": web})
	r.Suspects = []incident.Suspect{{SHA: "a", Before: time.Hour, Paths: []string{"prod/shop/api.yaml"}, Subject: "x"}}
	r.Reverts = map[string]repo.Reverted{"a": {Files: map[string][]byte{"prod/shop/api.yaml": []byte(strings.Replace(api, "512Mi", "1Gi", 1)),
		"prod/pay/web.yaml": []byte(strings.ReplaceAll(web, "1.4.0", "1.3.0"))}}}
	_, _, err := planner(t, "revert: {suspect: {within: 2h}}", "prod").Propose(t.Context(), r)
	var none *incident.NoPlan
	if !errors.As(err, &none) || !strings.Contains(none.Why, "payments") {
		t.Errorf("%v", err)
	}
}
