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
	Outcome  Phase     `json:"outcome"`           // its ending; empty: it is still going on
	Untried  bool      `json:"untried,omitempty"` // as the ending says
	At       time.Time `json:"at"`                // of the ending; while there is none, of the plan
}

// Pause is the word of a person that nothing is merged or applied for now.
type Pause struct {
	Cluster string    `json:"cluster"` // empty: all
	By      string    `json:"by"`
	Reason  string    `json:"reason"` // untrusted text
	At      time.Time `json:"at"`
}

func (p Pause) String() string {
	where := p.Cluster
	if where == "" {
		where = "every cluster"
	}
	s := "paused on " + where + " by " + p.By + " since " + p.At.UTC().Format("2006-01-02 15:04 MST")
	if p.Reason != "" {
		s += ": " + p.Reason
	}
	return s
}
