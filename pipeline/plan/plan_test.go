package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

const api = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
spec:
  template:
    spec:
      containers:
        - name: app
          image: shop/api:1.4.0
          resources:
            limits:
              memory: 512Mi
`

func propose(t *testing.T, overlays []string, files map[string]string) (incident.Proposal, error) {
	t.Helper()
	return choosing(t, nil, overlays, files)
}

func choosing(t *testing.T, chosen map[string]string, overlays []string, files map[string]string) (incident.Proposal, error) {
	t.Helper()
	books, err := playbooks.Load(playbooks.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	repo := fstest.MapFS{}
	for name, text := range files {
		repo[name] = &fstest.MapFile{Data: []byte(text)}
	}
	inc := incident.Incident{Root: incident.Resource{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "api"},
		Signals: []incident.Signal{{Name: "ContainerOOMKilled", Container: "app"}}}
	p := Planner{Playbooks: books, Overlays: overlays}
	got, _, err := p.Propose(t.Context(), Request{Began: time.Unix(0, 0), Incident: inc, BaseSHA: "base", Files: locate.FromFS(repo), Parameters: chosen})
	return got, err
}

func TestProposeEditsTheOneFile(t *testing.T) {
	t.Parallel()
	got, err := propose(t, []string{"prod"}, map[string]string{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml]\n", "prod/api.yaml": api})
	if err != nil || len(got.Files) != 1 || got.Files[0].Path != "prod/api.yaml" || string(got.Files[0].Before) != api ||
		string(got.Files[0].After) != strings.Replace(api, "512Mi", "1Gi", 1) {
		t.Fatalf("%+v %v", got, err)
	}
	if why := got.Edits[0].Why; len(slices.Compact(slices.Clone(why))) != len(why) {
		t.Errorf("a step is told twice: %q", why)
	}
	if e := got.Edits[0]; e.From != "512Mi" || e.To != "1Gi" || e.Line != 13 || len(e.Why) < 3 {
		t.Errorf("%+v", e)
	}
	if len(got.Before) != 1 || len(got.Objects) != 1 || got.Before[0].Digest == got.Objects[0].Digest {
		t.Errorf("%+v", got.Objects)
	}
}

// A base that another overlay has too stays as it is: the overlay gets a patch, in a file that had nothing before.
func TestProposeMakesAPatch(t *testing.T) {
	t.Parallel()
	got, err := propose(t, []string{"prod", "staging"}, map[string]string{
		"base/kustomization.yaml": "resources: [api.yaml]\n", "base/api.yaml": api,
		"prod/kustomization.yaml":    "namespace: shop\nresources: [../base]\n",
		"staging/kustomization.yaml": "namespace: shop-staging\nresources: [../base]\n",
	})
	if err != nil || len(got.Files) != 2 || got.Overlay != "prod" || strings.Join(got.Untouched, " ") != "staging" {
		t.Fatalf("%+v %v", got, err)
	}
	if f := got.Files[0]; f.Path != "prod/api-deployment-patch.yaml" || f.Before != nil || !strings.Contains(string(f.After), "memory: 1Gi\n") {
		t.Errorf("%+v", f)
	}
	if f := got.Files[1]; f.Path != "prod/kustomization.yaml" || string(f.After) != string(f.Before)+"patches:\n- path: api-deployment-patch.yaml\n" {
		t.Errorf("%q", f.After)
	}
}

func TestProposeAnswersWithTheReason(t *testing.T) {
	t.Parallel()
	for why, text := range map[string]string{
		"without spec.template.spec.containers[name=app].resources.limits.memory": strings.Replace(api, "memory", "cpu", 1),
		"is 2Gi: the field has the value already":                                 strings.Replace(api, "512Mi", "2Gi", 1),
		"is rendered by none of prod":                                             strings.Replace(api, "name: api", "name: web", 1),
		"prod/api.yaml:13:23: the value has the anchor":                           strings.Replace(api, "512Mi", "&m 512Mi\n              cpu: *m", 1),
	} {
		_, err := propose(t, []string{"prod"}, map[string]string{"prod/kustomization.yaml": "{namespace: shop, resources: [api.yaml]}\n", "prod/api.yaml": text})
		var none *incident.NoPlan
		if !errors.As(err, &none) || !strings.Contains(none.Why, why) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// TestAPersonChooses a value that the playbook leaves to people, within its bounds.
func TestAPersonChooses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		chosen map[string]string
		want   string // or why not
	}{
		"nothing":      {nil, "1Gi"},
		"memory":       {map[string]string{"memory": "768Mi"}, "768Mi"},
		"less":         {map[string]string{"memory": "600Mi"}, "600Mi"},
		"too much":     {map[string]string{"memory": "1Ti"}, "1Ti is above 2Gi"},
		"no quantity":  {map[string]string{"memory": "lots; rm"}, `"lots; rm" is no quantity`},
		"zero":         {map[string]string{"memory": "0"}, "0 is not above 0"},
		"another name": {map[string]string{"cpu": "1"}, `leaves no "cpu" to people: what it does is memory`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := choosing(t, c.chosen, []string{"prod"}, map[string]string{"prod/kustomization.yaml": "namespace: shop\nresources: [api.yaml]\n", "prod/api.yaml": api})
			var none *incident.NoPlan
			switch {
			case errors.As(err, &none):
				if !strings.Contains(none.Why, c.want) {
					t.Errorf("%s", none.Why)
				}
			case err != nil:
				t.Error(err)
			case got.Edits[0].To != c.want || len(got.Parameters) != 1 || got.Parameters[0].Name != "memory" || got.Parameters[0].Asks != c.chosen["memory"]:
				t.Errorf("%+v with %+v", got.Edits, got.Parameters)
			}
		})
	}
}

// A playbook that fits and cannot be followed leaves the incident to the next that fits; where none can be, each is told.
func TestProposeTriesTheNextPlaybook(t *testing.T) {
	t.Parallel()
	book := func(name, edit, risk string) *fstest.MapFile {
		text := strings.Replace(fmt.Sprintf(frame, edit), "name: x", "name: "+name, 1)
		return &fstest.MapFile{Data: []byte(strings.Replace(text, "risk: low", "risk: "+risk, 1))}
	}
	first := book("first", "{field: spec.replicas, scale: {by: 2, min: 1, max: 4}}", "low") // git says nothing of replicas
	for name, c := range map[string]struct {
		second, third *fstest.MapFile
		follows       string
		why           []string
	}{
		"the second": {book("second", "annotation: {name: a, value: b}", "medium"), book("third", "suspend: true", "medium"), "second",
			[]string{"playbook first fits, but: Deployment shop/api is rendered without spec.replicas"}},
		"the third": {book("second", "suspend: true", "low"), book("third", "annotation: {name: a, value: b}", "medium"), "third",
			[]string{"playbook first fits, but: ", "playbook second fits, but: ", "cannot be suspended"}},
		"none": {book("second", "suspend: true", "low"), book("third", "env: {container: web, name: A, value: b}", "medium"), "",
			[]string{"playbook first fits, but: ", "; playbook second fits, but: ", "; playbook third fits, but: ", "[name=web]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books, err := playbooks.Load(fstest.MapFS{"first/playbook.yaml": first, "second/playbook.yaml": c.second, "third/playbook.yaml": c.third})
			if err != nil {
				t.Fatal(err)
			}
			p, wanted, err := (&Planner{Playbooks: books, Overlays: []string{"prod"}}).Propose(t.Context(), request(own))
			told := ""
			var none *incident.NoPlan
			if errors.As(err, &none) {
				told, err = none.Why, nil
			} else if len(p.Edits) > 0 {
				told = strings.Join(p.Edits[0].Why, "; ")
			}
			if err != nil || wanted != (Wanted{}) || p.Playbook.Name != c.follows || c.follows != "" && len(p.Files) != 1 {
				t.Fatalf("%+v %v", p, err)
			}
			for _, why := range c.why {
				if !strings.Contains(told, why) {
					t.Errorf("%q is not in %q", why, told)
				}
			}
		})
	}
}
