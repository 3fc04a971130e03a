package bus

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// cable to the server, which breaks once so many more bytes have come from there.
type cable struct {
	net.Listener
	left atomic.Int64 // 0: it does not
}

func cabled(t *testing.T) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, to := &cable{Listener: l}, strings.TrimPrefix(server(t), "nats://")
	go func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				here.Close()
				continue
			}
			go func() { _, _ = io.Copy(there, here); there.Close() }()
			go func() { _, _ = io.Copy(here, breaking{there, c}); here.Close(); there.Close() }()
		}
	}()
	return c
}

type breaking struct {
	io.Reader
	*cable
}

func (b breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if left := b.left.Load(); left > 0 {
		if b.left.Store(max(left-int64(n), 0)); left <= int64(n) {
			return 0, errors.New("it breaks")
		}
	}
	return n, err
}

// TestNothingIsPassedOverWhereTheConnectionBreaks: who takes incidents up has all of them, or an error.
func TestNothingIsPassedOverWhereTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	b, _ := open(t, small)
	j := joining(t, b)
	const many = 200
	var list []incident.Incident
	for n := range many {
		list = append(list, incident.Incident{ID: incident.Digest(fmt.Sprint(n))[:12], Revision: 3, State: incident.Sealed, Window: strings.Repeat("x", 3000)})
	}
	if err := j.PublishIncidents(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	c := cabled(t)
	other, err := Connect(t.Context(), Options{URL: "nats://" + c.Addr().String(), Prefix: b.prefix, Limits: small})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	k, broke := &Join{claim: &claim{bus: other, stream: incidents, under: j.under}}, 0
	for _, after := range []int64{60_000, 400_000} {
		c.left.Store(after)
		got, err := k.LastIncidents(t.Context())
		if err == nil && len(got) != many {
			t.Errorf("broken after %d bytes: %d of %d incidents, and no error", after, len(got), many)
		}
		if err != nil {
			broke++
		}
	}
	c.left.Store(0)
	if broke == 0 {
		t.Error("it never broke")
	}
	for range 20 { // it comes back
		if got, err := k.LastIncidents(t.Context()); err == nil && len(got) == many {
			return
		}
	}
	t.Error("it is not read again")
}
