package advise

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// trouble is why there is no advice from the model. Its words are ours: nothing that the server sent is in them, since a
// server can send our own key back. It wraps nothing, since the SDK's error carries the request with the key.
type trouble struct{ result, why string }

func (t *trouble) Error() string { return t.why }

// explain what the SDK returned instead of an answer. res is nil when no header arrived.
func explain(ctx context.Context, res *http.Response, err error) *trouble {
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &trouble{failed, "the call was given up by its caller"}
	case ctx.Err() != nil, errors.As(err, &slow) && slow.Timeout():
		return &trouble{late, "no whole answer from the LLM in time"}
	case res == nil:
		return &trouble{failed, "no answer from the LLM: " + reach(err)}
	case res.StatusCode >= http.StatusBadRequest:
		return &trouble{failed, fmt.Sprintf("the LLM's server answers %d%s", res.StatusCode, hint(res.StatusCode))}
	case errors.As(err, &large):
		return &trouble{invalid, fmt.Sprintf("the LLM's answer is larger than %d bytes", maxAnswer)}
	case errors.Is(err, io.ErrUnexpectedEOF), reach(err) != unknown:
		return &trouble{failed, "the LLM's answer broke off"}
	}
	return &trouble{invalid, "the LLM's answer is not the JSON of a chat completion"}
}

const unknown = "its server does not answer as an OpenAI-compatible API does, check its base URL"

// reach says what failed below HTTP, by type. Any other error may quote the server.
func reach(err error) string {
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &op):
		return clip(oneLine(op.Error()), maxQuote)
	case errors.As(err, &cert):
		return clip(oneLine(cert.Error()), maxQuote)
	case errors.Is(err, io.EOF):
		return "its server closed the connection"
	}
	return unknown
}

// hint says what to do about an HTTP status.
func hint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ": check its key"
	case http.StatusNotFound:
		return ": check its base URL and the name of its model"
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return ": its model may not take response_format json_schema, choose one that does"
	case http.StatusTooManyRequests:
		return ": its rate limit or its quota is used up"
	}
	return ""
}
