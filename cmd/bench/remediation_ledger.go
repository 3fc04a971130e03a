package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
)

const (
	writers   = 8
	perWriter = 150 // rows, in a round
)

// plainTable is the ledger's table without the chain: the same columns, but for the hashes, and the same keys.
const plainTable = `CREATE TABLE plain (seq BIGSERIAL PRIMARY KEY, incident TEXT NOT NULL, attempt INTEGER NOT NULL, phase TEXT NOT NULL,
	step TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, detail TEXT NOT NULL, at TEXT NOT NULL, UNIQUE (incident, attempt, step, kind))`

// writing appends the same rows by the same writers, chained and not, to one Postgres that waits for its disk.
func (r *run) writing(ctx context.Context) error {
	server, err := startPostgres(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	if _, err := ledger.Migrate(ctx, server.url); err != nil {
		return err
	}
	book, err := ledger.Open(ctx, server.url)
	if err != nil {
		return err
	}
	defer book.Close()
	db, err := sql.Open("pgx", server.url)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(writers) // as the ledger has
	db.SetMaxIdleConns(writers)
	if _, err := db.ExecContext(ctx, plainTable); err != nil {
		return err
	}
	chained := func(e incident.Entry) error {
		fresh, err := book.Append(ctx, e)
		if err == nil && !fresh {
			err = errors.New("a row was there already")
		}
		return err
	}
	plain := func(e incident.Entry) error {
		_, err := db.ExecContext(ctx, `INSERT INTO plain(incident,attempt,phase,step,kind,actor,detail,at) VALUES($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT DO NOTHING`,
			e.Incident, e.Attempt, e.Phase, e.Step, e.Kind, e.Actor, string(e.Detail), e.At.UTC().Format(time.RFC3339Nano))
		return err
	}
	var ours, theirs []float64
	for round := range rounds + 1 {
		a, err := rate(round, chained)
		if err != nil {
			return err
		}
		b, err := rate(round, plain)
		if err != nil {
			return err
		}
		if round > 0 { // the first is for the connections
			ours, theirs = append(ours, a), append(theirs, b)
		}
	}
	r.least("ledger on Postgres, 8 writers, fsync, against the same rows without the chain: rows/s", median(ours), median(theirs), 0.5)
	n, err := book.Verify(ctx)
	if want := (rounds + 1) * writers * perWriter; err == nil && n != want {
		err = fmt.Errorf("%d rows, want %d", n, want)
	}
	if err != nil {
		return fmt.Errorf("the chain of what was written: %w", err)
	}
	return nil
}

// rate is how many rows a second all writers append together.
func rate(round int, write func(incident.Entry) error) (float64, error) {
	detail, err := json.Marshal(map[string]any{"sha": fmt.Sprintf("%040x", round), "by": []string{"sam", "dana"}, "note": "what a row of a merge says"})
	if err != nil {
		return 0, err
	}
	errs := make([]error, writers)
	ms, _ := timed(func() error {
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for n := range perWriter {
					e := incident.Entry{Incident: fmt.Sprintf("%012x", round*writers+w), Attempt: 1, Phase: incident.Merging, Step: fmt.Sprintf("step-%d", n),
						Kind: incident.Done, Actor: "cortexops", Detail: detail, At: time.Now()}
					if errs[w] = write(e); errs[w] != nil {
						return
					}
				}
			})
		}
		all.Wait()
		return nil
	})
	return writers * perWriter / ms * 1000, errors.Join(errs...)
}
