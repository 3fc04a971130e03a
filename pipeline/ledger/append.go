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
	"sync/atomic"
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
	settle := func() {
		defer cancel()
		if err == nil {
			err = l.flush(ctx, l.db)
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

// wanted ends when nobody waits for the batch any more.
func wanted(batch []*pending) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(batch[0].ctx))
	var left atomic.Int32
	left.Store(int32(len(batch)))
	var stops []func() bool
	for _, p := range batch {
		stops = append(stops, context.AfterFunc(p.ctx, func() {
			if left.Add(-1) == 0 {
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

// insert chains the rows that are not there yet to the head, in one transaction.
func (l *Ledger) insert(ctx context.Context, batch []*pending) error {
	tx, err := l.writing(ctx, l.db)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	head, there, err := l.find(ctx, tx, batch)
	if err != nil {
		return err
	}
	var values []string
	var args []any
	for _, p := range batch {
		if p.fresh = !slices.ContainsFunc(there, p.same); !p.fresh {
			continue
		}
		there = append(there, p.e)
		hash := chain(head.Hash, head.Seq+1, p.e, p.at)
		values = append(values, "(?,?,?,?,?,?,?,?,?,?,?)")
		args = append(args, head.Seq+1, p.e.Incident, p.e.Attempt, p.e.Phase, p.e.Step, p.e.Kind, p.e.Actor, string(p.e.Detail), p.at, head.Hash, hash)
		head.Seq, head.Hash = head.Seq+1, hash
	}
	if len(values) == 0 {
		return nil
	}
	_, err = tx.ExecContext(ctx, l.bind(`INSERT INTO entries(seq,incident,attempt,phase,step,kind,actor,detail,at,prev_hash,hash) VALUES `+
		strings.Join(values, ",")), args...)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// find reads the head, and which rows of the batch are there.
func (l *Ledger) find(ctx context.Context, tx *sql.Tx, batch []*pending) (head Row, there []incident.Entry, err error) {
	var args []any
	for _, p := range batch {
		args = append(args, p.e.Incident, p.e.Attempt, p.e.Step, p.e.Kind)
	}
	const one = `e.incident=? AND e.attempt=? AND e.step=? AND e.kind=?`
	rows, err := tx.QueryContext(ctx, l.bind(`SELECT head.seq, head.hash, e.incident, e.attempt, e.step, e.kind FROM head LEFT JOIN entries e ON `+
		one+strings.Repeat(` OR `+one, len(batch)-1)), args...)
	if err != nil {
		return head, nil, err
	}
	defer rows.Close()
	known := false
	for rows.Next() {
		known = true
		var id, step, kind sql.NullString
		var attempt sql.NullInt64
		if err := rows.Scan(&head.Seq, &head.Hash, &id, &attempt, &step, &kind); err != nil {
			return head, nil, err
		}
		if id.Valid {
			there = append(there, incident.Entry{Incident: id.String, Attempt: int(attempt.Int64), Step: step.String, Kind: incident.EntryKind(kind.String)})
		}
	}
	if err := rows.Err(); err != nil {
		return head, nil, err
	}
	if !known {
		return head, nil, errors.New("the ledger has no head")
	}
	return head, there, nil
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
