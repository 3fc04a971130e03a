package forge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options say what is served, to whom, and where webhooks go.
type Options struct {
	Dir           string            // everything lies below it: OWNER/REPO.git, state.json, deliveries/
	Owner, Repo   string            // the one repository
	Users         map[string]string // login → token: who may call the API, clone and push
	Reviewer      string            // the login that the page's buttons act as; one of Users
	Webhook       string            // where webhooks are delivered; empty: none are made
	WebhookSecret string            // signs them
	URL           string            // how this server is reached, without a trailing slash
	Log           *slog.Logger
}

// Forge is the server. One lock guards the state and every change of a ref, so
// that what the API says and what git holds agree at any time.
type Forge struct {
	opt   Options
	host  string // of opt.URL
	repo  *repository
	store *store
	hook  *hook
	hold  holdGate
	wire  wire
	mux   *http.ServeMux
	now   func() time.Time

	mu    sync.Mutex
	state *state
	// What git says of two commits stays true: by "base head".
	stats  map[string]diffStat
	merges map[string]mergeResult
}

// New opens or creates the repository and the state below o.Dir and starts to
// deliver what is still to be delivered. Close it when done.
func New(ctx context.Context, o Options) (*Forge, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the forge's own URL %q must be absolute, such as http://127.0.0.1:3000", o.URL)
	}
	if _, ok := o.Users[o.Reviewer]; !ok {
		return nil, fmt.Errorf("the page acts as %q, who is not among the forge's users", o.Reviewer)
	}
	if o.Webhook != "" && o.WebhookSecret == "" {
		return nil, fmt.Errorf("webhooks to %s would go unsigned: set a webhook secret", o.Webhook)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the forge's folder: %w", err)
	}
	repo, err := openRepository(ctx, o.Dir, filepath.Join(o.Owner, o.Repo+".git"))
	if err != nil {
		return nil, err
	}
	st, s, err := openStore(o.Dir, time.Now())
	if err != nil {
		return nil, err
	}
	f := &Forge{
		opt: o, host: u.Host, repo: repo, store: st, state: s, now: time.Now,
		wire: newWire(o), stats: map[string]diffStat{}, merges: map[string]mergeResult{},
	}
	f.hook = newHook(o)
	// What was pushed or merged while the last process died is noticed now.
	if err := f.update(ctx, func(ctx context.Context, s *state) error { return f.noticeRefs(ctx, s, "") }); err != nil {
		return nil, err
	}
	f.routes()
	f.hook.start(f)
	return f, nil
}

// Close stops the deliveries; those still to be made are made after the next New.
func (f *Forge) Close() { f.hook.stop() }

func (f *Forge) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

func (f *Forge) routes() {
	f.mux = http.NewServeMux()
	f.apiRoutes()
	f.gitRoutes()
	sameOrigin := http.NewCrossOriginProtection()
	browser := http.NewServeMux()
	f.pageRoutes(browser)
	f.sandboxRoutes(browser)
	f.mux.Handle("/", sameOrigin.Handler(f.ownHost(browser)))
}

// ownHost refuses requests addressed to another name, so that a page elsewhere
// whose name resolves to this machine cannot press our buttons.
func (f *Forge) ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, port, _ := strings.Cut(f.host, ":")
		if r.Host != f.host && r.Host != "localhost:"+port {
			http.Error(w, "this is "+f.opt.URL+", and answers under no other name", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// update runs fn under the lock and stores what it changed. If fn or the storing
// fails, nothing is changed. A client that goes away does not cut it short.
func (f *Forge) update(ctx context.Context, fn func(context.Context, *state) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := fn(ctx, f.state); err != nil {
		f.state = f.store.last()
		return err
	}
	if err := f.store.save(f.state); err != nil {
		f.state = f.store.last()
		return err
	}
	f.hook.wake()
	return nil
}

// view runs fn under the lock; fn changes nothing and keeps nothing.
func (f *Forge) view(fn func(*state) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fn(f.state)
}

// time is the moment of a change, as exact as GitHub tells it.
func (f *Forge) time() time.Time { return f.now().UTC().Truncate(time.Second) }
