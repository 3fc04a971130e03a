package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/topology"
)

func captureCommand() *cobra.Command {
	var since, lasting time.Duration
	cmd := &cobra.Command{
		Use: "capture FILE.jsonl", Args: one("file to write (or - for the standard output)"),
		Short: "Record the signals and the topology that are correlated now, for replay",
		Long: "Record what is correlated, in the order in which it is, in the form that cortexops replay reads: the graph as it is known, and then each change of it " +
			"and each signal, but for those that only repeat another. It ends after --for, or with Ctrl-C. It reads the bus that the configuration names, and takes " +
			"nothing away from anybody.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loaded(cmd)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if lasting > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, lasting)
				defer cancel()
			}
			events, err := bus.Look(cmd.Context(), bus.Options{URL: c.NATS.URL, Prefix: c.NATS.Prefix, Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))})
			if err != nil {
				return err
			}
			defer events.Close()
			return capture(ctx, cmd, events, args[0], time.Now().Add(-since))
		},
	}
	cmd.Flags().DurationVar(&lasting, "for", 0, "how long, such as 10m; 0: until it is interrupted")
	cmd.Flags().DurationVar(&since, "since", 0, "signals of the time before, too, such as 30m, as far as the bus still has them and the graph that they were judged by")
	return cmd
}

func capture(ctx context.Context, cmd *cobra.Command, events *bus.Bus, name string, since time.Time) (err error) {
	to := cmd.OutOrStdout()
	if name != "-" {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		defer file.Close() //nolint:errcheck // Sync has said whether it is whole
		to = file
		defer func() { err = errors.Join(err, file.Sync()) }()
	}
	w := newCapturing(to)
	kept, later, err := events.GraphBefore(ctx, since)
	if err != nil {
		return err
	}
	from, err := w.graph(kept)
	if err != nil {
		return err
	}
	if later {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "the graph of before is not kept any more: it begins with that of %s, and the signals since then\n", kept.At.UTC().Format(time.RFC3339))
	}
	if err := events.Capture(ctx, from, since, w.take); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%d signals and %d records of the topology\n", w.signals, w.records)
	return err
}

// capturing writes lines as replay reads them.
type capturing struct {
	buffer           *bufio.Writer
	lines            *json.Encoder
	signals, records int
}

func newCapturing(w io.Writer) *capturing {
	b := bufio.NewWriterSize(w, 64<<10)
	return &capturing{buffer: b, lines: json.NewEncoder(b)}
}

type capturedChange struct {
	Type string `json:"type"`
	incident.GraphChange
}

type capturedSignal struct {
	Type   string          `json:"type"`
	At     time.Time       `json:"at"`
	Signal incident.Signal `json:"signal"`
}

// graph writes what is known, and says from which position on the bus tells the rest.
func (c *capturing) graph(kept *bus.GraphSnapshot) (from uint64, err error) {
	if kept == nil {
		return 0, nil
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(kept.Body))
	if err != nil {
		return 0, fmt.Errorf("read the snapshot of the graph: %w", err)
	}
	graph, at, err := topology.RestoreGraph(unzipped)
	if err != nil {
		return 0, err
	}
	graph.Records(at, func(change incident.GraphChange) { err = errors.Join(err, c.change(change)) })
	return kept.Position + 1, errors.Join(err, c.buffer.Flush())
}

func (c *capturing) change(change incident.GraphChange) error {
	c.records++
	return c.lines.Encode(capturedChange{"topology", change})
}

// take writes one record of the bus, whole.
func (c *capturing) take(_ time.Time, r incident.JoinRecord) error {
	for _, change := range r.Changes {
		if err := c.change(change); err != nil {
			return err
		}
	}
	if r.Fold != nil {
		for _, s := range r.Fold.Signals {
			c.signals++
			if err := c.lines.Encode(capturedSignal{"signal", s.AcceptedAt, s}); err != nil {
				return err
			}
		}
	}
	return c.buffer.Flush()
}
