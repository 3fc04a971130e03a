package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

const maxRequest = 10 << 20

// call is one request to the API by somebody known.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	login string
}

// handler returns the status and the answer; a *refusal is answered as GitHub does.
type handler func(c *call) (status int, answer any, err error)

// apiRoutes are all the calls that there are.
func (f *Forge) apiRoutes() {
	repo := "/api/v3/repos/" + f.opt.Owner + "/" + f.opt.Repo
	for pattern, h := range map[string]handler{
		"GET ":                           f.getRepo,
		"GET /pulls":                     f.listPulls,
		"POST /pulls":                    f.postPull,
		"GET /pulls/{number}":            f.getPull,
		"PATCH /pulls/{number}":          f.patchPull,
		"PUT /pulls/{number}/merge":      f.putMerge,
		"GET /pulls/{number}/files":      f.listFiles,
		"GET /pulls/{number}/reviews":    f.listReviews,
		"POST /pulls/{number}/reviews":   f.postReview,
		"GET /issues/{number}":           f.getIssue,
		"GET /issues/{number}/comments":  f.listComments,
		"POST /issues/{number}/comments": f.postComment,
		"PATCH /issues/comments/{id}":    f.patchComment,
		"POST /issues/{number}/labels":   f.postLabels,
		"POST /statuses/{sha}":           f.postStatus,
		"GET /commits/{ref}/status":      f.getStatus,
		"GET /commits/{ref}/statuses":    f.listStatuses,
		"GET /git/ref/heads/{branch...}": f.getRef,

		"GET /collaborators/{username}/permission": f.getPermission,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		f.mux.Handle(method+" "+repo+path, f.api(h))
	}
	f.mux.Handle("/api/v3/", f.api(func(*call) (int, any, error) { return 0, nil, notFound() }))
}

func (f *Forge) api(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		order := f.hold.take(r)
		if order == nil {
			f.answer(w, r, h)
			return
		}
		answer := newBuffered()
		f.answer(answer, r, h)
		if !f.hold.hold(r, order, answer.status) {
			panic(http.ErrAbortHandler) // net/http's way to hang up: not even an empty answer
		}
		if err := answer.send(w); err != nil {
			f.opt.Log.WarnContext(r.Context(), "the client of a held answer went away", "err", err)
		}
	})
}

func (f *Forge) answer(w http.ResponseWriter, r *http.Request, h handler) {
	w.Header().Set("X-GitHub-Request-Id", strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", ":")))
	w.Header().Set("X-GitHub-Media-Type", "github.v3; format=json")
	status, answer, err := f.handle(w, r, h)
	if err != nil {
		status, answer = f.refused(r, err)
	}
	writeJSON(w, status, answer)
}

func (f *Forge) handle(w http.ResponseWriter, r *http.Request, h handler) (int, any, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" {
		return 0, nil, &refusal{Status: http.StatusUnauthorized, Message: "Requires authentication"}
	}
	login := f.login(token)
	if login == "" || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "token") {
		return 0, nil, &refusal{Status: http.StatusUnauthorized, Message: "Bad credentials"}
	}
	return h(&call{w: w, r: r, login: login})
}

func (f *Forge) refused(r *http.Request, err error) (int, object) {
	no := new(refusal)
	if !errors.As(err, &no) {
		f.opt.Log.ErrorContext(r.Context(), "call failed", "method", r.Method, "path", r.URL.Path, "err", err)
		no = &refusal{Status: http.StatusInternalServerError, Message: "Server Error"}
	}
	o := object{"message": no.Message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(no.Status)}
	if no.Errors != nil {
		o["errors"] = no.Errors
	}
	return no.Status, o
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // fails only when the client is gone
}

func (c *call) decode(into any) error {
	err := json.NewDecoder(c.r.Body).Decode(into)
	tooLarge := new(http.MaxBytesError)
	switch {
	case errors.As(err, &tooLarge):
		return &refusal{Status: http.StatusRequestEntityTooLarge, Message: "Payload too big"}
	case err != nil:
		return &refusal{Status: http.StatusBadRequest, Message: "Problems parsing JSON"}
	}
	return nil
}

// pull is the one that the path names.
func (c *call) pull(s *state) (*pull, error) {
	n, err := strconv.Atoi(c.r.PathValue("number"))
	if p := s.pull(n); err == nil && p != nil {
		return p, nil
	}
	return nil, notFound()
}

// page is the part of a list that is asked for; the others are linked to.
func page[T any](c *call, all []T) []T {
	q := c.r.URL.Query()
	size, n := min(positive(q.Get("per_page"), 30), 100), positive(q.Get("page"), 1)
	last := max(1, (len(all)+size-1)/size)
	var links []string
	link := func(page int, rel string) {
		q.Set("page", strconv.Itoa(page))
		u := url.URL{Scheme: "http", Host: c.r.Host, Path: c.r.URL.Path, RawQuery: q.Encode()}
		links = append(links, fmt.Sprintf("<%s>; rel=%q", u.String(), rel))
	}
	if n > 1 {
		link(min(n-1, last), "prev")
	}
	if n < last {
		link(n+1, "next")
		link(last, "last")
	}
	if n > 1 {
		link(1, "first")
	}
	if len(links) > 0 {
		c.w.Header().Set("Link", strings.Join(links, ", "))
	}
	if n > last {
		return nil
	}
	return all[(n-1)*size : min(n*size, len(all))]
}

// positive is what a query says; like GitHub, nonsense counts as nothing said.
func positive(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return n
	}
	return otherwise
}
