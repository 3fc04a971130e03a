package incident

import "time"

// Course is how a check's query stood before and after the apply.
type Course struct {
	Check   string    `json:"check"` // its name
	Applied time.Time `json:"applied"`
	Bound   *float64  `json:"bound,omitempty"`  // that its condition compares with
	Points  []Point   `json:"points,omitempty"` // in the order of time; a time without a number has none
	NoData  string    `json:"noData,omitempty"` // why there are no points
}

// Point is one value. It is finite.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}
