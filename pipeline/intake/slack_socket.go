package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// Socket takes what people click on Slack from a websocket that we open (Socket Mode), where Slack cannot reach a webhook. What
// comes in is not signed: it is Slack's since the app's token has opened the socket.
type Socket struct {
	in     *intake
	source source
	client *socketmode.Client
	every  time.Duration // between two attempts with a token that Slack does not take
	slots  chan struct{}

	mu   sync.Mutex
	down error // nil: Slack has said hello
}

// NewSocket calls nothing. It takes only of o what is of Slack, and the publisher, the repository, the metrics, log and clock.
func NewSocket(o Options) (*Socket, error) {
	if o.SlackAPI == "" {
		o.SlackAPI = slackgo.APIURL
	}
	if err := mapped(o.SlackUsers); err != nil {
		return nil, err
	}
	switch {
	case o.Publisher == nil || o.Repository == "":
		return nil, errors.New("the socket of Slack needs a publisher and the repository (owner/name) of the pull requests")
	case !strings.HasPrefix(o.SlackAppToken, "xapp-"): // not quoted: it is a secret
		return nil, errors.New("CORTEXOPS_SLACK_APP_TOKEN is not the app-level token of a Slack app (xapp-…, scope connections:write)")
	case len(o.SlackUsers) == 0:
		return nil, errors.New("nobody could approve on Slack: name people under slack.users")
	}
	h := &http.Client{Timeout: readTime, CheckRedirect: func(req *http.Request, _ []*http.Request) error { // the token goes with every request
		return fmt.Errorf("redirected by Slack to %s, where our token must not go: set the API's real address", req.URL.Host)
	}}
	api := slackgo.New("", slackgo.OptionAppLevelToken(o.SlackAppToken), slackgo.OptionAPIURL(o.SlackAPI), slackgo.OptionHTTPClient(h))
	o.whole()
	s := source{name: "slack", within: slackTime}
	return &Socket{in: &intake{Options: o, metrics: newMetrics(o.Metrics, []source{s})}, source: s, client: socketmode.New(api, socketmode.OptionReadLimit(maxBody)), every: idleTime,
		slots: make(chan struct{}, maxConcurrent), down: errors.New("not connected yet")}, nil
}

// mapped refuses users of whom somebody is nobody.
func mapped(users map[string]string) error {
	for id, login := range users {
		if strings.TrimSpace(id) == "" || strings.TrimSpace(login) == "" {
			return fmt.Errorf("slack.users maps %q to %q: give a Slack user ID and a login on the forge", id, login)
		}
	}
	return nil
}

// Check tells whether the socket is open.
func (s *Socket) Check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

func (s *Socket) set(down error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Run keeps a socket open until ctx ends. One that Slack closes, as it does every few hours, is followed by another.
func (s *Socket) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.listen(ctx, &all) })
	for ctx.Err() == nil {
		err := s.client.RunContext(ctx) // returns where it sees no use in trying again
		if ctx.Err() != nil {
			return
		}
		s.lost(ctx, err)
		select {
		case <-ctx.Done():
		case <-time.After(s.every):
		}
	}
}

func (s *Socket) lost(ctx context.Context, err error) {
	err = fmt.Errorf("the socket of Slack cannot be opened: %w", err)
	if no := (slackgo.SlackErrorResponse{}); errors.As(err, &no) {
		err = fmt.Errorf("%w: is CORTEXOPS_SLACK_APP_TOKEN the app-level token with the scope connections:write, and Socket Mode on?", err)
	}
	s.set(err)
	s.in.Log.WarnContext(ctx, "nobody can click on Slack", "error", err)
}

func (s *Socket) listen(ctx context.Context, all *sync.WaitGroup) {
	for {
		var e socketmode.Event
		select {
		case <-ctx.Done():
			return
		case e = <-s.client.Events:
		}
		switch e.Type {
		case socketmode.EventTypeConnecting:
			s.set(errors.New("the socket of Slack is being opened"))
		case socketmode.EventTypeHello:
			s.set(nil)
			s.in.Log.InfoContext(ctx, "Slack's socket is open")
		case socketmode.EventTypeConnectionError:
			if failed, ok := e.Data.(*slackgo.ConnectionErrorEvent); ok {
				s.lost(ctx, failed.ErrorObj)
			}
		case socketmode.EventTypeInteractive:
			s.begin(ctx, all, *e.Request)
		case socketmode.EventTypeErrorBadMessage: // slack-go refuses all of what has one element that it does not know: we read less
			var request socketmode.Request
			bad, ok := e.Data.(*socketmode.ErrorBadMessage)
			if ok && json.Unmarshal(bad.Message, &request) == nil && request.Type == socketmode.RequestTypeInteractive {
				s.begin(ctx, all, request)
			}
		case socketmode.EventTypeErrorWriteFailed:
			s.in.Log.WarnContext(ctx, "Slack was not told that a click has arrived: it counts, though a person may have seen a warning")
		}
	}
}

// begin takes it aside, so that a bus that is slow does not keep other clicks beyond Slack's 3 s.
func (s *Socket) begin(ctx context.Context, all *sync.WaitGroup, request socketmode.Request) {
	select {
	case s.slots <- struct{}{}:
	default:
		s.in.note(ctx, s.source, rejection{reason: overload, why: "too many clicks at once"})
		return
	}
	all.Go(func() {
		defer func() { <-s.slots }()
		if !s.take(ctx, request.Payload) {
			return
		}
		if err := s.client.AckCtx(ctx, request.EnvelopeID, nil); err != nil && ctx.Err() == nil {
			s.in.Log.WarnContext(ctx, "Slack was not told that a click has arrived", "error", err)
		}
	})
}

// take tells whether it has arrived. What has not is not acknowledged, and Slack shows a warning to whoever clicked.
func (s *Socket) take(ctx context.Context, payload []byte) bool {
	at := s.in.Now().UTC()
	a, err := decodeInteraction(payload, s.in.Repository, s.in.SlackUsers)
	if err != nil {
		no := s.in.refusal(ctx, err)
		s.in.note(ctx, s.source, no)
		return no.status == http.StatusOK
	}
	if a == nil {
		return true
	}
	a.AcceptedAt = at
	if _, _, err = s.in.store(ctx, s.source, accepted{action: a}); err != nil {
		s.in.note(ctx, s.source, rejection{reason: unavailable, why: "the bus does not take it now"})
	}
	return err == nil
}
