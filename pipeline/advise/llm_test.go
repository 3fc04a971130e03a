package advise

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openai/openai-go/v3"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestModelAnswers(t *testing.T) {
	t.Parallel()
	var asked http.Header
	var path string
	var params openai.ChatCompletionNewParams
	var decoding error
	b := newBench(t, server(t, func(w http.ResponseWriter, r *http.Request) {
		asked, path = r.Header, r.Method+" "+r.URL.Path
		decoding = json.NewDecoder(r.Body).Decode(&params)
		sends(200, completion(good))(w, r)
	}), time.Minute)
	got := b.Advise(t.Context(), sick())
	want := incident.Advisory{By: "llm", Model: model, Cause: "The container is killed because it needs more memory than its limit.",
		Evidence: []string{"ContainerOOMKilled: It was OOM-killed on one pod."}}
	if !same(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if path != "POST /v1/chat/completions" || asked.Get("Authorization") != "Bearer "+key || decoding != nil {
		t.Errorf("%s with %q, %v", path, asked.Get("Authorization"), decoding)
	}
	format := params.ResponseFormat.OfJSONSchema
	if params.Model != model || len(params.Messages) != 2 || format == nil || !format.JSONSchema.Strict.Value || format.JSONSchema.Schema == nil ||
		params.MaxCompletionTokens.Value != maxTokens || len(params.Tools) != 0 {
		t.Fatalf("asked %+v", params)
	}
	if said := params.Messages[0].OfSystem.Content.OfString.Value; said != system {
		t.Errorf("the system's message is %q", said)
	}
	if said := params.Messages[1].OfUser.Content.OfString.Value; said != question(sick()) {
		t.Errorf("the user's message is %q", said)
	}
	counted := map[string]float64{"cortexops_llm_requests_total ok": 1, "cortexops_llm_seconds": 1,
		"cortexops_llm_tokens_total prompt gpt-test-1": 190, "cortexops_llm_tokens_total completion gpt-test-1": 40}
	if got := b.counts(t); !reflect.DeepEqual(got, counted) {
		t.Errorf("counted %v", got)
	}
	if b.log.Len() > 0 {
		t.Errorf("logged %s", b.log.String())
	}
}

// The answers of these tests are of the shape that OpenAI publishes: every field that the SDK requires is there.
func TestShapesArePublished(t *testing.T) {
	t.Parallel()
	var c openai.ChatCompletion
	if err := json.Unmarshal([]byte(completion(good)), &c); err != nil {
		t.Fatal(err)
	}
	choice := c.Choices[0]
	for name, there := range map[string]bool{"id": c.JSON.ID.Valid(), "created": c.JSON.Created.Valid(), "model": c.JSON.Model.Valid(), "object": c.JSON.Object.Valid(),
		"usage": c.JSON.Usage.Valid(), "finish_reason": choice.JSON.FinishReason.Valid(), "index": choice.JSON.Index.Valid(), "content": choice.Message.JSON.Content.Valid(),
		"role": choice.Message.JSON.Role.Valid(), "prompt_tokens": c.Usage.JSON.PromptTokens.Valid(), "no extras": len(c.JSON.ExtraFields)+len(choice.JSON.ExtraFields) == 0} {
		if !there {
			t.Errorf("%s is not as published", name)
		}
	}
	var e openai.Error
	if err := json.Unmarshal([]byte(apiError("requests", "slow down")), &struct{ Error *openai.Error }{&e}); err != nil || e.Message != "slow down" || e.Type != "requests" {
		t.Errorf("%q %q %v", e.Message, e.Type, err)
	}
}

// deaf takes a question and never answers.
type deaf struct{}

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := NewLLM(LLMOptions{BaseURL: "http://llm.test/v1", Model: model, HTTP: &http.Client{Transport: deaf{}}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now() // of the fake clock
		if got := l.Advise(t.Context(), sick()); got.By != "heuristics" || time.Since(start) != 10*time.Second {
			t.Errorf("by %s after %s", got.By, time.Since(start))
		}
		start = time.Now()
		if err := l.Ping(t.Context()); err == nil || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}
