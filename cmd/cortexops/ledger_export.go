package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/ledger"
)

func exportCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{Use: "export", Args: cobra.NoArgs,
		Short: "Print every row with its hashes, as JSON lines or CSV",
		Long: "Print every row with its hashes in the order of the chain, as JSON lines or CSV. The hash of a row is the sha256 of prevHash, seq, incident, attempt, " +
			"phase, step, kind, actor, detail and at, a zero byte after each: whoever has the rows can check them without the ledger.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			write := map[string]func(io.Writer) (row func(ledger.Row) error, end func() error){"jsonl": jsonLines, "csv": csvLines}[format]
			if write == nil {
				return fmt.Errorf("--format is %q: it must be jsonl or csv", format)
			}
			row, end := write(cmd.OutOrStdout())
			return withLedger(cmd, func(l *ledger.Ledger) error {
				if err := l.Rows(cmd.Context(), row); err != nil {
					return err
				}
				return end()
			})
		}}
	cmd.Flags().StringVar(&format, "format", "jsonl", "jsonl or csv")
	return cmd
}

func jsonLines(out io.Writer) (row func(ledger.Row) error, end func() error) {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false) // the bytes that are hashed
	return func(r ledger.Row) error {
		if err := e.Encode(r); err != nil {
			return fmt.Errorf("write row %d: %w", r.Seq, err)
		}
		return nil
	}, func() error { return nil }
}

func csvLines(out io.Writer) (row func(ledger.Row) error, end func() error) {
	w := csv.NewWriter(out)
	wrong := w.Write([]string{"seq", "incident", "attempt", "phase", "step", "kind", "actor", "detail", "at", "prevHash", "hash"})
	return func(r ledger.Row) error {
			if wrong != nil {
				return wrong
			}
			return w.Write([]string{strconv.FormatInt(r.Seq, 10), r.Incident, strconv.Itoa(r.Attempt), string(r.Phase), r.Step, string(r.Kind), r.Actor,
				string(r.Detail), r.At.UTC().Format(time.RFC3339Nano), r.PrevHash, r.Hash})
		}, func() error {
			w.Flush()
			return errors.Join(wrong, w.Error())
		}
}
