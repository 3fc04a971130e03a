package incident

import "fmt"

// Outcome is how a remediation ended.
type Outcome struct {
	Phase  Phase  `json:"phase"` // one of the endings
	Reason string `json:"reason"`
	Rival  Rival  `json:"rival,omitzero"` // that we stood back from
	Merged Merged `json:"merged,omitzero"`
	// Untried: it says nothing of the playbook, since the change was never seen at work. What delivers it, a rule of the forge, a
	// missing permission or policy stood in the way.
	Untried bool `json:"untried,omitempty"`
}

// Merged is what a remediation that did not come to a good end leaves in git: the next attempt goes on from there. Zero: nothing that
// another apply or another look could make good.
type Merged struct {
	Number int    `json:"number"` // of the pull request
	SHA    string `json:"sha"`
}

// Rival is an open pull request of somebody else that changes a line that a proposal changes.
type Rival struct {
	Number int    `json:"number"`
	URL    string `json:"url"`
	By     string `json:"by"` // login on the forge
	File   string `json:"file"`
	Line   int    `json:"line"` // of the base
}

func (r Rival) String() string {
	return fmt.Sprintf("pull request %d by %s is open, and changes %s:%d too", r.Number, r.By, r.File, r.Line)
}
