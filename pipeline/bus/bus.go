// Package bus carries Signals, Actions and Incidents through NATS JetStream. A publish returns after the server has
// stored the message; a message is acknowledged only after its handler returned nil, so it may be handled twice and
// never not at all. It decides nothing and never looks inside what it carries.
package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// publishWait bounds one publish. It is shorter than any sender's own patience, so that the sender hears a 503.
const publishWait = 5 * time.Second

// Options of Connect.
type Options struct {
	URL     string // nats://host:port, several separated by commas
	Prefix  string // before every stream and subject; default cortexops. Installations that share a server differ in it
	Limits  Limits
	Metrics prometheus.Registerer // nil registers nowhere
	Log     *slog.Logger
}

// Bus is one connection with its streams.
type Bus struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	prefix  string
	limits  Limits
	log     *slog.Logger
	metrics metrics
	sender  sender
	untold  untold
	later   later
	room    room
	stop    context.CancelFunc
	closed  sync.WaitGroup
}

// Connect dials the server and declares the streams. Once connected it reconnects by itself; while it is away a publish
// fails at once.
func Connect(ctx context.Context, o Options) (*Bus, error) {
	back := make(chan struct{}, 1)
	b, err := connect(ctx, o, back)
	if err != nil {
		return nil, err
	}
	if err := b.declare(ctx); err != nil {
		b.nc.Close()
		return nil, err
	}
	b.metrics = newMetrics(o.Metrics)
	watch, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.closed.Go(func() { b.watch(watch, back) })
	return b, nil
}

// Look dials the server to read what others have stored there. It declares nothing, so that the streams must be there.
func Look(ctx context.Context, o Options) (*Bus, error) {
	b, err := connect(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	if _, err := b.js.Stream(ctx, b.prefix+"-"+folds); err != nil {
		b.nc.Close()
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, fmt.Errorf("NATS at %s has no streams of prefix %q: does a cortexops with the same nats.url and nats.prefix run?", redact(o.URL), b.prefix)
		}
		return nil, fmt.Errorf("look for the streams of prefix %q (is JetStream enabled on the server, with -js?): %w", b.prefix, err)
	}
	b.metrics, b.stop = newMetrics(nil), func() {}
	return b, nil
}

// connect dials, and declares nothing. It tells back whenever the server is there again.
func connect(ctx context.Context, o Options, back chan<- struct{}) (*Bus, error) {
	if o.Prefix == "" {
		o.Prefix = "cortexops"
	}
	if !prefixForm.MatchString(o.Prefix) {
		return nil, fmt.Errorf("bus prefix %q: use letters, digits, - and _ only", o.Prefix)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	nc, err := dial(ctx, o, back)
	if err != nil {
		return nil, err
	}
	if most := nc.MaxPayload(); most < mib {
		nc.Close()
		return nil, fmt.Errorf("NATS takes messages of %d bytes at most, and an incident may have %d: set max_payload of the server to 1MB or more", most, mib)
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(publishWait))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("prepare JetStream: %w", err)
	}
	return &Bus{nc: nc, js: js, prefix: o.Prefix, limits: o.Limits, log: o.Log, sender: newSender()}, nil
}

func dial(ctx context.Context, o Options, back chan<- struct{}) (*nats.Conn, error) {
	for _, s := range strings.Split(o.URL, ",") {
		if s = strings.TrimSpace(s); !strings.Contains(s, "://") {
			s = "nats://" + s // as the client does
		}
		if _, err := url.Parse(s); err != nil { // which quotes it, password and all
			return nil, errors.New("one of the URLs of NATS cannot be read: write nats://HOST:PORT or nats://USER:PASSWORD@HOST:PORT, with %XX for all but letters and digits of the password")
		}
	}
	nc, err := nats.Connect(o.URL,
		nats.Name("cortexops"), nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond),
		// Nothing is buffered while the server is away: a buffered publish could not be answered for.
		nats.ReconnectBufSize(-1), nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // else it is we who close
				o.Log.WarnContext(ctx, "NATS is away", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			o.Log.InfoContext(ctx, "NATS is back")
			select {
			case back <- struct{}{}:
			default:
			}
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s (is it running, and is the URL right?): %w", redact(o.URL), err)
	}
	return nc, nil
}

// redact cuts the passwords out of a list of URLs.
func redact(list string) string {
	urls := strings.Split(list, ",")
	for i, s := range urls {
		if u, err := url.Parse(strings.TrimSpace(s)); err == nil {
			urls[i] = u.Redacted()
		} else {
			urls[i] = "(not a URL)"
		}
	}
	return strings.Join(urls, ",")
}

// Close ends the connection. End the consumers first, through their context.
func (b *Bus) Close() {
	b.still()
	b.nc.Close()
}

// still ends what the bus does by itself.
func (b *Bus) still() {
	b.stop()
	b.closed.Wait()
}

// PublishAction reports whether the forge's delivery had been stored before.
func (b *Bus) PublishAction(ctx context.Context, a incident.Action) (duplicate bool, err error) {
	ack, err := b.publish(ctx, actions, b.prefix+".actions", a.Delivery, a)
	if err != nil {
		return false, fmt.Errorf("publish action %s: %w", a.Delivery, err)
	}
	return ack.Duplicate, nil
}

// timed measures until the returned function is called.
func (b *Bus) timed(stream string) func() {
	began := time.Now()
	return func() { b.metrics.publish.WithLabelValues(stream).Observe(time.Since(began).Seconds()) }
}

func (b *Bus) publish(ctx context.Context, stream, subject, id string, v any, o ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	m, err := message(subject, id, v)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	defer b.timed(stream)()
	return b.js.PublishMsg(ctx, m, o...)
}

var errNoID = errors.New("it has no ID, so that a second delivery could not be told from the first")

// message has its content-derived ID in a header, by which the server refuses to store it twice.
func message(subject, id string, v any) (*nats.Msg, error) {
	if id == "" {
		return nil, fmt.Errorf("message for %s: %w", subject, errNoID)
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode message for %s: %w", subject, err)
	}
	return &nats.Msg{Subject: subject, Data: body, Header: nats.Header{jetstream.MsgIDHeader: {id}}}, nil
}
