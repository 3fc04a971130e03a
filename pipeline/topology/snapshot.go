package topology

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// head is the first line of a snapshot. What follows is the records that make the graph, in the form of replay's lines.
type head struct {
	Type   string    `json:"type"` // snapshot
	At     time.Time `json:"at"`
	Digest string    `json:"digest"`
}

type line struct {
	Type string `json:"type"` // topology
	incident.GraphChange
}

// Frozen is the graph as it is now, to be written while it goes on: nothing but Snapshot, Records and Digest may be asked of it.
func (g *Graph) Frozen() *Graph {
	f := *g
	f.nodes, f.edges = slices.Clone(g.nodes), slices.Clone(g.edges)
	return &f
}

// Snapshot writes the graph as it is at a time.
func (g *Graph) Snapshot(w io.Writer, at time.Time) error {
	b := bufio.NewWriterSize(w, 64<<10)
	e := json.NewEncoder(b)
	err := e.Encode(head{Type: "snapshot", At: at, Digest: g.Digest()})
	g.Records(at, func(c incident.GraphChange) {
		if err == nil {
			err = e.Encode(line{"topology", c})
		}
	})
	if err == nil {
		err = b.Flush()
	}
	if err != nil {
		return fmt.Errorf("write a snapshot of the topology: %w", err)
	}
	return nil
}

// Records hands over what the graph consists of.
func (g *Graph) Records(at time.Time, record func(incident.GraphChange)) {
	for id := range g.nodes {
		n := &g.nodes[id]
		if !n.known {
			continue
		}
		out := incident.Node{Resource: g.resource(int32(id)), Revision: g.texts[n.revision]}
		if n.tier != 0 || n.owner != 0 {
			out.Labels = map[string]string{}
		}
		for name, text := range map[string]int32{"tier": n.tier, "owner": n.owner} {
			if text != 0 {
				out.Labels[name] = g.texts[text]
			}
		}
		if n.changed != 0 {
			out.ChangedAt = time.Unix(0, n.changed).UTC()
		}
		record(incident.GraphChange{At: at, Upsert: &incident.GraphItem{Node: &out}})
	}
	for id := range g.nodes {
		for e := g.nodes[id].out; e != none; e = g.edges[e].nextOut {
			out := incident.Edge{From: g.resource(int32(id)), To: g.resource(g.edges[e].to), Kind: rules[g.edges[e].kind].kind}
			record(incident.GraphChange{At: at, Upsert: &incident.GraphItem{Edge: &out}})
		}
	}
}

// ErrSnapshot means that a snapshot is not whole, or not one.
var ErrSnapshot = errors.New("not a whole snapshot of the topology")

// RestoreGraph reads what Snapshot wrote, and says of when it is. A snapshot that was cut off or changed is refused.
func RestoreGraph(r io.Reader) (*Graph, time.Time, error) {
	d := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	var h head
	if err := d.Decode(&h); err != nil || h.Type != "snapshot" {
		return nil, time.Time{}, fmt.Errorf("%w: its first line does not say that it is", ErrSnapshot)
	}
	g := NewGraph()
	for n := 2; ; n++ {
		var l line
		err := d.Decode(&l)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = g.Apply(l.GraphChange)
		}
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("%w: record %d: %w", ErrSnapshot, n, err)
		}
	}
	if got := g.Digest(); got != h.Digest {
		return nil, time.Time{}, fmt.Errorf("%w: its digest is %s, and its head says %s", ErrSnapshot, got, h.Digest)
	}
	return g, h.At, nil
}
