package forge

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// The child serves until it is told to stop, even while an answer is held.
func TestRun(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stack.Stack{Dir: t.TempDir(), Forge: stack.Forge{URL: "http://" + l.Addr().String(), Owner: "acme", Repo: "shop", Users: users}}
	if err := l.Close(); err != nil { // free for the forge
		t.Fatal(err)
	}
	w := &world{t: t, opt: Options{URL: s.Forge.URL}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, s, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
	w.until("the forge answers", func() bool {
		res, err := http.Get(s.Forge.URL)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	var hold object
	w.sandbox("POST", "/hold", `{"method":"POST","path":"/pulls"}`, &hold)
	dropped := make(chan error, 1)
	go func() {
		req, _ := http.NewRequest("POST", s.Forge.URL+"/api/v3/repos/acme/shop/pulls", strings.NewReader("{}"))
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		dropped <- err
	}()
	w.until("the answer is held", func() bool { w.sandbox("GET", "/hold", "", &hold); return hold["holding"] == true })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ends with %v", err)
	}
	if err := <-dropped; err == nil {
		t.Error("the held call got an answer when the forge stopped")
	}
}
