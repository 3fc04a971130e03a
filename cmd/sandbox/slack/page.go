package slack

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"time"
)

//go:embed web
var web embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
}).ParseFS(web, "web/*.html"))

type pageView struct {
	Notice   string
	Webhook  string
	Users    []userView
	Messages []messageView // newest first
	Whispers []whisperView // newest first
}

type userView struct{ ID, Name string }

type messageView struct {
	TS     string
	At     time.Time
	Edited bool
	Text   string
	Blocks []blockView
	Clicks []clickView
}

// blockView is one block: of all but Type, those are set that its type has.
type blockView struct {
	Type        string
	Heading     string
	HTML        template.HTML
	Label       string
	Placeholder string
	Max         int
	Buttons     []buttonView
}

type buttonView struct {
	ActionID, Text, Style, URL string
	Ask                        bool
	Title, Sure, Yes           string
}

type clickView struct {
	click
	Name string
}

type whisperView struct {
	At   time.Time
	Name string
	HTML template.HTML
}

func (s *Server) page(w http.ResponseWriter, r *http.Request) { s.show(w, r, http.StatusOK, "") }

// show renders the page. Nothing in it may run a script or come from elsewhere.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, notice string) {
	st := s.view()
	v := pageView{Notice: notice, Webhook: s.opt.Webhook}
	for _, id := range s.users() {
		v.Users = append(v.Users, userView{id, s.opt.Users[id]})
	}
	for i := len(st.Messages) - 1; i >= 0; i-- {
		v.Messages = append(v.Messages, s.messageView(st.Messages[i]))
	}
	for i := len(st.Whispers) - 1; i >= 0; i-- {
		x := st.Whispers[i]
		v.Whispers = append(v.Whispers, whisperView{at(x.TS), s.opt.Users[x.User], mrkdwn(x.Text)})
	}
	var buf bytes.Buffer
	if err := templates.ExecuteTemplate(&buf, "index.html", v); err != nil {
		s.opt.Log.ErrorContext(r.Context(), "page failed", "err", err)
		http.Error(w, "the page could not be made: see Slack's log", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // fails only when the reader is gone
}

func (s *Server) messageView(m message) messageView {
	v := messageView{TS: m.TS, At: at(m.TS), Edited: m.EditedTS != "", Text: plain(m.Text)}
	for _, b := range m.Blocks {
		v.Blocks = append(v.Blocks, view(b))
	}
	for _, c := range m.Clicks {
		v.Clicks = append(v.Clicks, clickView{c, s.opt.Users[c.User]})
	}
	return v
}

// view is of a block that was checked when it came.
func view(b object) blockView {
	v := blockView{Type: b["type"].(string)}
	switch v.Type {
	case "header":
		v.Heading = plainOf(b["text"])
	case "section":
		v.HTML = textOf(b["text"])
	case "context":
		for _, e := range b["elements"].([]any) {
			v.HTML += textOf(e) + " "
		}
	case "input":
		e := b["element"].(object)
		v.Label, v.Placeholder, v.Max = plainOf(b["label"]), plainOf(e["placeholder"]), 3000
		if most, ok := e["max_length"].(float64); ok {
			v.Max = int(most)
		}
	case "actions":
		for _, e := range b["elements"].([]any) {
			v.Buttons = append(v.Buttons, button(e.(object)))
		}
	}
	return v
}

func button(e object) buttonView {
	v := buttonView{Text: plainOf(e["text"])}
	v.ActionID, _ = e["action_id"].(string)
	v.Style, _ = e["style"].(string)
	v.URL, _ = e["url"].(string)
	if c, ok := e["confirm"].(object); ok {
		v.Ask, v.Title, v.Sure, v.Yes = true, plainOf(c["title"]), plainOf(c["text"]), plainOf(c["confirm"])
	}
	return v
}

func plainOf(v any) string {
	o, _ := v.(object)
	s, _ := o["text"].(string)
	return plain(s)
}

func textOf(v any) template.HTML {
	o, _ := v.(object)
	s, _ := o["text"].(string)
	if o["type"] == "plain_text" {
		return template.HTML(escape(s))
	}
	return mrkdwn(s)
}

// press is a button of the page.
func (s *Server) press(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	o := order{TS: r.PostFormValue("ts"), ActionID: r.PostFormValue("action_id"), User: r.PostFormValue("user"), Reason: r.PostFormValue("reason")}
	_, err := s.click(r.Context(), o)
	if no := (*NoButton)(nil); errors.As(err, &no) {
		s.show(w, r, http.StatusConflict, "Nothing was sent: "+no.Why+".")
		return
	} else if err != nil {
		s.show(w, r, http.StatusInternalServerError, "It was not recorded: see Slack's log.")
		return
	}
	http.Redirect(w, r, "/#m"+o.TS, http.StatusSeeOther)
}
