package forge

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/forge/markdown"
)

//go:embed web
var web embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"markdown": markdown.HTML,
	"colour":   colour,
	"initial":  initial,
	"short":    func(sha string) string { return sha[:min(7, len(sha))] },
	"clock":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
}).ParseFS(web, "web/*.html"))

// pageRoutes are for people. What the buttons do is what the API does.
func (f *Forge) pageRoutes(mux *http.ServeMux) {
	home := "/" + f.opt.Owner + "/" + f.opt.Repo
	mux.HandleFunc("GET /{$}", f.indexPage)
	mux.HandleFunc("GET "+home, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusSeeOther) })
	mux.HandleFunc("GET /deliveries", f.deliveriesPage)
	mux.HandleFunc("GET "+home+"/pull/{number}", f.pullPage)
	mux.HandleFunc("GET "+home+"/pull/{number}/commits", f.commitsPage)
	mux.HandleFunc("POST "+home+"/pull/{number}/{action}", f.press)
	mux.HandleFunc("GET /web/style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, web, "web/style.css") })
}

// show renders a page. Nothing in it may run a script or come from elsewhere.
func (f *Forge) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var buf bytes.Buffer
	if err := templates.ExecuteTemplate(&buf, name, data); err != nil {
		f.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // fails only when the reader is gone
}

func (f *Forge) fail(w http.ResponseWriter, r *http.Request, err error) {
	if no := new(refusal); errors.As(err, &no) {
		http.Error(w, no.why(), no.Status)
		return
	}
	f.opt.Log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "err", err)
	http.Error(w, "the page could not be made: see the forge's log", http.StatusInternalServerError)
}

func (f *Forge) indexPage(w http.ResponseWriter, r *http.Request) {
	var data indexView
	_ = f.view(func(s *state) error { data = f.indexView(s); return nil })
	f.show(w, r, http.StatusOK, "index.html", data)
}

func (f *Forge) deliveriesPage(w http.ResponseWriter, r *http.Request) {
	list, err := f.deliveries()
	if err != nil {
		f.fail(w, r, err)
		return
	}
	f.show(w, r, http.StatusOK, "deliveries.html", deliveriesView{frame: f.frame("Webhook deliveries"), Webhook: f.opt.Webhook, List: list})
}

func (f *Forge) pullPage(w http.ResponseWriter, r *http.Request) {
	if number, ok := strings.CutSuffix(r.PathValue("number"), ".diff"); ok {
		r.SetPathValue("number", number)
		f.diffPage(w, r)
		return
	}
	f.showPull(w, r, http.StatusOK, "")
}

func (f *Forge) showPull(w http.ResponseWriter, r *http.Request, status int, notice string) {
	var data pullView
	err := f.view(func(s *state) error {
		p, err := (&call{r: r}).pull(s)
		if err != nil {
			return err
		}
		data, err = f.pullView(r.Context(), s, p)
		return err
	})
	if err != nil {
		f.fail(w, r, err)
		return
	}
	data.Notice = notice
	if data.Live() && r.URL.Query().Get("refresh") != "off" {
		data.Refresh = data.Pull.Path
	}
	f.show(w, r, status, "pull.html", data)
}

func (f *Forge) diffPage(w http.ResponseWriter, r *http.Request) {
	var text string
	err := f.view(func(s *state) error {
		p, err := (&call{r: r}).pull(s)
		if err == nil {
			text, err = f.repo.diff(r.Context(), p.BaseSHA, p.HeadSHA)
		}
		return err
	})
	if err != nil {
		f.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(text)) // fails only when the reader is gone
}

func (f *Forge) commitsPage(w http.ResponseWriter, r *http.Request) {
	var data commitsView
	err := f.view(func(s *state) error {
		p, err := (&call{r: r}).pull(s)
		if err != nil {
			return err
		}
		data = commitsView{frame: f.frame("Commits of #" + strconv.Itoa(p.Number)), Pull: f.headOf(p)}
		data.List, err = f.repo.commits(r.Context(), p.BaseSHA, p.HeadSHA, 250)
		return err
	})
	if err != nil {
		f.fail(w, r, err)
		return
	}
	f.show(w, r, http.StatusOK, "commits.html", data)
}

// press is one of the four buttons. What the person saw is what is acted on: if
// the head has moved since, nothing happens.
func (f *Forge) press(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	seen := r.PostFormValue("head")
	err := f.update(r.Context(), func(ctx context.Context, s *state) error {
		p, err := (&call{r: r}).pull(s)
		if err != nil {
			return err
		}
		if p.HeadSHA != seen {
			return &refusal{Status: http.StatusConflict, Message: "New commits were pushed since you opened this page: look at them first."}
		}
		return f.act(ctx, s, p, r.PathValue("action"))
	})
	if no := new(refusal); errors.As(err, &no) && no.Status != http.StatusNotFound {
		f.showPull(w, r, no.Status, no.why())
		return
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	http.Redirect(w, r, strings.TrimSuffix(r.URL.Path, "/"+r.PathValue("action")), http.StatusSeeOther)
}

func (f *Forge) act(ctx context.Context, s *state, p *pull, action string) error {
	closed := "closed"
	if p.State != "open" {
		return &refusal{Status: http.StatusConflict, Message: "The pull request is closed."}
	}
	switch action {
	case "approve":
		_, err := f.review(ctx, s, p, f.opt.Reviewer, newReview{Event: "APPROVE"})
		return err
	case "request-changes":
		_, err := f.review(ctx, s, p, f.opt.Reviewer, newReview{Event: "REQUEST_CHANGES", Body: "Changes requested on the page."})
		return err
	case "merge":
		return f.merge(ctx, s, p, f.opt.Reviewer, mergeOrder{SHA: p.HeadSHA})
	case "close":
		return f.editPull(ctx, s, p, f.opt.Reviewer, pullEdit{State: &closed})
	}
	return notFound()
}
