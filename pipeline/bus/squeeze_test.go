package bus

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// fetched is a message as it is read.
type fetched struct {
	jetstream.Msg
	m *nats.Msg
}

func (s fetched) Data() []byte         { return s.m.Data }
func (s fetched) Headers() nats.Header { return s.m.Header }

func TestSqueezed(t *testing.T) {
	t.Parallel()
	long := []byte(strings.Repeat(`{"alertname":"Oom"},`, 5000))
	var into []byte
	var space scratch
	for range 3 {
		space.clear()
		var bodies [][]byte
		for _, body := range [][]byte{long, []byte(`[]`), long[:worthwhile], bytes.Repeat(long, 30)} {
			m := &nats.Msg{Data: body, Header: nats.Header{}}
			if into = squeeze(m, into); len(body) >= worthwhile && len(m.Data) > len(body)/5 {
				t.Errorf("%d bytes are %d", len(body), len(m.Data))
			}
			if n := length(fetched{m: m}); n != len(body) {
				t.Errorf("its length is told as %d, want %d", n, len(body))
			}
			got, err := space.loosen(fetched{m: m})
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			bodies = append(bodies, got)
		}
		if !bytes.Equal(bodies[0], long) || string(bodies[1]) != "[]" {
			t.Error("a body was overwritten by the next")
		}
	}
	if space.clear(); len(space.left) > 2*bulk {
		t.Errorf("%d bytes are kept", len(space.left))
	}
}

func TestSqueezedByOthers(t *testing.T) {
	t.Parallel()
	bomb := s2.Encode(nil, make([]byte, loosened+1))
	for want, m := range map[string]*nats.Msg{
		"only s2 is known":          {Data: []byte("x"), Header: nats.Header{encodingHeader: {"gzip"}}},
		"corrupt":                   {Data: []byte("{}"), Header: nats.Header{encodingHeader: {squeezed}}},
		"would have 16777217 bytes": {Data: bomb, Header: nats.Header{encodingHeader: {squeezed}}},
	} {
		if _, err := new(scratch).loosen(fetched{m: m}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzLoosen(f *testing.F) {
	f.Add([]byte("x"))
	f.Add(s2.Encode(nil, []byte(`[{"id":"x"}]`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := fetched{m: &nats.Msg{Data: data, Header: nats.Header{encodingHeader: {squeezed}}}}
		n := length(m)
		if body, err := new(scratch).loosen(m); err == nil && len(body) != n {
			t.Fatalf("%d bytes, told as %d", len(body), n)
		}
	})
}

// When a signal counts as accepted is bounded by the server's clock, also where it is copied as it is written.
func TestTimely(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	p := &Partition{seen: now.Add(-10 * time.Second)}
	for name, tc := range map[string]struct{ accepted, want time.Duration }{
		"just now":        {-20 * time.Millisecond, -20 * time.Millisecond},
		"a little ahead":  {300 * time.Millisecond, 300 * time.Millisecond},
		"an hour ahead":   {time.Hour, 0},
		"on its way long": {-5 * time.Second, -5 * time.Second},
		"an hour behind":  {-time.Hour, -11 * time.Second},
	} {
		s := signal(1)
		s.AcceptedAt = now.Add(tc.accepted)
		s.Labels = map[string]string{"acceptedAt": `","acceptedAt":"x`, "a": "b"}
		s.GeneratorURL = `http://x/?"acceptedAt":"y`
		raw, err := s.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		list, raws := []incident.Signal{s}, [][]byte{raw}
		p.timely(list, raws, now)
		got, _, err := newDecoder().signals(raws[0], nil, nil)
		if err != nil || !list[0].AcceptedAt.Equal(now.Add(tc.want)) || !got[0].AcceptedAt.Equal(list[0].AcceptedAt) || got[0].Labels["acceptedAt"] != s.Labels["acceptedAt"] || got[0].GeneratorURL != s.GeneratorURL {
			t.Errorf("%s: %v, %+v, %v", name, list[0].AcceptedAt.Sub(now), got, err)
		}
	}
}
