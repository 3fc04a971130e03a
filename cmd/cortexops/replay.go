package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/correlate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/topology"
	"github.com/cortexops/cortexops/playbooks"
)

//go:embed replay.schema.json
var replaySchema string

// replayLateness is how much later than others a line may come: far more than live, since nothing waits for it here.
const replayLateness = 5 * time.Minute

type replayOptions struct {
	speed, playbooks, output string
	settle                   time.Duration
	schema                   bool
}

func replayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE.jsonl",
		Short: "Correlate recorded signals and topology, without a server, and show the incidents",
		Long: "Correlate recorded signals and topology, without a server, and show the incidents, how they score, and which playbook would be taken.\n\n" +
			"Each line is a signal, a change of the topology, or the body of an Alertmanager webhook; --schema prints the form. The order of the lines is that " +
			"of arrival: what comes up to 5 minutes later than others that were accepted after it is put where it belongs. \"-\" reads from standard input.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && !o.schema {
				return errors.New("replay needs one file of recorded lines, or - for standard input; replay --schema says what is in it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.schema {
				_, err := io.WriteString(cmd.OutOrStdout(), replaySchema)
				return err
			}
			return replay(cmd, args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.speed, "speed", "max", "max, or 1x: as the lines were recorded")
	f.StringVar(&o.playbooks, "playbooks", "", "folder of NAME/playbook.yaml; none: the built-in catalogue")
	f.StringVar(&o.output, "output", "table", "table or json")
	f.DurationVar(&o.settle, "settle", 10*time.Second, "how long an incident gathers signals before it is sealed")
	f.BoolVar(&o.schema, "schema", false, "print the JSON Schema of a line")
	return cmd
}

func replay(cmd *cobra.Command, name string, o replayOptions) error {
	switch {
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("--output %q: say table or json", o.output)
	case o.speed != "max" && o.speed != "1x":
		return fmt.Errorf("--speed %q: say max or 1x", o.speed)
	case o.settle <= 0:
		return fmt.Errorf("--settle %s: must be more than nothing, such as 10s", o.settle)
	}
	books, err := playbooks.Load(folder(o.playbooks, playbooks.Catalogue()))
	if err != nil {
		return err
	}
	in, size := cmd.InOrStdin(), int64(0)
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		if info, err := file.Stat(); err == nil {
			size = info.Size()
		}
		in = file
	}
	bar := newBar(cmd.ErrOrStderr(), size)
	r := newReplayed(o.settle)
	err = readRecords(in, name, func(rec record, read int64) error {
		if err := r.wait(cmd.Context(), rec.at, o.speed); err != nil {
			return err
		}
		r.take(rec)
		bar.show(read)
		return nil
	})
	bar.clear()
	if err != nil {
		return err
	}
	result := r.finish(books)
	if o.output == "json" {
		return result.json(cmd.OutOrStdout())
	}
	return result.table(cmd.OutOrStdout())
}

// replayed is the pure engine with its graph, fed in the order of a file.
type replayed struct {
	graph   *topology.Graph
	joiner  *correlate.Joiner
	stage   *correlate.Dedupe
	last    map[string]incident.Incident
	seen    time.Time // the latest acceptance
	since   time.Time // when the joiner was last advanced
	first   time.Time // of the file, and by our clock
	began   time.Time
	signals int
	again   int
}

func newReplayed(settle time.Duration) *replayed {
	g := topology.NewGraph()
	return &replayed{graph: g, stage: correlate.NewDedupe(), last: map[string]incident.Incident{},
		joiner: correlate.NewJoiner(correlate.JoinerOptions{Graph: g, Apply: g.Apply, Settle: settle, Lateness: replayLateness, Tell: time.Hour})}
}

// wait until a line is due.
func (r *replayed) wait(ctx context.Context, at time.Time, speed string) error {
	if r.first.IsZero() {
		r.first, r.began = at, time.Now()
	}
	if speed == "max" {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(r.began.Add(at.Sub(r.first)))):
		return nil
	}
}

func (r *replayed) take(rec record) {
	if rec.change != nil {
		r.joiner.Change(*rec.change)
	}
	for _, s := range rec.signals {
		r.signals++
		if r.stage.New(s) {
			r.joiner.Add(s)
		} else {
			r.again++
		}
	}
	if rec.at.After(r.seen) {
		r.seen = rec.at
	}
	if r.seen.Sub(r.since) >= time.Second { // what is in order is worked off once a second of the file's time
		r.since = r.seen
		r.keep(r.joiner.Advance(r.seen))
	}
}

func (r *replayed) keep(list []correlate.Revision) {
	for _, i := range list {
		if i.State != incident.Provisional {
			r.last[i.ID] = i.Incident
		}
	}
}
