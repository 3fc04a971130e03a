package forge

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// holdGate lets a test from outside stop the world between "the forge has stored
// it" and "the client knows": the next call that fits is carried out, and its
// answer is kept back until it is released or the client is gone.
type holdGate struct {
	mu    sync.Mutex
	armed *holdOrder
	taken *held
}

type holdOrder struct {
	Method string `json:"method"`
	Path   string `json:"path"` // the end of the path, such as /pulls
}

// held is a call that is being carried out (status is 0) or whose answer is held.
type held struct {
	method, path string
	since        time.Time
	status       int
	release      chan struct{}
}

// take is nil for a call that is not to be held. It disarms the gate.
func (g *holdGate) take(r *http.Request) *held {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.armed == nil || r.Method != g.armed.Method || !strings.HasSuffix(r.URL.Path, g.armed.Path) {
		return nil
	}
	g.armed, g.taken = nil, &held{method: r.Method, path: r.URL.Path, release: make(chan struct{})}
	return g.taken
}

// hold returns false if the client went away.
func (g *holdGate) hold(r *http.Request, h *held, status int) bool {
	g.mu.Lock()
	h.since, h.status = time.Now(), status
	g.mu.Unlock()
	select {
	case <-h.release:
		return true
	case <-r.Context().Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.taken == h {
			g.taken = nil
		}
		return false
	}
}

func (g *holdGate) arm(o holdOrder) error {
	if o.Method == "" || !strings.HasPrefix(o.Path, "/") {
		return &refusal{Status: http.StatusUnprocessableEntity, Message: `give {"method":"POST","path":"/pulls"}: path is the end of the path and begins with a slash`}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.taken != nil {
		return &refusal{Status: http.StatusConflict, Message: "an answer is being held: release it first"}
	}
	g.armed = &o
	return nil
}

func (g *holdGate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.taken != nil {
		close(g.taken.release)
	}
	g.armed, g.taken = nil, nil
}

func (g *holdGate) status() object {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := object{"armed": g.armed != nil, "holding": false}
	if h := g.taken; h != nil && h.status != 0 {
		o["holding"], o["method"], o["path"], o["status"], o["since"] = true, h.method, h.path, h.status, stamp(h.since)
	}
	return o
}
