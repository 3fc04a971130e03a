// Package forge speaks to GitHub, or to anything that answers like it, through go-github: pull requests, reviews,
// commit statuses, merges. Every write looks first, and again when its answer is lost, so that a retry is harmless. It
// never decides.
package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
)

const perPage = 100 // GitHub's most

// Options of New.
type Options struct {
	API         string        // the REST root, with a slash at its end: https://api.github.com/
	Token       func() string // asked for each request: it may be renewed
	Owner, Repo string
	HTTP        *http.Client // nil: one with a timeout of 15 s
}

// Forge is one repository on the forge. It is safe for concurrent use.
type Forge struct {
	client      *github.Client
	owner, repo string
}

// New makes a client. It calls nothing.
func New(o Options) (*Forge, error) {
	base, err := url.Parse(o.API)
	if err != nil || base.Host == "" || !strings.HasSuffix(base.Path, "/") {
		return nil, errors.New("the forge's API is no URL of a REST root that ends in a slash, as https://api.github.com/ is")
	}
	if o.Token == nil || o.Owner == "" || o.Repo == "" {
		return nil, errors.New("the forge needs a token, an owner and a repository")
	}
	c := http.Client{Timeout: 15 * time.Second}
	if o.HTTP != nil {
		c = *o.HTTP
	}
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error { // the token goes with every request
		if req.URL.Host != base.Host || req.URL.Scheme != base.Scheme || len(via) > 3 {
			return fmt.Errorf("the forge redirects to %s, where our token must not go: set its API's real address", req.URL.Host)
		}
		return nil
	}
	c.Transport = bearer{c.Transport, o.Token}
	client := github.NewClient(&c)
	client.BaseURL = base // WithEnterpriseURLs would append to it
	return &Forge{client: client, owner: o.Owner, repo: o.Repo}, nil
}

// bearer is the transport that knows the token.
type bearer struct {
	next  http.RoundTripper
	token func() string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token())
	if b.next == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	return b.next.RoundTrip(r)
}

// Ping tells whether the repository can be read.
func (f *Forge) Ping(ctx context.Context) error {
	_, _, err := f.client.Repositories.Get(ctx, f.owner, f.repo)
	return wrap("read the repository "+f.owner+"/"+f.repo, err)
}

// Refused is a write that the forge refuses: a rule of the branch, a moved head, a conflict.
type Refused struct {
	Status  int
	Message string
}

func (e *Refused) Error() string {
	return fmt.Sprintf("the forge refuses (%d): %s", e.Status, e.Message)
}

// Unauthorized means that the token is not valid, or may not do this.
type Unauthorized struct {
	Status  int
	Message string
}

func (e *Unauthorized) Error() string {
	return fmt.Sprintf("the forge does not let this token do that (%d): %s; give it write access to contents, pull requests and commit statuses", e.Status, e.Message)
}

// ErrNotFound is returned where the forge answers 404.
var ErrNotFound = errors.New("not found on the forge")

// Limited means that the forge has counted too many calls, and takes none until then.
type Limited struct{ Until time.Time }

func (e *Limited) Error() string {
	return "the forge takes no more calls before " + e.Until.UTC().Format(time.RFC3339)
}

// wrap types the forge's answer. Server errors stay as they are: a retry may mend them.
func wrap(action string, err error) error {
	if err == nil {
		return nil
	}
	var limited *github.RateLimitError
	var abuse *github.AbuseRateLimitError
	var answer *github.ErrorResponse
	switch {
	case errors.As(err, &limited):
		return fmt.Errorf("%s: %w", action, &Limited{limited.Rate.Reset.Time})
	case errors.As(err, &abuse):
		return fmt.Errorf("%s: %w", action, &Limited{time.Now().Add(max(abuse.GetRetryAfter(), time.Minute))})
	}
	if !errors.As(err, &answer) || answer.Response == nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	message := answer.Message
	for _, e := range answer.Errors {
		if e.Message != "" {
			message += "; " + e.Message
		}
	}
	switch answer.Response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s: %w", action, &Unauthorized{answer.Response.StatusCode, message})
	case http.StatusNotFound:
		return fmt.Errorf("%s: %w", action, ErrNotFound)
	case http.StatusMethodNotAllowed, http.StatusConflict, http.StatusUnprocessableEntity:
		return fmt.Errorf("%s: %w", action, &Refused{answer.Response.StatusCode, message})
	}
	return fmt.Errorf("%s: %w", action, err)
}
