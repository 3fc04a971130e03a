package slack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	ackTime  = 3 * time.Second  // in which an app acknowledges
	pingTime = 10 * time.Second // between two pings
	byeTime  = 10 * time.Second // between a disconnect and the end of its connection
)

// sockets are the connections that the app holds in Socket Mode. While there is one, what is clicked goes there.
type sockets struct {
	mu      sync.Mutex
	tickets map[string]bool // given out by apps.connections.open, each for one connection
	open    []*connection   // that take clicks, the newest last
	opened  int             // ever
}

// connection is one of them.
type connection struct {
	conn *websocket.Conn
	mu   sync.Mutex // of writing, and of acks
	acks map[string]chan struct{}
}

func (l *connection) write(v object) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(ackTime)); err != nil {
		return err
	}
	return l.conn.WriteJSON(v)
}

// openConnection is apps.connections.open.
func (s *Server) openConnection() object {
	ticket := rand.Text()
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	if s.sockets.tickets == nil {
		s.sockets.tickets = map[string]bool{}
	}
	s.sockets.tickets[ticket] = true
	return object{"url": strings.Replace(s.opt.URL, "http", "ws", 1) + "/link/?ticket=" + ticket + "&app_id=" + appID}
}

// upgrader takes any Origin: whoever has a ticket has had the app's token.
var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// link serves one connection until it ends.
func (s *Server) link(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	s.sockets.mu.Lock()
	known := s.sockets.tickets[ticket]
	delete(s.sockets.tickets, ticket)
	s.sockets.mu.Unlock()
	if !known {
		http.Error(w, "the ticket is unknown or used up", http.StatusForbidden)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil { // it has answered
		return
	}
	defer conn.Close()
	conn.SetReadLimit(maxRequest)
	l := &connection{conn: conn, acks: map[string]chan struct{}{}}
	if err := l.write(object{"type": "hello", "num_connections": s.join(l), "connection_info": object{"app_id": appID},
		"debug_info": object{"host": "applink-sandbox", "started": s.now().UTC().Format(time.DateTime), "build_number": 1, "approximate_connection_time": 18060}}); err != nil {
		s.leave(l)
		return
	}
	defer s.leave(l)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go l.ping(ctx)
	for {
		var ack struct {
			ID string `json:"envelope_id"`
		}
		if err := conn.ReadJSON(&ack); err != nil {
			return
		}
		l.mu.Lock()
		if got := l.acks[ack.ID]; got != nil {
			close(got)
			delete(l.acks, ack.ID)
		}
		l.mu.Unlock()
	}
}

func (s *Server) join(l *connection) (n int) {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	s.sockets.open = append(s.sockets.open, l)
	s.sockets.opened++
	return len(s.sockets.open)
}

func (s *Server) leave(l *connection) {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	s.sockets.open = slices.DeleteFunc(s.sockets.open, func(have *connection) bool { return have == l })
}

func (l *connection) ping(ctx context.Context) {
	tick := time.NewTicker(pingTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if l.conn.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(ackTime)) != nil {
				return
			}
		}
	}
}

// newest is nil where the app holds no connection.
func (s *Server) newest() *connection {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	if n := len(s.sockets.open); n > 0 {
		return s.sockets.open[n-1]
	}
	return nil
}

// deliver sends an interaction and waits until it is acknowledged.
func (l *connection) deliver(ctx context.Context, payload []byte) error {
	id, got := rand.Text(), make(chan struct{})
	l.mu.Lock()
	l.acks[id] = got
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.acks, id)
		l.mu.Unlock()
	}()
	if err := l.write(object{"envelope_id": id, "type": "interactive", "accepts_response_payload": false, "payload": json.RawMessage(payload)}); err != nil {
		return fmt.Errorf("send over the socket: %w", err)
	}
	select {
	case <-got:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(ackTime):
		return errors.New("it was not acknowledged over the socket within 3 seconds")
	}
}

// disconnect is for tests from outside: it tells the app that its connections end, and ends them a little later.
func (s *Server) disconnect(w http.ResponseWriter, r *http.Request) {
	var in struct{ Reason string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&in); err != nil || in.Reason != "warning" && in.Reason != "refresh_requested" {
		writeJSON(w, http.StatusBadRequest, object{"error": "the reason is warning or refresh_requested"})
		return
	}
	s.sockets.mu.Lock()
	ending := s.sockets.open
	s.sockets.open = nil
	s.sockets.mu.Unlock()
	for _, l := range ending {
		if err := l.write(object{"type": "disconnect", "reason": in.Reason, "debug_info": object{"host": "applink-sandbox"}}); err != nil {
			s.opt.Log.InfoContext(r.Context(), "a connection was not told that it ends", "err", err)
		}
		time.AfterFunc(byeTime, func() { _ = l.conn.Close() }) // the app may have closed it
	}
	writeJSON(w, http.StatusOK, object{"told": len(ending)})
}

// socketState is for tests from outside.
func (s *Server) socketState(w http.ResponseWriter, _ *http.Request) {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	writeJSON(w, http.StatusOK, object{"open": len(s.sockets.open), "opened": s.sockets.opened})
}
