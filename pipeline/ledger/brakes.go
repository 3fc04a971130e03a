package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	perCluster   = 3 // remediations between MERGING and their end
	perNamespace = 1
)

// Brakes hold back what would merge or apply. Like the claims they are beside the audit, in its database, which every worker
// shares.
type Brakes struct{ l *Ledger }

// Brakes of the ledger's database.
func (l *Ledger) Brakes() *Brakes { return &Brakes{l} }

// Pause holds one cluster, or all, until Resume. Said again, the last word counts.
func (b *Brakes) Pause(ctx context.Context, p incident.Pause) error {
	_, err := b.l.db.ExecContext(ctx, b.l.bind(`INSERT INTO pauses(cluster,by_whom,reason,paused_at) VALUES(?,?,?,?)
		ON CONFLICT(cluster) DO UPDATE SET by_whom=excluded.by_whom, reason=excluded.reason, paused_at=excluded.paused_at`),
		p.Cluster, text(p.By), text(p.Reason), p.At.UTC().Format(time.RFC3339Nano))
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	return nil
}

// Resume takes back the pause of this cluster, or that of all; was is false where there is none.
func (b *Brakes) Resume(ctx context.Context, cluster string) (was bool, err error) {
	done, err := b.l.db.ExecContext(ctx, b.l.bind(`DELETE FROM pauses WHERE cluster=?`), cluster)
	if err != nil {
		return false, fmt.Errorf("resume: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Pauses that hold this cluster, the widest first.
func (b *Brakes) Pauses(ctx context.Context, cluster string) ([]incident.Pause, error) {
	rows, err := b.l.db.QueryContext(ctx, b.l.bind(`SELECT cluster,by_whom,reason,paused_at FROM pauses WHERE cluster IN ('',?) ORDER BY cluster`), cluster)
	if err != nil {
		return nil, fmt.Errorf("look for pauses: %w", err)
	}
	defer rows.Close()
	var out []incident.Pause
	for rows.Next() {
		var p incident.Pause
		var at string
		if err := rows.Scan(&p.Cluster, &p.By, &p.Reason, &at); err != nil {
			return nil, fmt.Errorf("look for pauses: %w", err)
		}
		if p.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, fmt.Errorf("look for pauses: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// Act lets key act on root, which it has claimed, from now until its release, or says why it must wait. Asked again it asks
// for pauses only. A claim that was lost is taken again, since who acts must be counted, unless somebody else has the target.
func (b *Brakes) Act(ctx context.Context, root incident.Resource, key incident.Key, at time.Time) (wait string, err error) {
	pauses, err := b.Pauses(ctx, root.Cluster)
	if err != nil {
		return "", err
	}
	if len(pauses) > 0 {
		return pauses[0].String(), nil
	}
	tx, _, err := b.l.writing(ctx, b.l.db)
	if err != nil {
		return "", fmt.Errorf("count who acts: %w", err)
	}
	defer tx.Rollback()
	if wait, err = b.full(ctx, tx, root, key); err != nil || wait != "" {
		return wait, err
	}
	now := at.UTC().Format(time.RFC3339Nano)
	_, err = tx.ExecContext(ctx, b.l.bind(`INSERT INTO claims(target,incident,attempt,taken_at) VALUES(?,?,?,?) ON CONFLICT DO NOTHING`), root.Key(), key.Incident, key.Attempt, now)
	if err == nil {
		_, err = tx.ExecContext(ctx, b.l.bind(`UPDATE claims SET acting_at=?, cluster=?, namespace=? WHERE target=? AND incident=? AND attempt=? AND acting_at IS NULL`),
			now, root.Cluster, root.Namespace, root.Key(), key.Incident, key.Attempt)
	}
	var holder incident.Key
	if err == nil {
		err = tx.QueryRowContext(ctx, b.l.bind(`SELECT incident,attempt FROM claims WHERE target=?`), root.Key()).Scan(&holder.Incident, &holder.Attempt)
	}
	if err == nil && holder != key {
		return fmt.Sprintf("%s has claimed %s", holder.Workflow(), root), nil
	}
	if err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = b.l.flush(ctx, b.l.db, `claims WHERE target=? AND incident=? AND attempt=? AND acting_at IS NOT NULL`, root.Key(), key.Incident, key.Attempt)
	}
	if err != nil {
		return "", fmt.Errorf("count who acts: %w", err)
	}
	return "", nil
}

// full says whom key must wait for.
func (b *Brakes) full(ctx context.Context, tx *sql.Tx, root incident.Resource, key incident.Key) (string, error) {
	var acting, beside int
	var other sql.NullString
	err := tx.QueryRowContext(ctx, b.l.bind(`SELECT count(*), coalesce(sum(CASE WHEN namespace=? THEN 1 ELSE 0 END),0), min(CASE WHEN namespace=? THEN target END)
		FROM claims WHERE acting_at IS NOT NULL AND cluster=? AND NOT (incident=? AND attempt=?)`),
		root.Namespace, root.Namespace, root.Cluster, key.Incident, key.Attempt).Scan(&acting, &beside, &other)
	switch {
	case err != nil:
		return "", fmt.Errorf("count who acts: %w", err)
	case beside >= perNamespace:
		return fmt.Sprintf("one remediation at a time in a namespace: that of %s is not over", other.String), nil
	case acting >= perCluster:
		return fmt.Sprintf("%d remediations at a time in a cluster: that many are between their merge and their end", perCluster), nil
	}
	return "", nil
}
