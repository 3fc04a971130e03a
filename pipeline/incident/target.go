package incident

import "time"

// Claim says that one remediation has a target to itself.
type Claim struct {
	Target  string    `json:"target"` // as Start.Target: cluster and object
	Key     Key       `json:"key"`
	TakenAt time.Time `json:"takenAt"`
}

// Past is an earlier remediation of a target.
type Past struct {
	Key      Key       `json:"key"`
	Playbook string    `json:"playbook"`
	Outcome  Phase     `json:"outcome"` // its ending; empty: it is still going on
	At       time.Time `json:"at"`      // of the ending; while there is none, of the plan
}
