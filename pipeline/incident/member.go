package incident

import "time"

// Term is one reason for which a workload belongs to an incident.
type Term struct {
	Weight float64 `json:"weight"` // in hundredths, such as 0.4; negative where it speaks against
	Why    string  `json:"why"`
}

// Member is one workload in trouble.
type Member struct {
	Resource  Resource  `json:"resource"`
	Alerts    []string  `json:"alerts"`              // distinct names, sorted
	Container string    `json:"container,omitempty"` // that its signals agree on
	Signals   int       `json:"signals"`             // alert instances and events
	Firing    int       `json:"firing"`              // of these
	Onset     time.Time `json:"onset"`
	Cause     string    `json:"cause,omitempty"` // the member that it is judged by; none for the root
	Score     float64   `json:"score"`           // the sum of its terms
	Terms     []Term    `json:"terms,omitempty"`
}

// OfRoot is what the signals of the root say; where no members are known, what all signals do.
func (i Incident) OfRoot() Member {
	if len(i.Members) > 0 {
		return i.Members[0]
	}
	return Member{Resource: i.Root, Alerts: i.Alerts(), Container: i.Container(), Signals: len(i.Signals), Onset: i.Onset}
}
