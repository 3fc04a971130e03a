package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Options say what is served, to whom, and where interactions go.
type Options struct {
	Dir           string            // state.json lies here
	URL           string            // how this server is reached, without a trailing slash
	Token         string            // of the one app's bot: who may call the API
	AppToken      string            // of the app itself: who may open a connection of Socket Mode; empty: nobody
	SigningSecret string            // signs interactions
	Channel       string            // ID of the one channel
	Users         map[string]string // user ID → name: who is in the channel and clicks
	Webhook       string            // where interactions are sent
	Log           *slog.Logger
}

// The one workspace and the one app in it.
const (
	teamID  = "T0SANDBOX"
	appID   = "A0CORTEXOPS"
	botID   = "B0CORTEXOPS"
	botUser = "U0CORTEXOPS"
	botName = "cortexops"

	maxRequest = 1 << 20
)

// Server is the workspace. One lock guards the state, another the app's connections.
type Server struct {
	opt    Options
	host   string // of opt.URL
	mux    *http.ServeMux
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex
	state *state

	sockets sockets
}

// New reads the state below o.Dir, or starts with none.
func New(o Options) (*Server, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the stand-in's own URL %q must be absolute, such as http://127.0.0.1:3001", o.URL)
	}
	if o.Token == "" || o.SigningSecret == "" || o.Channel == "" || o.Webhook == "" || len(o.Users) == 0 {
		return nil, errors.New("the stand-in for Slack needs a token, a signing secret, a channel, a webhook and users")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create Slack's folder: %w", err)
	}
	st, err := load(o.Dir)
	if err != nil {
		return nil, err
	}
	// Slack waits three seconds for an app's answer and follows no redirect.
	client := &http.Client{Timeout: 3 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s := &Server{opt: o, host: u.Host, client: client, now: time.Now, state: st}
	s.routes()
	return s, nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("POST /api/{method}", s.api)
	s.mux.HandleFunc("GET /link/", s.link)
	browser := http.NewServeMux()
	browser.HandleFunc("GET /{$}", s.page)
	browser.HandleFunc("GET /web/style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, web, "web/style.css") })
	browser.HandleFunc("POST /press", s.press)
	browser.HandleFunc("POST /click", s.postClick)
	browser.HandleFunc("POST /disconnect", s.disconnect)
	browser.HandleFunc("GET /socket", s.socketState)
	browser.HandleFunc("GET /whispers", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.view().Whispers) })
	s.mux.Handle("/", http.NewCrossOriginProtection().Handler(s.ownHost(browser)))
}

// ownHost refuses requests addressed to another name, so that a page elsewhere
// whose name resolves to this machine cannot press our buttons.
func (s *Server) ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, port, _ := strings.Cut(s.host, ":")
		if r.Host != s.host && r.Host != "localhost:"+port {
			http.Error(w, "this is "+s.opt.URL+", and answers under no other name", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// update runs fn under the lock and stores what it changed. If fn or the storing
// fails, nothing is changed.
func (s *Server) update(fn func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state.clone()
	if err := fn(next); err != nil {
		return err
	}
	if err := next.save(s.opt.Dir); err != nil {
		s.opt.Log.ErrorContext(context.Background(), "state not stored", "err", err)
		return err
	}
	s.state = next
	return nil
}

// view is the state as it is; nobody changes it afterwards.
func (s *Server) view() *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
