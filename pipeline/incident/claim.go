package incident

import "time"

// Claim says that one remediation has a target to itself.
type Claim struct {
	Target  string    `json:"target"` // as Start.Target: cluster and object
	Key     Key       `json:"key"`
	TakenAt time.Time `json:"takenAt"`
}
