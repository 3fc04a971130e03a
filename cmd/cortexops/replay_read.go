package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/intake"
	"github.com/cortexops/cortexops/pipeline/topology"
)

// longestLine of a replay, in bytes: more than an Alertmanager sends at once.
const longestLine = 16 << 20

// record is what one line says.
type record struct {
	at      time.Time
	signals []incident.Signal
	change  *incident.GraphChange
}

// LineError is a line that cannot be understood.
type LineError struct {
	File    string
	Line    int    // from 1
	Pointer string // JSON pointer, "" for the whole line
	Why     string
}

func (e *LineError) Error() string {
	if e.Pointer == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Why)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Pointer, e.Why)
}

// readRecords hands over each line, with how many bytes have been read. It stops at the first that cannot be understood.
func readRecords(in io.Reader, name string, take func(rec record, read int64) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), longestLine)
	d := decoder{cluster: "default", check: topology.NewGraph()}
	n, read := 0, int64(0)
	for lines.Scan() {
		n++
		read += int64(len(lines.Bytes())) + 1
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // a byte order mark, as some editors write
		}
		rec, err := d.decode(line)
		var invalid *intake.Invalid
		if errors.As(err, &invalid) {
			return &LineError{File: name, Line: n, Pointer: invalid.Pointer, Why: invalid.Why}
		}
		if err != nil {
			return &LineError{File: name, Line: n, Why: err.Error()}
		}
		if err := take(rec, read); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return &LineError{File: name, Line: n + 1, Why: fmt.Sprintf("is longer than %d MiB", longestLine>>20)}
	}
	if lines.Err() != nil {
		return fmt.Errorf("read %s: %w", name, lines.Err())
	}
	return nil
}

// decoder remembers what a body without a time and a cluster needs.
type decoder struct {
	latest  time.Time
	cluster string // the first that the topology names
	named   bool
	check   *topology.Graph // finds what cannot be applied while its line is known
}

type envelope struct {
	Type   string              `json:"type"`
	At     time.Time           `json:"at"`
	Signal json.RawMessage     `json:"signal"`
	Upsert *incident.GraphItem `json:"upsert"`
	Delete *incident.GraphItem `json:"delete"`
	Alerts json.RawMessage     `json:"alerts"`
}

func (d *decoder) decode(line []byte) (record, error) {
	var e envelope
	if err := intake.Unmarshal("", line, &e); err != nil {
		return record{}, err
	}
	if e.Type == "" && e.Alerts != nil {
		return d.body(line)
	}
	switch {
	case e.Type != "signal" && e.Type != "topology":
		return record{}, &intake.Invalid{Pointer: "/type", Why: "must be signal or topology, or the line the body of an Alertmanager webhook"}
	case e.At.IsZero():
		return record{}, &intake.Invalid{Pointer: "/at", Why: "is required: a time such as 2026-03-02T10:00:00Z"}
	case !intake.Sane(e.At):
		return record{}, &intake.Invalid{Pointer: "/at", Why: "must lie between 1970 and 9998"}
	}
	if e.At.After(d.latest) {
		d.latest = e.At
	}
	if e.Type == "signal" {
		if e.Signal == nil {
			return record{}, &intake.Invalid{Pointer: "/signal", Why: "is required"}
		}
		s, err := intake.Recorded(e.Signal, "/signal", d.cluster, e.At.UTC())
		return record{at: e.At, signals: []incident.Signal{s}}, err
	}
	c := incident.GraphChange{At: e.At.UTC(), Upsert: e.Upsert, Delete: e.Delete}
	var wrong *topology.ChangeError
	if err := d.check.Check(c); errors.As(err, &wrong) {
		return record{}, &intake.Invalid{Pointer: wrong.Pointer, Why: wrong.Why}
	} else if err != nil {
		return record{}, &intake.Invalid{Pointer: "/upsert/node/dependsOn", Why: err.Error()}
	}
	d.learn(c)
	return record{at: e.At, change: &c}, nil
}

func (d *decoder) learn(c incident.GraphChange) {
	if c.Upsert == nil || d.named {
		return
	}
	switch {
	case c.Upsert.Node != nil:
		d.cluster, d.named = c.Upsert.Node.Cluster, true
	case c.Upsert.Edge != nil:
		d.cluster, d.named = c.Upsert.Edge.From.Cluster, true
	}
}

// body of an Alertmanager webhook. It does not say when it was accepted: as early as can be, after the line before it.
func (d *decoder) body(line []byte) (record, error) {
	list, err := intake.Alertmanager(line, d.cluster, d.latest)
	if err != nil {
		return record{}, err
	}
	for _, s := range list {
		for _, at := range []time.Time{s.StartsAt, s.EndsAt} {
			if at.After(d.latest) {
				d.latest = at
			}
		}
	}
	for i := range list {
		list[i].AcceptedAt = d.latest
	}
	return record{at: d.latest, signals: list}, nil
}
