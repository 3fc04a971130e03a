package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// topologyBody bounds a message of records, in bytes: the server's default refuses one of 1 MiB.
const topologyBody = 512 << 10

// topologyLine is one record as replay reads it.
type topologyLine struct {
	Type string `json:"type"`
	incident.GraphChange
}

// PublishTopology returns after all the records are stored, in this order, in the stream that the joiner reads in order with the
// signals. On an error some may be: publish all of them again, which is harmless. An empty list says that what was published
// before is still all that there is to say: tell it every half minute, else the graph counts as stale.
func (b *Bus) PublishTopology(ctx context.Context, list []incident.GraphChange) error {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	defer b.timed(folds)()
	bodies, err := topologyBodies(list)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return b.whole("")
	}
	var futures []jetstream.PubAckFuture
	for _, body := range bodies {
		f, err := b.js.PublishMsgAsync(b.topology("", body))
		if err != nil {
			return fmt.Errorf("publish topology: %w", err)
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return fmt.Errorf("publish topology: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("publish topology: no answer from NATS: %w", ctx.Err())
		}
	}
	return nil
}

// topology is the message of records about a cluster, empty where it is not told which.
func (b *Bus) topology(cluster string, body []byte) *nats.Msg {
	m := &nats.Msg{Subject: b.prefix + ".folds.topology", Data: body, Header: nats.Header{jetstream.MsgIDHeader: {incident.Digest(string(body))}}}
	if cluster != "" {
		m.Header.Set(clusterHeader, cluster)
	}
	return m
}

// whole says aloud that the topology of a cluster is.
func (b *Bus) whole(cluster string) error {
	m := &nats.Msg{Subject: b.beatSubject("topology"), Data: []byte(time.Now().UTC().Format(time.RFC3339Nano)), Header: nats.Header{clusterHeader: {cluster}}}
	if err := b.nc.PublishMsg(m); err != nil {
		return fmt.Errorf("say that the topology is whole: %w", err)
	}
	return nil
}

// topologyBodies packs the records into messages, one a line.
func topologyBodies(list []incident.GraphChange) (bodies [][]byte, err error) {
	var body []byte
	for _, c := range list {
		line, err := json.Marshal(topologyLine{"topology", c})
		if err != nil {
			return nil, fmt.Errorf("encode a record of the topology: %w", err)
		}
		if len(body) > 0 && len(body)+len(line) > topologyBody {
			bodies, body = append(bodies, body), nil
		}
		body = append(append(body, line...), '\n')
	}
	if len(body) > 0 {
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// order is when the topology of each cluster was changed last.
type order map[string]time.Time

// told bounds when changes count as made, by the server's clock: not after they were stored, nor before what was stored earlier of
// their cluster. Else the graph of a process whose clock is ahead would be known only when the others' is there, and what a
// process whose clock is behind sets right would count for older than what it sets right.
func (o order) told(m jetstream.Msg, stored time.Time, list []incident.GraphChange) {
	cluster := m.Headers().Get(clusterHeader)
	for i := range list {
		c := &list[i]
		if c.At.After(stored) {
			c.At = stored.UTC().Add(time.Duration(i))
		}
		if last := o[cluster]; cluster != "" {
			if !c.At.After(last) {
				c.At = last.Add(1)
			}
			o[cluster] = c.At
		}
	}
}

func readTopology(body []byte) (list []incident.GraphChange, err error) {
	for d := json.NewDecoder(bytes.NewReader(body)); ; {
		var l topologyLine
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return list, fmt.Errorf("read a record of the topology: %w", err)
		}
		list = append(list, l.GraphChange)
	}
}

// beatSubject is of what is said and not stored.
func (b *Bus) beatSubject(of string) string { return b.prefix + ".beats." + of }
