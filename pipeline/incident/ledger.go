package incident

import (
	"encoding/json"
	"time"
)

// Entry is one row of the ledger. (Incident, Attempt, Step, Kind) is unique: a repeated write is the same row.
type Entry struct {
	Incident string          `json:"incident"`
	Attempt  int             `json:"attempt"`
	Phase    Phase           `json:"phase"`
	Step     string          `json:"step"` // open-pull, merge, apply, …
	Kind     EntryKind       `json:"kind"`
	Actor    string          `json:"actor"`
	Detail   json.RawMessage `json:"detail"` // an object; big things by their blob's digest
	At       time.Time       `json:"at"`
}

// StepEnding is the step of the row that every remediation ends with.
const StepEnding = "ending"

// EntryKind says what a row records.
type EntryKind string

const (
	Intent EntryKind = "intent" // a write to the outside is about to be tried
	Done   EntryKind = "done"   // it is known to have happened
	Event  EntryKind = "event"  // something was decided or seen
)
