package topology

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// FuzzRestoreGraph: a snapshot is refused with ErrSnapshot, or it is one that can be kept and taken up again.
func FuzzRestoreGraph(f *testing.F) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	pod := incident.Resource{Cluster: "prod", Version: "v1", Kind: "Pod", Namespace: "shop", Name: "checkout-1"}
	app := incident.Resource{Cluster: "prod", Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	full := NewGraph()
	for _, c := range []incident.GraphChange{
		{At: at, Upsert: &incident.GraphItem{Node: &incident.Node{Resource: app, Labels: map[string]string{"tier": "shop", "owner": "team"}, Revision: "9f3c", ChangedAt: at}}},
		{At: at, Upsert: &incident.GraphItem{Edge: &incident.Edge{From: pod, To: app, Kind: incident.OwnedBy}}},
	} {
		if err := full.Apply(c); err != nil {
			f.Fatal(err)
		}
	}
	for _, g := range []*Graph{NewGraph(), full} {
		var b bytes.Buffer
		if err := g.Snapshot(&b, at); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(append(b.Bytes(), `{"type":"topology","at":"2026-03-02T10:00:00Z","upsert":{}}`...))
	}
	f.Add([]byte(`{"type":"snapshot"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		g, at, err := RestoreGraph(bytes.NewReader(body))
		if err != nil {
			if !errors.Is(err, ErrSnapshot) {
				t.Fatal(err)
			}
			return
		}
		var b bytes.Buffer
		if err := g.Snapshot(&b, at); err != nil {
			t.Fatal(err)
		}
		again, then, err := RestoreGraph(&b)
		if err != nil || again.Digest() != g.Digest() || !then.Equal(at) {
			t.Fatalf("kept as of %s, taken up as of %s: %v", at, then, err)
		}
	})
}
