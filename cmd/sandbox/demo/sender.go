package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// sender sends signals to the product's webhook as Alertmanager would: what is not accepted is sent again. Each is sent
// once more after it was accepted. They are about a workload of their own, and no playbook fits them.
type sender struct {
	world *World
	stop  chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	accepted []string // fingerprints
	refused  int
	failed   error // a webhook that answered what it must not
}

func newSender(w *World) *sender { return &sender{world: w} }

func (s *sender) start(ctx context.Context) {
	s.stop, s.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.done)
		began := time.Now().UTC().Format(time.RFC3339)
		for n := 0; ; n++ {
			select {
			case <-s.stop:
				return
			case <-ctx.Done():
				return
			case <-time.After(250 * time.Millisecond):
			}
			s.deliver(ctx, fmt.Sprintf("d%015x", n), began)
		}
	}()
}

// end waits until the last signal is accepted.
func (s *sender) end() {
	close(s.stop)
	<-s.done
}

func (s *sender) deliver(ctx context.Context, fingerprint, began string) {
	body := fmt.Sprintf(`{"version":"4","groupKey":"g","status":"firing","receiver":"cortexops","alerts":[{"status":"firing","labels":{"alertname":"DrillProbe",
		"namespace":"shop-staging","deployment":"cart","probe":%q},"annotations":{},"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z","fingerprint":%q}]}`,
		fingerprint, began, fingerprint)
	for times := 0; times < 2 && ctx.Err() == nil; {
		status, err := s.post(ctx, body)
		s.mu.Lock()
		switch {
		case status == http.StatusAccepted && times == 0:
			s.accepted = append(s.accepted, fingerprint)
			times++
		case status == http.StatusAccepted:
			times++
		case status == http.StatusServiceUnavailable:
			s.refused++
		case err == nil && s.failed == nil:
			s.failed = fmt.Errorf("the webhook answered %d to a signal, want 202 or 503", status)
		}
		s.mu.Unlock()
		if status != http.StatusAccepted {
			select {
			case <-ctx.Done():
			case <-time.After(300 * time.Millisecond):
			}
		}
	}
}

func (s *sender) post(ctx context.Context, body string) (status int, err error) {
	p := s.world.Stack.Product
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/webhooks/alertmanager", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.Env["CORTEXOPS_ALERTMANAGER_TOKEN"])
	res, err := s.world.http.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func (s *sender) count() int    { s.mu.Lock(); defer s.mu.Unlock(); return len(s.accepted) }
func (s *sender) refusals() int { s.mu.Lock(); defer s.mu.Unlock(); return s.refused }
