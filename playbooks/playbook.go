package playbooks

import (
	"text/template"
	"time"

	"github.com/google/cel-go/cel"
)

// Risk of a playbook's edit, as its author judges it. Policy turns it into a number of people.
type Risk string

const (
	Low    Risk = "low"
	Medium Risk = "medium"
	High   Risk = "high"
)

// rank orders risks: the lower one wins where two playbooks fit equally well.
var rank = map[Risk]int{Low: 0, Medium: 1, High: 2}

// Rollback says what happens to the edit when its verification fails.
type Rollback string

const (
	Revert Rollback = "revert" // a pull request that reverts our own commit
	None   Rollback = "none"   // a person decides
)

// Playbook is one valid playbook.yaml.
type Playbook struct {
	Name        string // DNS label, and the name of its folder
	Description string
	File        string // path below the root of what Load read
	Digest      string // sha256 of the file, in hex

	Alerts   []string // it is for incidents in which at least one of these alerts takes part
	When     string   // CEL condition over `incident`, or ""
	Edits    []Edit
	Risk     Risk
	People   int           // approvals asked for, from 1
	Within   time.Duration // how long the approval may take
	Window   time.Duration // how long the verification may take
	Checks   []Check
	Rollback Rollback

	when    cel.Program        // nil where When is ""
	explain *template.Template // executed on Explanation
	uses    map[string]bool    // the placeholders that edits and queries need
}

// Edit is one scalar to change, by exactly one of Scale, Set, Image and Stamp.
type Edit struct {
	Field string // spec.template.spec.containers[name=$container].resources.limits.memory
	Scale *Scale
	Set   *string // adds the field where it is not there
	Image *Image
	// Stamp writes when the remediation began, and adds the field where it is not there. The new value only triggers
	// something, and so would taking it back: Rollback is None.
	Stamp bool
}

// Scale multiplies a Kubernetes quantity (a plain integer is one) and keeps it within bounds.
type Scale struct {
	By       float64
	Min, Max string // quantities, Min ≤ Max
}

// Image gives the image that is there another tag, digest or both; either may be empty.
type Image struct{ Tag, Digest string }

// Check is one PromQL condition.
type Check struct {
	Name  string
	Query string
	Must  string        // comparison and number: == != < <= > >=
	For   time.Duration // at most the playbook's Window
}
