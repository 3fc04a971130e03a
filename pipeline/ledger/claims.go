package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// NotHolder is the error of a release by somebody who does not hold the target.
type NotHolder struct {
	Target string
	Holder incident.Key
}

func (e *NotHolder) Error() string {
	return fmt.Sprintf("%s is claimed by %s, which alone may release it", e.Target, e.Holder.Workflow())
}

// Claims see to it that one remediation at a time works on a target. They are beside the audit, in its database: they come
// and go, and no hash covers them.
type Claims struct{ l *Ledger }

// Claims of the ledger's database.
func (l *Ledger) Claims() *Claims { return &Claims{l} }

// Take claims the target for key, and returns who holds it: key itself, now or since an earlier try, or whoever came first.
func (c *Claims) Take(ctx context.Context, target string, key incident.Key, at time.Time) (holder incident.Key, err error) {
	for {
		_, err = c.l.db.ExecContext(ctx, c.l.bind(`INSERT INTO claims(target,incident,attempt,taken_at) VALUES(?,?,?,?) ON CONFLICT DO NOTHING`),
			target, key.Incident, key.Attempt, at.UTC().Format(time.RFC3339Nano))
		if err == nil {
			holder, err = c.holder(ctx, target)
		}
		if errors.Is(err, sql.ErrNoRows) { // it was released between the two
			continue
		}
		if err == nil && holder == key { // it plans, whatever it did before
			_, err = c.l.db.ExecContext(ctx, c.l.bind(`UPDATE claims SET acting_at=NULL WHERE target=? AND incident=? AND attempt=? AND acting_at IS NOT NULL`),
				target, key.Incident, key.Attempt)
		}
		if err != nil {
			return incident.Key{}, fmt.Errorf("claim %s: %w", target, err)
		}
		return holder, nil
	}
}

func (c *Claims) holder(ctx context.Context, target string) (key incident.Key, err error) {
	err = c.l.db.QueryRowContext(ctx, c.l.bind(`SELECT incident,attempt FROM claims WHERE target=?`), target).Scan(&key.Incident, &key.Attempt)
	return key, err
}

// Holder of the target; the zero key where nobody has it.
func (c *Claims) Holder(ctx context.Context, target string) (incident.Key, error) {
	key, err := c.holder(ctx, target)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return incident.Key{}, fmt.Errorf("who holds %s: %w", target, err)
	}
	return key, nil
}

// Release gives the target back. That nobody holds it is success, as after an earlier try; that another does is a *NotHolder.
func (c *Claims) Release(ctx context.Context, target string, key incident.Key) error {
	released, err := c.remove(ctx, target, key)
	if err != nil || released {
		return err
	}
	holder, err := c.holder(ctx, target)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("release %s: %w", target, err)
	case holder == key: // released and taken again by the same in between
		return nil
	}
	return &NotHolder{Target: target, Holder: holder}
}

func (c *Claims) remove(ctx context.Context, target string, key incident.Key) (bool, error) {
	done, err := c.l.db.ExecContext(ctx, c.l.bind(`DELETE FROM claims WHERE target=? AND incident=? AND attempt=?`), target, key.Incident, key.Attempt)
	if err != nil {
		return false, fmt.Errorf("release %s: %w", target, err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Sweep releases the claims of remediations that are over, as ended says, such as one that was terminated by hand, and
// returns them, the oldest first. It goes on where ended fails for one.
func (c *Claims) Sweep(ctx context.Context, ended func(context.Context, incident.Key) (bool, error)) ([]incident.Claim, error) {
	held, err := c.all(ctx)
	if err != nil {
		return nil, fmt.Errorf("sweep claims: %w", err)
	}
	var released []incident.Claim
	var errs []error
	for _, claim := range held {
		over, err := ended(ctx, claim.Key)
		if err == nil && over {
			over, err = c.remove(ctx, claim.Target, claim.Key)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep the claim of %s: %w", claim.Key.Workflow(), err))
		} else if over {
			released = append(released, claim)
		}
	}
	return released, errors.Join(errs...)
}

func (c *Claims) all(ctx context.Context) ([]incident.Claim, error) {
	rows, err := c.l.db.QueryContext(ctx, `SELECT target,incident,attempt,taken_at FROM claims ORDER BY taken_at, target`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []incident.Claim
	for rows.Next() {
		var claim incident.Claim
		var at string
		if err := rows.Scan(&claim.Target, &claim.Key.Incident, &claim.Key.Attempt, &at); err != nil {
			return nil, err
		}
		if claim.TakenAt, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, err
		}
		out = append(out, claim)
	}
	return out, rows.Err()
}
