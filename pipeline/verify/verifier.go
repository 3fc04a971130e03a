package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

const (
	queryTimeout = 3 * time.Second // shorter than a heartbeat, so that a server that hangs is an observation without data
	maxAnswer    = 4 << 20         // bytes of one answer of Prometheus
	maxWhy       = 200             // bytes of an error that end up in a verdict
)

// Verifier asks one Prometheus.
type Verifier struct {
	api v1.API
}

// New asks the Prometheus at url; client carries what reaches it (TLS, credentials), nil is the default client.
func New(address string, client *http.Client) (*Verifier, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" { // not quoted: it may hold a password
		return nil, errors.New("the address of Prometheus cannot be read: write it as http://host:port")
	}
	if client == nil {
		client = http.DefaultClient
	}
	bounded := *client
	bounded.Transport = limit{next: client.Transport}
	c, err := api.NewClient(api.Config{Address: address, Client: &bounded})
	if err != nil {
		return nil, fmt.Errorf("client of Prometheus: %w", err)
	}
	return &Verifier{api: v1.NewAPI(c)}, nil
}

// Observation is what one query answered.
type Observation struct {
	Check  string   `json:"check"`            // its name
	Values []string `json:"values,omitempty"` // one for each series, as Prometheus prints them
	NoData string   `json:"noData,omitempty"` // why there are no values
}

// Sample evaluates every check's query once, at Prometheus's own time, all at a time. A query that fails is an
// observation without data; the only error is that of ctx.
func (v *Verifier) Sample(ctx context.Context, checks []incident.Check) ([]Observation, error) {
	out := make([]Observation, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { out[i] = v.one(ctx, c) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("ask Prometheus: %w", err)
	}
	return out, nil
}

// Ping tells whether Prometheus answers queries.
func (v *Verifier) Ping(ctx context.Context) error {
	if o := v.one(ctx, incident.Check{Query: "vector(1)"}); o.NoData != "" {
		return errors.New(o.NoData)
	}
	return nil
}

func (v *Verifier) one(ctx context.Context, c incident.Check) Observation {
	o := Observation{Check: c.Name}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, _, err := v.api.Query(ctx, c.Query, time.Time{}, v1.WithTimeout(queryTimeout))
	if err != nil {
		o.NoData = "no usable answer from Prometheus: " + line(err.Error())
		var refused *v1.Error
		if errors.As(err, &refused) && (refused.Type == v1.ErrBadData || refused.Type == v1.ErrExec) {
			o.NoData = "Prometheus refused the query: " + line(refused.Msg)
		}
		return o
	}
	switch value := value.(type) {
	case model.Vector:
		for _, s := range value {
			if s.Histogram != nil {
				return Observation{Check: c.Name, NoData: "the query gives native histograms, not numbers"}
			}
			o.Values = append(o.Values, s.Value.String())
		}
		if len(value) == 0 {
			o.NoData = "the query gives no series"
		}
	case *model.Scalar:
		o.Values = []string{value.Value.String()}
	default:
		o.NoData = fmt.Sprintf("the query gives a %s, not a vector or scalar", value.Type())
	}
	return o
}

// line makes foreign text fit for a sentence.
func line(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > maxWhy {
		s = strings.ToValidUTF8(s[:maxWhy], "") + "…"
	}
	return s
}

// limit refuses to read answers without end.
type limit struct{ next http.RoundTripper }

var errTooLarge = errors.New("the answer of Prometheus is too large: aggregate in the query")

func (l limit) RoundTrip(req *http.Request) (*http.Response, error) {
	next := l.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(req)
	if err == nil {
		resp.Body = &bounded{ReadCloser: resp.Body, left: maxAnswer}
	}
	return resp, err
}

type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
