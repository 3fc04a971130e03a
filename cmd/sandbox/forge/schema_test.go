package forge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// described is GitHub's own description of its API or its webhooks, from npm, or
// why it is not to be had.
type described struct {
	doc *openapi3.T
	why string
}

var (
	restSpec = sync.OnceValue(func() described { return loadSpec("openapi", "23.0.2") })
	hookSpec = sync.OnceValue(func() described { return loadSpec("openapi-webhooks", "12.1.0") })
)

const specFile = "package/generated/api.github.com.json"

func loadSpec(name, version string) described {
	path, err := fetchSpec(name, version)
	if err != nil {
		return described{why: fmt.Sprintf("not run: GitHub's description (npm @octokit/%s@%s) is not to be had: %v", name, version, err)}
	}
	// Read as JSON, which is several times as fast as the loader's YAML.
	doc := &openapi3.T{}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, doc)
	}
	if err == nil {
		err = openapi3.NewLoader().ResolveRefsIn(doc, nil)
	}
	if err != nil {
		return described{why: fmt.Sprintf("GitHub's description %s cannot be read, remove it and run again: %v", path, err)}
	}
	return described{doc: doc}
}

// fetchSpec keeps the one file that is needed in the user's cache.
func fetchSpec(name, version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "cortexops", name+"-"+version)
	path := filepath.Join(dir, "api.github.com.json")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	pack := exec.Command(npm, "pack", "--silent", "@octokit/"+name+"@"+version)
	pack.Dir = tmp
	out, err := pack.Output()
	if err != nil {
		return "", fmt.Errorf("npm pack: %w", err)
	}
	tar := exec.Command("tar", "-xzf", strings.TrimSpace(string(out)), specFile)
	tar.Dir = tmp
	if out, err := tar.CombinedOutput(); err != nil {
		return "", fmt.Errorf("tar: %w: %s", err, out)
	}
	return path, os.Rename(filepath.Join(tmp, specFile), path)
}

// exchange is one call as it went over the wire.
type exchange struct {
	method string
	url    *url.URL
	sent   []byte
	status int
	got    []byte
}

// checkExchange holds a call of a known path against the description. A call that
// the forge answers and GitHub does not have is an error too.
func checkExchange(t *testing.T, e exchange) {
	t.Helper()
	spec := restSpec()
	if spec.doc == nil {
		return
	}
	path := strings.TrimPrefix(e.url.Path, "/api/v3")
	name, op := findOperation(spec.doc, e.method, path)
	if op == nil {
		if e.status != http.StatusNotFound {
			t.Errorf("%s %s answered %d, and GitHub has no such call", e.method, path, e.status)
		}
		return
	}
	for key := range e.url.Query() {
		if op.Parameters.GetByInAndName("query", key) == nil {
			t.Errorf("GitHub's %s %s has no query parameter %s", e.method, name, key)
		}
	}
	if e.status < 300 && op.RequestBody != nil && len(e.sent) > 0 {
		checkJSON(t, "request of "+e.method+" "+name, op.RequestBody.Value.Content, e.sent)
	}
	res := op.Responses.Status(e.status)
	what := fmt.Sprintf("%d of %s %s", e.status, e.method, name)
	switch {
	case res != nil && res.Value.Content != nil:
		checkJSON(t, what, res.Value.Content, e.got)
	case e.status >= 400: // which of these GitHub lists for a call is a matter of luck
		if err := checkValue(spec.doc.Components.Schemas["basic-error"].Value, e.got); err != nil {
			t.Errorf("%s is not an error as GitHub describes it: %v", what, err)
		}
	default:
		t.Errorf("GitHub has no answer %s", what)
	}
}

func checkJSON(t *testing.T, what string, content openapi3.Content, raw []byte) {
	t.Helper()
	media := content.Get("application/json")
	if media == nil {
		return
	}
	if err := checkValue(media.Schema.Value, raw); err != nil {
		t.Errorf("%s is not as GitHub describes it: %v", what, err)
	}
}

func checkValue(schema *openapi3.Schema, raw []byte, how ...openapi3.SchemaValidationOption) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	return schema.VisitJSON(v, append(how, openapi3.MultiErrors())...)
}

// findOperation finds the path that fits with the fewest parameters.
func findOperation(doc *openapi3.T, method, path string) (string, *openapi3.Operation) {
	best, fewest := "", 100
	parts := strings.Split(path, "/")
	for name := range doc.Paths.Map() {
		if n, ok := fits(strings.Split(name, "/"), parts); ok && n < fewest {
			best, fewest = name, n
		}
	}
	if best == "" {
		return "", nil
	}
	return best, doc.Paths.Value(best).GetOperation(method)
}

func fits(pattern, parts []string) (parameters int, ok bool) {
	for i, p := range pattern {
		switch {
		case strings.HasPrefix(p, "{"):
			parameters++
			if p == "{ref}" && pattern[i-1] == "ref" { // may hold slashes
				return parameters, len(parts) > i
			}
			if i >= len(parts) {
				return 0, false
			}
		case i >= len(parts) || parts[i] != p:
			return 0, false
		}
	}
	return parameters, len(pattern) == len(parts)
}

// checkHook holds a webhook against the description.
func checkHook(t *testing.T, h hooked) {
	t.Helper()
	spec := hookSpec()
	if spec.doc == nil {
		return
	}
	name := strings.NewReplacer("_", "-", ".", "-").Replace(h.name())
	if _, ok := spec.doc.Webhooks[name]; !ok {
		t.Errorf("GitHub has no webhook %s", name)
		return
	}
	schema := spec.doc.Components.Schemas["webhook-"+name]
	if schema == nil {
		t.Errorf("GitHub's webhook %s has no schema", name)
		return
	}
	if err := checkValue(schema.Value, h.Raw, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("webhook %s is not as GitHub describes it: %v", name, err)
	}
}

// Says so in the list of what did not run, and that the check can fail.
func TestGitHubsDescriptionIsAtHand(t *testing.T) {
	t.Parallel()
	for _, spec := range []described{restSpec(), hookSpec()} {
		if strings.HasPrefix(spec.why, "not run:") {
			t.Skip(spec.why)
		}
		if spec.doc == nil {
			t.Fatal(spec.why)
		}
	}
	if checkValue(restSpec().doc.Components.Schemas["pull-request"].Value, []byte(`{"number":1}`)) == nil {
		t.Error("a pull request of one field passes for GitHub's")
	}
	hook := hookSpec().doc.Components.Schemas["webhook-pull-request-opened"].Value
	if checkValue(hook, []byte(`{"action":"opened"}`), openapi3.EnableJSONSchema2020()) == nil {
		t.Error("a webhook of one field passes for GitHub's")
	}
}
