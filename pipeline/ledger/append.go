package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Append adds the row to the chain. A row that is there already, by (incident, attempt, step, kind), is left as it is
// and fresh is false. Rows that come while others are being written are written together.
func (l *Ledger) Append(ctx context.Context, e incident.Entry) (fresh bool, err error) {
	if len(e.Detail) == 0 {
		e.Detail = json.RawMessage("{}")
	}
	e.Step, e.Actor, e.Detail = text(e.Step), text(e.Actor), json.RawMessage(text(string(e.Detail)))
	p := &pending{ctx: ctx, e: e, at: e.At.UTC().Format(time.RFC3339Nano), done: make(chan struct{})}
	if l.put(p) {
		go l.drain()
	}
	select {
	case <-p.done:
		err = p.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return false, fmt.Errorf("append to ledger: %w", err)
	}
	return p.fresh, nil
}

// pending is a row that somebody waits for.
type pending struct {
	ctx   context.Context // of one call: it is kept no longer
	e     incident.Entry
	at    string
	done  chan struct{} // closed when fresh and err are known
	fresh bool
	err   error
}

func (p *pending) same(e incident.Entry) bool {
	return p.e.Incident == e.Incident && p.e.Attempt == e.Attempt && p.e.Step == e.Step && p.e.Kind == e.Kind
}

// queue of the rows that this process wants to write.
type queue struct {
	mu      sync.Mutex
	waiting []*pending
	busy    bool
	tip     Row // of the chain, as this process has left it: of whoever drains
}

// most rows in one transaction, which holds up the writers of other processes.
const most = 32

// put tells whether nobody drains the queue, which the caller must do then.
func (q *queue) put(p *pending) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, p)
	idle := !q.busy
	q.busy = true
	return idle
}

// take what is next; nothing means that the queue is idle.
func (q *queue) take() []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(p *pending) bool { return p.ctx.Err() != nil })
	n := min(len(q.waiting), most)
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	q.busy = n > 0
	return batch
}

func (l *Ledger) drain() {
	for batch := l.take(); len(batch) > 0; batch = l.take() {
		l.write(batch)
	}
}

// write writes the rows together, or each by itself where they cannot be: one may be refused.
func (l *Ledger) write(batch []*pending) {
	ctx, cancel := wanted(batch)
	err := l.insert(ctx, batch)
	if err != nil && len(batch) > 1 && ctx.Err() == nil {
		cancel()
		for _, p := range batch {
			l.write([]*pending{p})
		}
		return
	}
	tip := l.tip
	settle := func() {
		defer cancel()
		if err == nil {
			err = l.flush(ctx, l.db, `entries WHERE seq=? AND hash=?`, tip.Seq, tip.Hash)
		}
		for _, p := range batch {
			p.err = err
			close(p.done)
		}
	}
	if l.postgres && err == nil {
		go settle() // the next rows need not wait for the disk
		return
	}
	settle()
}

// wanted ends when nobody waits for the batch any more. A server that is gone without a word would hold up all that come after.
func wanted(batch []*pending) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), 30*time.Second)
	var stops []func() bool
	for _, p := range batch {
		stops = append(stops, context.AfterFunc(p.ctx, func() {
			if !slices.ContainsFunc(batch, func(p *pending) bool { return p.ctx.Err() == nil }) {
				cancel()
			}
		}))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// errThere: a row of the batch was there.
var errThere = errors.New("the row is there already")

// insert chains the rows that are not there yet to the head, in one transaction.
func (l *Ledger) insert(ctx context.Context, batch []*pending) error {
	if l.postgres { // they are new, but for retries: do not ask first
		if l.tip.Seq > 0 { // nor for the head, where nobody else has written since
			if err := l.follow(ctx, batch); err == nil || ctx.Err() != nil {
				return err
			}
		}
		if err := l.chained(ctx, batch, false); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return l.chained(ctx, batch, true)
}

// errBehind: another process has written since.
var errBehind = errors.New("the head is another")

// rowTypes are those of the columns that are written.
const rowTypes = "(?::bigint,?::text,?::int,?::text,?::text,?::text,?::text,?::text,?::text,?::text,?::text)"

// follow chains the rows to the head that we know, in one statement, unless it has become another.
func (l *Ledger) follow(ctx context.Context, batch []*pending) error {
	args, next := []any{l.tip.Seq, l.tip.Hash}, l.tip
	for _, p := range batch {
		args = append(args, next.add(p)...)
	}
	done, err := l.db.ExecContext(ctx, l.bind(`WITH known AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) FROM head WHERE seq=? AND hash=? FOR UPDATE)
		INSERT INTO entries(seq,incident,attempt,phase,step,kind,actor,detail,at,prev_hash,hash) SELECT added.* FROM known, (VALUES `+
		rowTypes+strings.Repeat(","+rowTypes, len(batch)-1)+`) AS added`), args...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != int64(len(batch)) {
		return errors.Join(errBehind, err)
	}
	for _, p := range batch {
		p.fresh = true
	}
	l.tip = next
	return nil
}

// add chains a row, and returns what is written of it.
func (r *Row) add(p *pending) []any {
	prev := r.Hash
	r.Seq++
	r.Hash = chain(prev, r.Seq, p.e, p.at)
	return []any{r.Seq, p.e.Incident, p.e.Attempt, p.e.Phase, p.e.Step, p.e.Kind, p.e.Actor, string(p.e.Detail), p.at, prev, r.Hash}
}

func (l *Ledger) chained(ctx context.Context, batch []*pending, look bool) error {
	tx, head, err := l.writing(ctx, l.db)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	l.tip = Row{}
	var there []incident.Entry
	conflict := " ON CONFLICT DO NOTHING"
	if look {
		if there, err = l.find(ctx, tx, batch); err != nil {
			return err
		}
		conflict = ""
	}
	var values []string
	var args []any
	for _, p := range batch {
		if p.fresh = !slices.ContainsFunc(there, p.same); !p.fresh {
			continue
		}
		there = append(there, p.e)
		values = append(values, "(?,?,?,?,?,?,?,?,?,?,?)")
		args = append(args, head.add(p)...)
	}
	if len(values) == 0 {
		l.tip = head
		return nil
	}
	done, err := tx.ExecContext(ctx, l.bind(`INSERT INTO entries(seq,incident,attempt,phase,step,kind,actor,detail,at,prev_hash,hash) VALUES `+
		strings.Join(values, ",")+conflict), args...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != int64(len(values)) {
		return errors.Join(errThere, err)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	l.tip = head
	return nil
}

// find reads which rows of the batch are there.
func (l *Ledger) find(ctx context.Context, tx *sql.Tx, batch []*pending) (there []incident.Entry, err error) {
	var args []any
	for _, p := range batch {
		args = append(args, p.e.Incident, p.e.Attempt, p.e.Step, p.e.Kind)
	}
	const one = `incident=? AND attempt=? AND step=? AND kind=?`
	rows, err := tx.QueryContext(ctx, l.bind(`SELECT incident, attempt, step, kind FROM entries WHERE `+one+strings.Repeat(` OR `+one, len(batch)-1)), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e incident.Entry
		if err := rows.Scan(&e.Incident, &e.Attempt, &e.Step, &e.Kind); err != nil {
			return nil, err
		}
		there = append(there, e)
	}
	return there, rows.Err()
}

// text is s without what Postgres refuses: a row that can never be written would be retried for ever.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// chain hashes a row with the hash of the row before it.
func chain(prev string, seq int64, e incident.Entry, at string) string {
	return incident.Digest(prev, strconv.FormatInt(seq, 10), e.Incident, strconv.Itoa(e.Attempt), string(e.Phase), e.Step,
		string(e.Kind), e.Actor, string(e.Detail), at)
}
