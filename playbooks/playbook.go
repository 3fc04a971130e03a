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
	TTL      time.Duration // after which people are asked whether the edit is still needed; 0: never

	when    cel.Program        // nil where When is ""
	explain *template.Template // executed on Explanation
	uses    map[string]bool    // the placeholders that edits and queries need
}

// Edit is one change of the object that the incident is about, by exactly one of its ways. Scale, Set, Image, Stamp,
// Remove and RollBack change the Field; the others say themselves what they change.
type Edit struct {
	Field string // spec.template.spec.containers[name=$container].resources.limits.memory
	Scale *Scale
	Set   *string // adds the field where it is not there
	Image *Image
	// Stamp writes when the remediation began, and adds the field where it is not there. The new value only triggers
	// something, and so would taking it back: Rollback is None.
	Stamp    bool
	Remove   bool
	RollBack *RollBack

	Env        *Env
	Annotation *Annotation
	Suspend    *bool
	Autoscaler *Autoscaler
	Patch      string // a strategic merge patch of the object, in YAML
	JSON6902   string // a list of JSON patch operations, in YAML
	Revert     *Suspected

	// Base edits where the value comes from, even where other overlays get it from there too.
	Base bool
}

// Scale multiplies a Kubernetes quantity (a plain integer is one) and keeps it within bounds.
type Scale struct {
	By       float64
	Min, Max string // quantities, Min ≤ Max
}

// Image gives the image that is there another tag, digest or both; either may be empty.
type Image struct{ Tag, Digest string }

// RollBack gives the field the last value that it had for as long as HealthyFor in git, if the one that it has now was set
// at most ChangedWithin before the incident began.
type RollBack struct{ HealthyFor, ChangedWithin time.Duration }

// Env is a variable of a container. One that takes its value from elsewhere is left alone.
type Env struct{ Container, Name, Value string }

// Annotation of the object, or of the pods that it makes.
type Annotation struct {
	Name, Value string
	Pods        bool
}

// Autoscaler scales what the HorizontalPodAutoscaler of the object chooses from; nil leaves a bound as it is.
type Autoscaler struct{ MinReplicas, MaxReplicas *Scale }

// Suspected says which commit is taken back: the suspect, the one that is the likeliest to have caused the incident. It
// came at most Within before that began, and changed something at most Distance steps from the object.
type Suspected struct {
	Within   time.Duration
	Distance int
}

// Check is one PromQL condition.
type Check struct {
	Name  string
	Query string
	Must  string        // comparison and number: == != < <= > >=
	For   time.Duration // at most the playbook's Window
}
