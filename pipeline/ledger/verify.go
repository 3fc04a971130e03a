package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Row is an entry as the chain has it.
type Row struct {
	Seq int64 `json:"seq"` // from 1, without a gap
	incident.Entry
	PrevHash string `json:"prevHash"`
	Hash     string `json:"hash"`

	at string // as it is hashed
}

// Rows calls f with every row in the order of the chain, and stops where f fails.
func (l *Ledger) Rows(ctx context.Context, f func(Row) error) error {
	return l.rows(ctx, "", f)
}

// Entries lists the rows of one incident, or all for "", in the order of the chain.
func (l *Ledger) Entries(ctx context.Context, id string) ([]incident.Entry, error) {
	var out []incident.Entry
	err := l.rows(ctx, id, func(r Row) error {
		out = append(out, r.Entry)
		return nil
	})
	return out, err
}

func (l *Ledger) rows(ctx context.Context, id string, f func(Row) error) error {
	rows, err := l.db.QueryContext(ctx, l.bind(`SELECT seq,incident,attempt,phase,step,kind,actor,detail,at,prev_hash,hash FROM entries
		WHERE ?='' OR incident=? ORDER BY seq`), id, id)
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r Row
		var detail string
		err := rows.Scan(&r.Seq, &r.Incident, &r.Attempt, &r.Phase, &r.Step, &r.Kind, &r.Actor, &detail, &r.at, &r.PrevHash, &r.Hash)
		if err == nil {
			r.Detail = json.RawMessage(detail)
			r.At, err = time.Parse(time.RFC3339Nano, r.at)
		}
		if err != nil {
			return fmt.Errorf("row %d was changed: %w", r.Seq, err)
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Verify walks the chain, rehashes the blobs, and returns the number of rows, or an error that names the first one that does
// not fit. Rows that are written meanwhile do not disturb it.
func (l *Ledger) Verify(ctx context.Context) (int, error) {
	head, err := l.head(ctx)
	if err != nil {
		return 0, err
	}
	count, last := 0, ""
	names := map[string]int64{} // the first row that rests on a blob
	err = l.rows(ctx, "", func(r Row) error {
		count++
		switch {
		case r.Seq != int64(count):
			return fmt.Errorf("row %d is missing", count)
		case r.PrevHash != last:
			return fmt.Errorf("row %d does not follow row %d: it was moved, or the row before it was changed", r.Seq, r.Seq-1)
		case r.Hash != chain(r.PrevHash, r.Seq, r.Entry, r.at):
			return fmt.Errorf("row %d was changed: its hash does not fit its content", r.Seq)
		case r.Seq == head.Seq && r.Hash != head.Hash:
			return fmt.Errorf("row %d was changed: the ledger's head has another hash of it", r.Seq)
		}
		for _, digest := range named(r.Detail) {
			if _, ok := names[digest]; !ok && digest != "" {
				names[digest] = r.Seq
			}
		}
		last = r.Hash
		return nil
	})
	if err == nil && int64(count) < head.Seq {
		err = fmt.Errorf("row %d is missing: the ledger's head is row %d", count+1, head.Seq)
	}
	if err == nil {
		err = l.blobs(ctx, names)
	}
	return count, err
}

// Head is the hash of the last row, "" of an empty ledger. Whoever keeps it elsewhere sees what somebody does who may change
// every table.
func (l *Ledger) Head(ctx context.Context) (hash string, err error) {
	head, err := l.head(ctx)
	return head.Hash, err
}

func (l *Ledger) head(ctx context.Context) (r Row, err error) {
	if err = l.db.QueryRowContext(ctx, `SELECT seq, hash FROM head`).Scan(&r.Seq, &r.Hash); err != nil {
		return r, fmt.Errorf("read the ledger's head: %w", err)
	}
	return r, nil
}

// blobs rehashes all of them, and misses those that rows name.
func (l *Ledger) blobs(ctx context.Context, names map[string]int64) error {
	rows, err := l.db.QueryContext(ctx, `SELECT digest, bytes FROM blobs ORDER BY digest`)
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var digest string
		var data []byte
		if err := rows.Scan(&digest, &data); err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest {
			return fmt.Errorf("blob %s was changed: its bytes do not fit its digest", digest)
		}
		delete(names, digest)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	lost := ""
	for digest, seq := range names {
		if lost == "" || seq < names[lost] {
			lost = digest
		}
	}
	if lost != "" {
		return fmt.Errorf("row %d names blob %s, which is not there any more", names[lost], lost)
	}
	return nil
}

// named are the digests of blobs that a row rests on.
func named(detail json.RawMessage) []string {
	var of struct {
		Proposal string `json:"proposal"`
		DryRun   string `json:"dryRun"`
	}
	if json.Unmarshal(detail, &of) != nil { // of another form: it names none
		return nil
	}
	return []string{of.Proposal, of.DryRun}
}
