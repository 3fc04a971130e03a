package helm

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// The test binary is its own renderer.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "render-chart" {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func renderer(t *testing.T) *Renderer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &Renderer{Command: []string{self, "render-chart"}, Timeout: 30 * time.Second}
	t.Cleanup(r.Close)
	return r
}

// web is a small chart; more adds files to it, or replaces them.
func web(more map[string]string) map[string][]byte {
	out := map[string][]byte{}
	for _, files := range []map[string]string{{
		"Chart.yaml":  "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: 1.4.0\n",
		"values.yaml": "image: {repository: shop/web, tag: \"\"}\nreplicas: 2\nresources: {limits: {memory: 256Mi}}\n",
		"templates/deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          resources: {{- toYaml .Values.resources | nindent 12 }}
`,
		"templates/NOTES.txt": "Hello {{ .Release.Name }}",
	}, more} {
		for p, s := range files {
			out[p] = []byte(s)
		}
	}
	return out
}

func request(files map[string][]byte, values ...Layer) Request {
	return Request{Chart: files, Values: values, Release: "shop", Namespace: "prod"}
}

func joined(objects []json.RawMessage) string {
	var b strings.Builder
	for _, o := range objects {
		b.Write(o)
		b.WriteByte('\n')
	}
	return b.String()
}

func TestRender(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	tests := []struct {
		name string
		req  Request
		want []string
		not  string
	}{
		{"the chart's values", request(web(nil)), []string{`"image":"shop/web:1.4.0"`, `"memory":"256Mi"`, `"replicas":2`, `"name":"shop","namespace":"prod"`}, "Hello"},
		{"later layers win", request(web(nil), Layer{YAML: "replicas: 3\nresources: {limits: {cpu: 1}}\n"}, Layer{JSON: json.RawMessage(`{"replicas":4}`)}),
			[]string{`"replicas":4`, `"cpu":1`, `"memory":"256Mi"`}, ""},
		{"a number and a text", request(web(nil), Layer{Set: "image.tag=7"}, Layer{Text: "replicas=5"}), []string{`"image":"shop/web:7"`, `"replicas":5`}, ""},
		{"other defaults", Request{Chart: web(nil), Release: "shop", Defaults: []string{"replicas: 9\nimage: {repository: r, tag: t}\n"}}, []string{`"replicas":9`, `"image":"r:t"`}, "256Mi"},
		{"a list, documents, a test and an empty one", request(web(map[string]string{"templates/more.yaml": `---
# nothing
---
kind: List
apiVersion: v1
items: [{kind: ConfigMap, apiVersion: v1, metadata: {name: a}}]
---
kind: Pod
apiVersion: v1
metadata: {name: probe, annotations: {helm.sh/hook: test}}
`})), []string{`"name":"a"`}, "probe"},
		{"no cluster and no environment", request(web(map[string]string{"templates/more.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: found}
data: {namespaces: {{ lookup "v1" "Namespace" "" "" | toJson | quote }}, host: {{ getHostByName "example.com" | quote }}}
`})), []string{`"namespaces":"{}"`, `"host":""`}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			objects, err := r.Render(context.Background(), tt.req)
			if err != nil {
				t.Fatal(err)
			}
			out := joined(objects)
			for _, w := range tt.want {
				if !strings.Contains(out, w) {
					t.Errorf("without %s:\n%s", w, out)
				}
			}
			if tt.not != "" && strings.Contains(out, tt.not) {
				t.Errorf("with %s:\n%s", tt.not, out)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	schema := `{"properties": {"replicas": {"type": "integer", "maximum": 3}}}`
	tests := []struct {
		name string
		req  Request
		want string
	}{
		{"a template that fails", request(web(map[string]string{"templates/x.yaml": `{{ fail "no host" }}`})), "no host"},
		{"a template that is no YAML", request(web(map[string]string{"templates/x.yaml": "a: [\n"})), "x.yaml"},
		{"no chart", request(map[string][]byte{"values.yaml": nil}), "Chart.yaml"},
		{"values that are no mapping", request(web(nil), Layer{YAML: "- 1\n"}), "values"},
		{"values against the schema", request(web(map[string]string{"values.schema.json": schema}), Layer{YAML: "replicas: 4\n"}), "maximum"},
		{"env", request(web(map[string]string{"templates/x.yaml": `{{ env "HOME" }}`})), "env"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Render(context.Background(), tt.req)
			var bad *Invalid
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
	any := request(web(map[string]string{"values.schema.json": schema}), Layer{YAML: "replicas: 4\n"})
	any.AnyValues = true
	if _, err := r.Render(context.Background(), any); err != nil {
		t.Errorf("any values: %v", err)
	}
}

// A schema that refers to a server is not fetched.
func TestRenderReachesNoServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	asked := make(chan struct{})
	go func() {
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
			close(asked)
		}
	}()
	url := "http://" + l.Addr().String()
	for _, schema := range []string{`{"$ref": "` + url + `/x.json"}`, `{"$schema": "` + url + `/draft"}`, `{"properties": {"replicas": {"$ref": "file:///etc/hostname"}}}`} {
		if _, err := renderer(t).Render(context.Background(), request(web(map[string]string{"values.schema.json": schema}))); err != nil {
			t.Errorf("%s: %v", schema, err)
		}
	}
	select {
	case <-asked:
		t.Error("the schema was asked for")
	default:
	}
}

// A chart that never ends is killed, and the next one is rendered.
func TestRenderKillsAChartThatLoops(t *testing.T) {
	t.Parallel()
	loop := `{{- define "again" }}{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}{{ end }}{{ range until 1000000 }}{{ template "again" }}{{ end }}`
	r := renderer(t)
	r.Timeout = 2 * time.Second
	_, err := r.Render(context.Background(), request(web(map[string]string{"templates/x.yaml": loop})))
	var killed *Killed
	if !errors.As(err, &killed) || !strings.Contains(err.Error(), "2s") {
		t.Fatalf("got %v", err)
	}
	r.Timeout = 30 * time.Second
	if _, err := r.Render(context.Background(), request(web(nil))); err != nil {
		t.Errorf("the next: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(500*time.Millisecond, cancel)
	if _, err := r.Render(ctx, request(web(map[string]string{"templates/x.yaml": loop}))); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A child whose parent does not kill it ends itself.
func TestServeEndsItself(t *testing.T) {
	t.Parallel()
	r := renderer(t)
	c, err := start(r.Command)
	if err != nil {
		t.Fatal(err)
	}
	loop := `{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}`
	if err := send(c.in, envelope{Memory: 512 << 20, Timeout: time.Second, Request: request(web(map[string]string{"templates/x.yaml": loop}))}); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
	if code := c.cmd.ProcessState.ExitCode(); code != exitTime {
		t.Errorf("it ended with %d", code)
	}
}

// A chart that eats memory is killed: slowly, by many small pieces, and at once, by one.
func TestRenderKillsAChartThatEatsMemory(t *testing.T) {
	t.Parallel()
	for name, template := range map[string]string{
		"piece by piece": `{{- $l := list }}{{ range until 300 }}{{ $l = append $l (repeat 10000000 "x") }}{{ end }}`,
		"at once":        `{{- $s := repeat 2000000000 "x" }}a: {{ $s }}`,
		"by doubling":    `{{- $s := "x" }}{{ range until 60 }}{{ $s = print $s $s }}{{ end }}a: {{ $s }}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := renderer(t)
			r.Memory, r.Timeout = 256<<20, 5*time.Minute
			_, err := r.Render(context.Background(), request(web(map[string]string{"templates/x.yaml": template})))
			var killed *Killed
			if !errors.As(err, &killed) || strings.Contains(err.Error(), "5m") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRendererSaysWhatIsWrongWithItsProgram(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*Renderer{
		"none":           {},
		"not there":      {Command: []string{"/nowhere/at-all"}},
		"another":        {Command: []string{"/bin/echo", "hello, this is no renderer of charts"}},
		"one that fails": {Command: []string{"/bin/sh", "-c", "echo no such verb >&2; exit 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := r.Render(context.Background(), request(web(nil))); err == nil || !strings.Contains(err.Error(), "start the renderer") {
				t.Errorf("got %v", err)
			}
		})
	}
}
