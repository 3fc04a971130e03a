package forge

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"strings"
)

const maxPush = 256 << 20

// gitRoutes serve the repository by git's own smart HTTP program, to known users.
func (f *Forge) gitRoutes() {
	path := "/" + f.opt.Owner + "/" + f.opt.Repo + ".git/"
	f.mux.Handle("GET "+path+"info/refs", f.gitUser(f.serveGit))
	f.mux.Handle("POST "+path+"git-upload-pack", f.gitUser(f.serveGit))
	f.mux.Handle("POST "+path+"git-receive-pack", f.gitUser(f.receive))
}

// login is whose token it is, or "".
func (f *Forge) login(token string) string {
	found := ""
	for login, t := range f.opt.Users {
		if t != "" && subtle.ConstantTimeCompare([]byte(t), []byte(token)) == 1 {
			found = login
		}
	}
	return found
}

func (f *Forge) gitUser(next func(w http.ResponseWriter, r *http.Request, login string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := r.BasicAuth()
		login := f.login(token)
		if login == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="forge"`)
			http.Error(w, "user x-access-token with one of the forge's tokens as the password, please", http.StatusUnauthorized)
			return
		}
		// CGI knows the length of a body before it begins; git sends large ones in chunks.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
		if err != nil {
			status := http.StatusBadRequest
			if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			http.Error(w, "the pack could not be read", status)
			return
		}
		r = r.Clone(r.Context())
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		next(w, r, login)
	})
}

func (f *Forge) serveGit(w http.ResponseWriter, r *http.Request, login string) {
	env := append([]string{
		"GIT_PROJECT_ROOT=" + f.repo.root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + login,
		"GIT_COMMITTER_NAME=" + login, "GIT_COMMITTER_EMAIL=" + f.wire.email(login),
	}, f.repo.env...)
	if p := r.Header.Get("Git-Protocol"); len(p) < 100 {
		env = append(env, "GIT_PROTOCOL="+p)
	}
	stderr := &logWriter{ctx: r.Context(), f: f}
	h := cgi.Handler{Path: f.repo.backend, Dir: f.repo.dir, Env: env, Stderr: stderr}
	h.ServeHTTP(w, r)
}

// receive takes a push and notices what it moved before the pusher is answered.
func (f *Forge) receive(w http.ResponseWriter, r *http.Request, login string) {
	answer := newBuffered()
	err := f.update(r.Context(), func(ctx context.Context, s *state) error {
		f.serveGit(answer, r, login)
		return f.noticeRefs(ctx, s, login)
	})
	if err != nil {
		f.opt.Log.ErrorContext(r.Context(), "a push was not noticed", "login", login, "err", err)
		http.Error(w, "the push could not be stored", http.StatusInternalServerError)
		return
	}
	if err := answer.send(w); err != nil {
		f.opt.Log.WarnContext(r.Context(), "the pusher went away", "login", login, "err", err)
	}
}

// logWriter puts what git says on its error output into the log.
type logWriter struct {
	ctx context.Context
	f   *Forge
}

func (l *logWriter) Write(p []byte) (int, error) {
	l.f.opt.Log.WarnContext(l.ctx, "git-http-backend", "says", strings.TrimSpace(string(p)))
	return len(p), nil
}
