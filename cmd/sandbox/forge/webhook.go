package forge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// delivery is one webhook. GUID stays the same over all of its attempts.
type delivery struct {
	ID         int64           `json:"id"`
	GUID       string          `json:"guid"`
	Event      string          `json:"event"`
	Action     string          `json:"action"`
	At         time.Time       `json:"at"`
	Redelivery bool            `json:"redelivery"`
	Payload    json.RawMessage `json:"payload,omitempty"`
	Attempts   []attempt       `json:"attempts"`
}

// Delivered says whether the last attempt was taken.
func (d delivery) Delivered() bool { return len(d.Attempts) > 0 && d.Attempts[len(d.Attempts)-1].OK() }

type attempt struct {
	At         time.Time `json:"at"`
	StatusCode int       `json:"status_code"` // 0: no answer
	Error      string    `json:"error,omitempty"`
	Millis     int64     `json:"duration_ms"`
	Redelivery bool      `json:"redelivery"`
}

// OK says whether the receiver took it.
func (a attempt) OK() bool { return a.StatusCode >= 200 && a.StatusCode < 300 }

// hook delivers the outbox, one after the other and in order. A failed one is
// tried once more; then it waits for somebody to ask for its redelivery.
type hook struct {
	url, secret string
	dir         string
	client      *http.Client
	retryAfter  time.Duration
	disorder    atomic.Bool // every webhook twice, and neighbours swapped
	woken       chan struct{}
	cancel      context.CancelFunc
	done        sync.WaitGroup
}

func newHook(o Options) *hook {
	return &hook{
		url: o.Webhook, secret: o.WebhookSecret, dir: filepath.Join(o.Dir, "deliveries"), retryAfter: time.Second,
		client: &http.Client{Timeout: 10 * time.Second}, woken: make(chan struct{}, 1),
	}
}

func (h *hook) wake() {
	select {
	case h.woken <- struct{}{}:
	default:
	}
}

func (h *hook) start(f *Forge) {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.done.Go(func() {
		for {
			more, err := h.deliverNext(ctx, f)
			if err != nil && ctx.Err() == nil {
				f.opt.Log.ErrorContext(ctx, "a webhook delivery was not stored", "err", err)
			}
			if more && err == nil {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-h.woken:
			}
		}
	})
}

func (h *hook) stop() { h.cancel(); h.done.Wait() }

// neighbourTime is how long a webhook waits for the next one, to be overtaken by it.
const neighbourTime = 700 * time.Millisecond

// next are the deliveries at the head of the outbox that are made in one go.
func (h *hook) next(ctx context.Context, f *Forge) (due []delivery) {
	read := func() {
		_ = f.view(func(s *state) error {
			due = slices.Clone(s.Outbox[:min(len(s.Outbox), 2)])
			return nil
		})
	}
	read()
	if !h.disorder.Load() {
		return due[:min(len(due), 1)]
	}
	if len(due) == 1 {
		select {
		case <-ctx.Done():
		case <-time.After(neighbourTime):
			read()
		}
	}
	return due
}

func (h *hook) deliverNext(ctx context.Context, f *Forge) (more bool, err error) {
	due := h.next(ctx, f)
	if len(due) == 0 || ctx.Err() != nil {
		return false, nil
	}
	order := []int{0}
	if h.disorder.Load() { // the later one first, and all of it again
		order = []int{0, 0}
		if len(due) == 2 {
			order = []int{1, 0, 1, 0}
		}
	} else {
		due = due[:1]
	}
	for _, i := range order {
		if !h.deliver(ctx, f, &due[i]) { // not the receiver's fault: the whole delivery is made again after the restart
			return false, nil
		}
	}
	for _, d := range due {
		if err := h.write(d); err != nil {
			return false, err
		}
	}
	return true, f.update(ctx, func(_ context.Context, s *state) error {
		s.Outbox = s.Outbox[len(due):]
		return nil
	})
}

// deliver is false if we were stopped meanwhile.
func (h *hook) deliver(ctx context.Context, f *Forge, d *delivery) bool {
	for try := range 2 {
		if try > 0 && !h.pause(ctx) {
			return false
		}
		a := h.attempt(ctx, *d)
		if ctx.Err() != nil {
			return false
		}
		d.Attempts = append(d.Attempts, a)
		if a.OK() {
			break
		}
		f.opt.Log.WarnContext(ctx, "webhook not taken", "event", d.Event, "action", d.Action, "delivery", d.GUID, "status", a.StatusCode, "err", a.Error)
	}
	return true
}

func (h *hook) pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(h.retryAfter):
		return true
	}
}

func (h *hook) attempt(ctx context.Context, d delivery) attempt {
	started := time.Now()
	a := attempt{At: started.UTC().Truncate(time.Second), Redelivery: d.Redelivery}
	status, err := h.post(ctx, d)
	a.StatusCode, a.Millis = status, time.Since(started).Milliseconds()
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

func (h *hook) post(ctx context.Context, d delivery) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(d.Payload))
	if err != nil {
		return 0, err
	}
	mac := hmac.New(sha256.New, []byte(h.secret))
	mac.Write(d.Payload)
	for k, v := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/sandbox", "X-GitHub-Event": d.Event, "X-GitHub-Delivery": d.GUID,
		"X-GitHub-Hook-ID": "1", "X-GitHub-Hook-Installation-Target-Type": "repository",
		"X-GitHub-Hook-Installation-Target-ID": strconv.Itoa(repoID), "X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		req.Header.Set(k, v)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, err
}

func (h *hook) path(id int64) string { return filepath.Join(h.dir, fmt.Sprintf("%09d.json", id)) }

func (h *hook) write(d delivery) error {
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	return writeFile(h.path(d.ID), b)
}

// read is a delivery that was made, or GitHub's 404.
func (h *hook) read(id int64) (delivery, error) {
	var d delivery
	b, err := os.ReadFile(h.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return d, notFound()
	}
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(b, &d)
}

// list are the deliveries, newest first, without payloads: those still to be made,
// then the last max of those made.
func (h *hook) list(s *state, max int) ([]delivery, error) {
	out := []delivery{}
	pending := map[int64]bool{}
	for i := len(s.Outbox) - 1; i >= 0; i-- {
		d := s.Outbox[i]
		d.Payload, pending[d.ID] = nil, true
		out = append(out, d)
	}
	names, err := filepath.Glob(filepath.Join(h.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for i := len(names) - 1; i >= 0 && len(names)-i <= max; i-- { // Glob sorts
		id, err := strconv.ParseInt(filepath.Base(names[i])[:9], 10, 64)
		if err != nil || pending[id] {
			continue
		}
		d, err := h.read(id)
		if err != nil {
			return nil, err
		}
		d.Payload = nil
		out = append(out, d)
	}
	return out, nil
}
