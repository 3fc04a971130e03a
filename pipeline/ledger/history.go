package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// History lists the remediations of a target whose plan, or whose merge, was put before policy since then, the newest first. The
// playbook is that of what policy was asked last: a plan may be revised.
func (l *Ledger) History(ctx context.Context, target string, since time.Time) ([]incident.Past, error) {
	rows, err := l.db.QueryContext(ctx, l.bind(`SELECT p.incident, p.attempt, p.detail, p.at,
			(SELECT q.detail FROM entries q WHERE q.incident=p.incident AND q.attempt=p.attempt AND q.step LIKE 'policy%' AND q.kind=p.kind ORDER BY q.seq DESC LIMIT 1),
			coalesce(e.phase, ''), coalesce(e.at, p.at), coalesce(e.detail, '{}')
		FROM entries p LEFT JOIN entries e ON e.incident=p.incident AND e.attempt=p.attempt AND e.step=? AND e.kind=?
		WHERE p.step IN ('policy-plan', 'policy_violation', 'policy-apply') AND p.kind=? AND p.at>=? ORDER BY p.seq`),
		incident.StepEnding, incident.Event, incident.Event, since.UTC().Format(time.RFC3339Nano))
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", target, err)
	}
	defer rows.Close()
	var out []incident.Past
	for rows.Next() {
		var p incident.Past
		var detail, planned, last, at, ending string
		if err := rows.Scan(&p.Key.Incident, &p.Key.Attempt, &detail, &planned, &last, &p.Outcome, &at, &ending); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", target, err)
		}
		var about struct{ Target, Playbook string }
		if json.Unmarshal([]byte(detail), &about) != nil || about.Target != target {
			continue
		}
		if json.Unmarshal([]byte(last), &about) != nil {
			continue
		}
		var end incident.Outcome
		if json.Unmarshal([]byte(ending), &end) == nil {
			p.Untried = end.Untried
		}
		p.Playbook = about.Playbook
		if p.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", target, err)
		}
		if !slices.ContainsFunc(out, func(have incident.Past) bool { return have.Key == p.Key }) { // planned, and denied later
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b incident.Past) int { return b.At.Compare(a.At) })
	return out, rows.Err()
}
