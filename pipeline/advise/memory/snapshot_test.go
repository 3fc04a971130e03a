package memory

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
)

// shelf is the part of Qdrant that makes and deletes snapshots.
type shelf struct {
	qdrant.UnimplementedSnapshotsServer
	deleted string
}

func (s *shelf) Create(context.Context, *qdrant.CreateSnapshotRequest) (*qdrant.CreateSnapshotResponse, error) {
	return &qdrant.CreateSnapshotResponse{SnapshotDescription: &qdrant.SnapshotDescription{Name: "one.snapshot"}}, nil
}

func (s *shelf) Delete(_ context.Context, in *qdrant.DeleteSnapshotRequest) (*qdrant.DeleteSnapshotResponse, error) {
	s.deleted = in.GetSnapshotName()
	return &qdrant.DeleteSnapshotResponse{}, nil
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	kept := &shelf{}
	g := grpc.NewServer()
	qdrant.RegisterSnapshotsServer(g, kept)
	go func() { _ = g.Serve(l) }() // until Stop
	t.Cleanup(g.Stop)
	taken := ""
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("api-key") != "k3y":
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodGet && r.URL.Path == "/collections/cortexops_incidents/snapshots/one.snapshot" && kept.deleted == "":
			_, _ = io.WriteString(w, "the cases")
		case r.Method == http.MethodPost && r.URL.Path == "/collections/cortexops_incidents/snapshots/upload" && r.URL.Query().Get("priority") == "snapshot":
			if f, _, err := r.FormFile("snapshot"); err == nil {
				data, _ := io.ReadAll(f)
				taken = string(data)
			}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(web.Close)
	s, err := NewSnapshots("http://"+l.Addr().String(), "k3y")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.rest = web.URL
	file := filepath.Join(t.TempDir(), "x.snapshot")
	if err := s.Save(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "the cases" || kept.deleted != "one.snapshot" {
		t.Errorf("%q %v, deleted %q", data, err, kept.deleted)
	}
	if err := s.Load(t.Context(), file); err != nil || taken != "the cases" {
		t.Errorf("Qdrant took %q: %v", taken, err)
	}
	if s.key = "other"; s.Load(t.Context(), file) == nil {
		t.Error("a refusal is no error")
	}
}

// TestARedirectGetsNoKey fetches and brings a snapshot at a Qdrant that points elsewhere.
func TestARedirectGetsNoKey(t *testing.T) {
	t.Parallel()
	asked := atomic.Int32{}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusSeeOther, http.StatusTemporaryRedirect} {
		web := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		t.Cleanup(web.Close)
		s, err := NewSnapshots(web.URL, "k3y")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.rest = web.URL
		file := filepath.Join(t.TempDir(), "x.snapshot")
		if err := os.WriteFile(file, []byte("the cases"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.call(t.Context(), http.MethodGet, "/snapshots/one.snapshot", "", nil, io.Discard); err == nil || !strings.Contains(err.Error(), "where our key must not go") {
			t.Errorf("fetched, answered %d: %v", status, err)
		}
		if err := s.Load(t.Context(), file); err == nil { // a body that is read once is sent nowhere else
			t.Errorf("brought, answered %d: no error", status)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("whoever was pointed at was asked %d times", n)
	}
}
