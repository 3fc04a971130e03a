package advise

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func FuzzWords(f *testing.F) {
	f.Add(good)
	f.Add(completion(good))
	f.Add(`{"cause":"http://x` + attack + `","evidence":[{"alert":"ContainerOOMKilled","says":"h\u200bttps://x"}]}`)
	f.Fuzz(func(t *testing.T, content string) {
		w, err := read(content)
		if err != nil {
			return
		}
		_ = w.hold(key)
		a, err := w.advisory(sick())
		if err != nil {
			return
		}
		inert(t, a.Cause, maxCause)
		for _, e := range a.Evidence {
			inert(t, e, maxQuote)
		}
	})
}

// says answers every request with these bytes.
type says string

func (s says) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(s)))}, nil
}

// FuzzAnswer is the SDK's decoder and all behind it: whatever the body is, somebody answers and says who.
func FuzzAnswer(f *testing.F) {
	f.Add(completion(good))
	f.Add(`null`)
	f.Add(`{"choices":[{"message":{"content":"{}"}}],"usage":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		l, err := NewLLM(LLMOptions{BaseURL: "http://llm.test/v1", Key: key, Model: model, HTTP: &http.Client{Transport: says(body)}})
		if err != nil {
			t.Fatal(err)
		}
		a := l.Advise(t.Context(), sick())
		if a.By != "llm" && !same(a, Heuristics(sick())) {
			t.Fatalf("%+v", a)
		}
		if a.By == "llm" {
			inert(t, a.Cause, maxCause)
		}
	})
}
