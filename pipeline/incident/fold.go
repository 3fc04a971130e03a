package incident

import "time"

// Fold is what one partition tells the joiner: of a stretch of its signals those that say something new, in the order of the
// partition.
type Fold struct {
	Partition int       `json:"partition"`
	Signals   []Signal  `json:"signals,omitempty"`
	Seen      time.Time `json:"seen,omitzero"` // all that the partition accepted before is in its folds so far, but for what is late
}

// JoinRecord is one thing that the joiner reads in order: a fold, or changes of the graph.
type JoinRecord struct {
	Fold     *Fold
	Changes  []GraphChange
	Position uint64 // in the order; 0 where a partition only says how far it has read
}
