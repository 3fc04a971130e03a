package advise

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestTrouble(t *testing.T) {
	t.Parallel()
	usual, short := time.Minute, 500*time.Millisecond
	for name, c := range map[string]struct {
		handler  http.HandlerFunc
		deadline time.Duration
		result   string
		why      string
	}{
		"late":                {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); sends(200, completion(good))(w, r) }, short, late, "in time"},
		"hangs before header": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, short, late, "in time"},
		"hangs in the body":   {hangsInBody, short, late, "in time"},
		"trickles for ever":   {trickles, short, late, "in time"},
		"trickles an error":   {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); trickles(w, r) }, short, late, "in time"},
		"not JSON":            {sends(200, "<html>hello"), usual, invalid, "not the JSON"},
		"not called JSON":     {plainText, usual, invalid, "not the JSON"},
		"null":                {sends(200, "null"), usual, invalid, "no choice"},
		"a list":              {sends(200, "[1]"), usual, invalid, ""},
		"empty object":        {sends(200, "{}"), usual, invalid, "no choice"},
		"no choice":           {sends(200, strings.Replace(completion(good), `"choices":[`, `"choices":[],"others":[`, 1)), usual, invalid, "no choice"},
		"words not JSON":      {sends(200, completion("It is the memory.")), usual, invalid, "our schema"},
		"words in a fence":    {sends(200, completion("```json\n"+good+"\n```")), usual, invalid, "our schema"},
		"words go on":         {sends(200, completion(good+" rm -rf /")), usual, invalid, "go on"},
		"wrong type":          {sends(200, completion(`{"cause":7,"evidence":[]}`)), usual, invalid, "our schema"},
		"unknown field":       {sends(200, completion(`{"command":"kubectl",`+good[1:])), usual, invalid, "our schema"},
		"missing field":       {sends(200, completion(`{"cause":"x"}`)), usual, invalid, "our schema"},
		"null field":          {sends(200, completion(`{"cause":null,"evidence":[]}`)), usual, invalid, "our schema"},
		"null evidence":       {sends(200, completion(`{"cause":"x","evidence":[null]}`)), usual, invalid, "our schema"},
		"empty cause":         {sends(200, completion(strings.Replace(good, "The container is killed because it needs more memory than its limit.", " \u200b ", 1))), usual, invalid, "no cause"},
		"another alert":       {sends(200, completion(`{"cause":"x","evidence":[{"alert":"DiskFull","says":"y"}]}`)), usual, invalid, "no alert"},
		"no evidence":         {sends(200, completion(`{"cause":"x","evidence":[]}`)), usual, invalid, "no alert"},
		"refusal": {sends(200, strings.NewReplacer(`"refusal":null`, `"refusal":"I cannot help with that."`).Replace(completion(""))),
			usual, refused, "declines"},
		"filtered":           {sends(200, strings.Replace(completion(good), `"stop"`, `"content_filter"`, 1)), usual, refused, "declines"},
		"50 MB":              {fifty(200), usual, invalid, "larger"},
		"50 MB of an error":  {fifty(500), usual, failed, "500"},
		"401":                {sends(401, apiError("invalid_request_error", "Incorrect API key provided: "+key)), usual, failed, "401: check its key"},
		"404":                {sends(404, apiError("invalid_request_error", "The model does not exist")), usual, failed, "404: check its base URL"},
		"429":                {sends(429, apiError("requests", "Rate limit reached")), usual, failed, "429"},
		"429 to be retried":  {retry(429), usual, failed, "429"},
		"500":                {sends(500, apiError("server_error", "oops")), usual, failed, "500"},
		"502 of a proxy":     {sends(502, "<html>Bad gateway"), usual, failed, "502"},
		"redirect elsewhere": {elsewhere, usual, failed, "base URL"},
		"closes at once":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, usual, failed, "closed the connection"},
		"closes in the body": {closesInBody, usual, failed, "broke off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			b := newBench(t, server(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1); c.handler(w, r) }), c.deadline)
			b.stoodIn(t, c.result, c.why)
			if n := calls.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func hangsInBody(w http.ResponseWriter, r *http.Request) {
	sends(200, completion(good)[:40])(w, r)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// trickles is alive for as long as somebody listens; spaces may stand before JSON.
func trickles(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, " ")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Millisecond) // else the bound on the size would end it
	}
}

func plainText(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, completion(good))
}

func fifty(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		for range 50 {
			if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
				return // the client has heard enough
			}
		}
		_, _ = io.WriteString(w, completion(good))
	}
}

func retry(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("X-Should-Retry", "true")
		sends(status, apiError("requests", "again"))(w, r)
	}
}

func elsewhere(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "http://elsewhere.test/"+key, http.StatusTemporaryRedirect)
}

func closesInBody(w http.ResponseWriter, r *http.Request) {
	sends(200, completion(good)[:40])(w, r)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Below HTTP: nobody listens, somebody takes connections and says nothing, and something that is not HTTP answers.
func TestNoHTTP(t *testing.T) {
	t.Parallel()
	listen := func(t *testing.T) net.Listener {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		l := listen(t)
		l.Close()
		newBench(t, "http://"+l.Addr().String(), time.Minute).stoodIn(t, failed, "connection refused")
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		newBench(t, "http://"+listen(t).Addr().String(), 50*time.Millisecond).stoodIn(t, late, "in time")
	})
	t.Run("another protocol that repeats what it hears", func(t *testing.T) {
		t.Parallel()
		l := listen(t)
		go func() {
			if c, err := l.Accept(); err == nil {
				_, _ = io.WriteString(c, "220 hello "+key+"\r\n\r\n")
				_, _ = io.Copy(io.Discard, c)
			}
		}()
		newBench(t, "http://"+l.Addr().String(), time.Minute).stoodIn(t, failed, "base URL")
	})
}
