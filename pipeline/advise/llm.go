package advise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	defaultDeadline = 10 * time.Second
	maxAnswer       = 256 << 10 // bytes of an HTTP body
	maxTokens       = 2000      // of an answer, with what a reasoning model thinks before it
)

// LLMOptions of NewLLM.
type LLMOptions struct {
	BaseURL  string // of an OpenAI-compatible API: https://api.openai.com/v1
	Key      string // "" for a server that wants none
	Model    string
	Deadline time.Duration         // of one whole call; default 10 s
	Metrics  prometheus.Registerer // nil registers nowhere
	Log      *slog.Logger          // nil: silent
	HTTP     *http.Client          // nil: a plain one
}

// LLM asks a language model. It is safe for concurrent use.
type LLM struct {
	chat     openai.ChatCompletionService
	models   openai.ModelService
	key      string
	model    string
	deadline time.Duration
	log      *slog.Logger
	metrics  metrics
}

// NewLLM calls nothing. Of the environment (OPENAI_*) it reads nothing.
func NewLLM(o LLMOptions) (*LLM, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || (base.Scheme != "https" && base.Scheme != "http") || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the base URL of the LLM must look like https://api.openai.com/v1, without user, password or query")
	}
	if o.Model == "" {
		return nil, errors.New("the LLM needs the name of a model")
	}
	if o.Deadline < 0 {
		return nil, fmt.Errorf("the deadline of the LLM is %s: it must be positive", o.Deadline)
	}
	if o.Deadline == 0 {
		o.Deadline = defaultDeadline
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	opts := []option.RequestOption{option.WithBaseURL(o.BaseURL), option.WithAPIKey(o.Key), option.WithHTTPClient(o.HTTP),
		option.WithMaxRetries(0), option.WithMiddleware(bounded)}
	return &LLM{chat: openai.NewChatCompletionService(opts...), models: openai.NewModelService(opts...), key: o.Key, model: o.Model,
		deadline: o.Deadline, log: o.Log, metrics: newMetrics(o.Metrics, o.Model)}, nil
}

// bounded makes reading more than maxAnswer of a body an error. The SDK reads bodies whole, those of errors too.
func bounded(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	res, err := next(req)
	if res != nil && res.Body != nil {
		res.Body = http.MaxBytesReader(nil, res.Body, maxAnswer)
	}
	return res, err
}

// Advise asks the model once. It never fails: on any trouble, and at the deadline, it is Heuristics that answer; why is
// logged and counted.
func (l *LLM) Advise(ctx context.Context, i incident.Incident) incident.Advisory {
	start := time.Now()
	advice, t := l.ask(ctx, i)
	l.metrics.seconds.Observe(time.Since(start).Seconds())
	if t != nil {
		l.metrics.requests.WithLabelValues(t.result).Inc()
		l.log.WarnContext(ctx, "no advice from the LLM, heuristics stand in", "incident", i.ID, "model", l.model, "result", t.result, "why", t.why)
		return Heuristics(i)
	}
	l.metrics.requests.WithLabelValues(answered).Inc()
	return advice
}

func (l *LLM) ask(ctx context.Context, i incident.Incident) (incident.Advisory, *trouble) {
	ctx, cancel := context.WithTimeout(ctx, l.deadline)
	defer cancel()
	var res *http.Response
	got, err := l.chat.New(ctx, openai.ChatCompletionNewParams{
		Model:               l.model,
		Messages:            []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(system), openai.UserMessage(question(i))},
		MaxCompletionTokens: openai.Int(maxTokens),
		ResponseFormat: openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "advice", Strict: param.NewOpt(true), Schema: schema}}},
	}, option.WithResponseInto(&res))
	if err != nil {
		return incident.Advisory{}, explain(ctx, res, err)
	}
	if got == nil || len(got.Choices) == 0 {
		return incident.Advisory{}, &trouble{invalid, "the LLM's answer holds no choice"}
	}
	used(l.metrics.prompt, got.Usage.PromptTokens)
	used(l.metrics.completion, got.Usage.CompletionTokens)
	choice := got.Choices[0]
	if choice.Message.Refusal != "" || choice.FinishReason == "content_filter" {
		return incident.Advisory{}, &trouble{refused, "the LLM declines to answer"}
	}
	said, err := read(choice.Message.Content)
	if err != nil {
		return incident.Advisory{}, &trouble{invalid, err.Error()}
	}
	if said.hold(l.key) {
		return incident.Advisory{}, &trouble{invalid, "the LLM's words hold our key: do not trust this server, and replace the key"}
	}
	advice, err := said.advisory(i)
	if err != nil {
		return incident.Advisory{}, &trouble{invalid, err.Error()}
	}
	advice.By, advice.Model = "llm", l.model
	return advice, nil
}

// Ping tells whether the server answers and takes the key. It lists the models, which costs no tokens, and never waits
// longer than ctx or the deadline.
func (l *LLM) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.deadline)
	defer cancel()
	var res *http.Response // set as the destination, so that the list, which can be long, is not read
	_, err := l.models.List(ctx, option.WithResponseInto(&res), option.WithResponseBodyInto(&res))
	if res != nil {
		defer res.Body.Close()
	}
	if err != nil {
		return explain(ctx, res, err)
	}
	return nil
}
