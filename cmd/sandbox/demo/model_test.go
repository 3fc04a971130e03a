package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// deadline of the model's answer.
const deadline = 2 * time.Second

// modelInTrouble holds a pull request's words to a model that never answers, or not in time, or not well, and to one that
// does.
func modelInTrouble(t *testing.T, h *house) {
	asked := make(chan struct{}, 100)
	var mood atomic.Value
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			asked <- struct{}{}
			_, _ = io.Copy(io.Discard, r.Body)
			switch mood.Load() {
			case "hangs":
				<-r.Context().Done()
				return
			case "is late":
				select {
				case <-r.Context().Done():
				case <-time.After(2 * deadline):
				}
			case "answers garbage":
				_, _ = io.WriteString(w, "<html>it works!")
				return
			case "fails":
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
		}
		content := `{"cause":"The limit is below what the model saw.","evidence":[{"alert":"ContainerOOMKilled","says":"it is killed again and again"}]}`
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "1", "object": "chat.completion", "created": 1, "model": "test",
			"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": content}}},
			"usage":   map[string]any{"prompt_tokens": 321, "completion_tokens": 12, "total_tokens": 333}})
	}))
	t.Cleanup(model.Close)
	undo := h.reconfigured(t, func(config map[string]any) {
		config["llm"] = map[string]any{"baseURL": model.URL + "/v1", "model": "test", "deadline": deadline.String()}
	})
	for _, c := range []struct{ mood, by string }{
		{"hangs", "Words by heuristics"}, {"is late", "Words by heuristics"}, {"answers garbage", "Words by heuristics"}, {"fails", "Words by heuristics"},
		{"answers well", "Words by llm (test)"},
	} {
		mood.Store(c.mood)
		id := h.begun(t, "APPROVAL_PENDING")
		p := h.pullOf(t, id)
		if !strings.Contains(p.Body, c.by) || len(asked) == 0 {
			t.Errorf("the model %s, and was asked %d times; the pull request does not say %q:\n%.1500s", c.mood, len(asked), c.by, p.Body)
		}
		for len(asked) > 0 {
			<-asked
		}
		if err := h.Approve(t.Context(), "sam", p.Number); err != nil {
			t.Fatal(err)
		}
		h.ends(t, id, "SUCCEEDED", "pass")
	}
	if n := h.metric(t, `cortexops_llm_tokens_total{kind="prompt",model="test"}`); n != 321 {
		t.Errorf("%v prompt tokens are counted", n)
	}
	h.panels(t)
	undo()
}

// panels asks Prometheus what each panel of the dashboard shows: some number, for each of its queries.
func (h *house) panels(t *testing.T) {
	t.Helper()
	res, err := h.http.Post(h.Stack.Product.URL+"/webhooks/alertmanager", "application/json", strings.NewReader("{")) // so that something was rejected
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	var dashboard struct {
		Panels []panel `json:"panels"`
	}
	data, err := os.ReadFile("../../../manifests/grafana/cortexops.json")
	if err == nil {
		err = json.Unmarshal(data, &dashboard)
	}
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for len(dashboard.Panels) > 0 {
		p := dashboard.Panels[0]
		dashboard.Panels = append(dashboard.Panels[1:], p.Panels...)
		for _, target := range p.Targets {
			asked++
			query := strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
			if err := wait(t.Context(), p.Title+" to show something", time.Minute, func(ctx context.Context) (bool, error) {
				value, ok, err := h.Query(ctx, query)
				return ok && value != "NaN", err
			}); err != nil {
				t.Errorf("%v: %s", err, query)
			}
		}
	}
	if asked < 20 {
		t.Errorf("the dashboard has %d queries", asked)
	}
}

type panel struct {
	Title   string  `json:"title"`
	Panels  []panel `json:"panels"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}
