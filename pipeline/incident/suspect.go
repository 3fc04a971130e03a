package incident

import (
	"cmp"
	"slices"
	"time"
)

// Suspect is a commit that may have caused an incident: it came before, and changed what a workload of it is. Subject and
// Author are what people wrote, untrusted text.
type Suspect struct {
	SHA      string        `json:"sha"`
	Subject  string        `json:"subject"`
	Author   string        `json:"author"`
	When     time.Time     `json:"when"`   // it came to the branch
	Before   time.Duration `json:"before"` // the onset
	Distance int           `json:"distance"`
	Paths    []string      `json:"paths"` // of the files in which it did
	// Fields of the workload that it changed, the root where that is one of them; none where that could not be rendered.
	Resource Resource      `json:"resource,omitzero"`
	Fields   []FieldChange `json:"fields,omitempty"`
	Merged   []string      `json:"merged,omitempty"` // of a merge: who wrote the commits in it
}

// Short is the SHA as people write it.
func (s Suspect) Short() string { return s.SHA[:min(12, len(s.SHA))] }

// RankSuspects puts the likeliest first: the nearer in time and in distance. A step of distance counts as if the commit
// were once more as old.
func RankSuspects(all []Suspect) {
	age := func(s Suspect) time.Duration { return s.Before * time.Duration(1+s.Distance) }
	slices.SortStableFunc(all, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(age(a), age(b)), cmp.Compare(a.Distance, b.Distance))
	})
}
