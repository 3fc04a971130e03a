package advise

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	key   = "sk-test-3f9c1d7b5a"
	model = "gpt-test-1"
	good  = `{"cause":"The container is killed because it needs more memory than its limit.","evidence":[{"alert":"ContainerOOMKilled","says":"It was OOM-killed on one pod."}]}`
)

func sick() incident.Incident {
	return incident.Incident{
		ID:      "7f3a19c0ffee",
		Root:    incident.Resource{Cluster: "sandbox", Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"},
		Onset:   at,
		Signals: []incident.Signal{signal("ContainerOOMKilled", "checkout-a", incident.Firing, 0, map[string]string{"summary": "out of memory"})},
	}
}

// completion is the chat completion object as OpenAI documents it, with these words of the model.
func completion(content string) string {
	words, _ := json.Marshal(content)
	return `{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-5.4","choices":[
		{"index":0,"message":{"role":"assistant","content":` + string(words) + `,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],
		"usage":{"prompt_tokens":190,"completion_tokens":40,"total_tokens":230,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},
		"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},
		"service_tier":"default"}`
}

// apiError is an error as OpenAI documents it.
func apiError(kind, message string) string {
	return fmt.Sprintf(`{"error":{"message":%q,"type":%q,"param":null,"code":null}}`, message, kind)
}

func sends(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// server has read the whole request before it does anything, as then its context ends when the client hangs up.
func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

// bench is an LLM with all that it writes: lines of its log, and series.
type bench struct {
	*LLM
	log    bytes.Buffer
	series *prometheus.Registry
}

func newBench(t *testing.T, url string, deadline time.Duration) *bench {
	t.Helper()
	b := &bench{series: prometheus.NewRegistry()}
	var err error
	b.LLM, err = NewLLM(LLMOptions{BaseURL: url, Key: key, Model: model, Deadline: deadline, Metrics: b.series,
		Log: slog.New(slog.NewTextHandler(&b.log, nil)), HTTP: &http.Client{Transport: &http.Transport{}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// counts lists the series that are not zero, as name{labels}, of a histogram its count.
func (b *bench) counts(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := b.series.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if n := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()); n != 0 {
				out[name] = n
			}
		}
	}
	return out
}

func same(a, b incident.Advisory) bool { return reflect.DeepEqual(a, b) }

// stoodIn asks, and checks that heuristics answered, that it is counted and logged, and that nothing shows the key.
func (b *bench) stoodIn(t *testing.T, result, why string) {
	t.Helper()
	if got := b.Advise(t.Context(), sick()); !same(got, Heuristics(sick())) || got.By != "heuristics" {
		t.Errorf("got %+v", got)
	}
	got := b.counts(t)
	delete(got, "cortexops_llm_tokens_total prompt gpt-test-1")
	delete(got, "cortexops_llm_tokens_total completion gpt-test-1")
	if want := map[string]float64{"cortexops_llm_requests_total " + result: 1, "cortexops_llm_seconds": 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("counted %v", got)
	}
	log := b.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, why) || !strings.Contains(log, "result="+result) || strings.Contains(log, key) {
		t.Errorf("logged %s", log)
	}
}
