package policies

import (
	_ "embed" // the schema
	"errors"
	"fmt"
	"slices"
	"time"
)

// The gates, each a package cortexops.<gate> of the policy.
const (
	Plan    = "plan"
	Approve = "approve"
	Apply   = "apply"
)

// Gates in the order in which a remediation meets them.
func Gates() []string { return []string{Plan, Approve, Apply} }

// Input is what a policy sees as `input`.
type Input struct {
	Cluster     string     `json:"cluster"`
	Environment string     `json:"environment"` // the target's namespace
	Incident    string     `json:"incident"`
	Actor       string     `json:"actor"` // the login that makes the change: ours
	Playbook    Playbook   `json:"playbook"`
	Target      Object     `json:"target"`
	Edits       []Edit     `json:"edits"`
	Blast       Blast      `json:"blast"`
	Revert      bool       `json:"revert"`           // it takes back a change that did not help, and was approved with it
	DryRun      *DryRun    `json:"dryRun,omitempty"` // nil at the gate plan, which comes before it
	Approvals   []Approval `json:"approvals"`
	Freezes     []Freeze   `json:"freezes"` // all of the configuration, whenever they are
	History     []Past     `json:"history"` // earlier remediations of the target in the last 30 days, the newest first
	Time        time.Time  `json:"time"`    // also what time.now_ns() is, so that a decision can be repeated
}

// Playbook that the change follows.
type Playbook struct {
	Name   string `json:"name"`
	Risk   string `json:"risk"` // low | medium | high
	People int    `json:"people"`
}

// Object of the cluster; Group is empty for the core group.
type Object struct {
	Group     string `json:"group"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Edit is one changed scalar of one file.
type Edit struct {
	Object Object `json:"object"`
	Field  string `json:"field"`
	From   string `json:"from"` // empty: not set before
	To     string `json:"to"`
	File   string `json:"file"`
}

// Blast is who is hit.
type Blast struct {
	Pods     int      `json:"pods"`
	Services []string `json:"services"`
}

// DryRun is what the API server would store.
type DryRun struct {
	Objects           []Object `json:"objects"`           // those that would change
	Fields            []Field  `json:"fields"`            // the diff: every leaf that would be stored differently
	FieldsOutsideEdit int      `json:"fieldsOutsideEdit"` // how many of Fields no edit asks for
}

// Field is one leaf that differs.
type Field struct {
	Object Object `json:"object"`
	Field  string `json:"field"`
	From   string `json:"from"`
	To     string `json:"to"`
}

// Approval is one person's.
type Approval struct {
	User string `json:"user"` // login on the forge
}

// Freeze is a time in which nothing should be changed.
type Freeze struct {
	Name         string    `json:"name"`
	From         time.Time `json:"from"`
	Until        time.Time `json:"until"`
	Environments []string  `json:"environments"` // empty: all
}

// Past is an earlier remediation of the same target.
type Past struct {
	Incident string    `json:"incident"`
	Attempt  int       `json:"attempt"`
	Playbook string    `json:"playbook"`
	Outcome  string    `json:"outcome"` // its ending, such as ROLLED_BACK; empty: it is still going on
	At       time.Time `json:"at"`      // of the ending; while there is none, of the plan
}

//go:embed input.schema.json
var schema []byte

// Schema of Input as JSON Schema. Policies are compiled against it: one that asks for what is not there is refused.
func Schema() []byte { return slices.Clone(schema) }

// check holds the input to what a policy may rely on, since Rego takes a missing value for a condition that does not
// hold, and a denial would not be written then.
func (in Input) check(gate string) error {
	var errs []error
	for _, v := range []struct{ name, value string }{
		{"cluster", in.Cluster}, {"incident", in.Incident}, {"actor", in.Actor}, {"playbook.name", in.Playbook.Name},
		{"playbook.risk", in.Playbook.Risk}, {"target.kind", in.Target.Kind}, {"target.name", in.Target.Name},
	} {
		if v.value == "" {
			errs = append(errs, fmt.Errorf("%s is empty", v.name))
		}
	}
	if in.Time.IsZero() {
		errs = append(errs, errors.New("time is not set"))
	}
	if in.Playbook.People < 1 {
		errs = append(errs, errors.New("playbook.people is below 1"))
	}
	if gate == Plan && in.DryRun != nil {
		errs = append(errs, errors.New("the gate plan comes before the dry-run, which is set"))
	}
	if slices.ContainsFunc(in.Approvals, func(a Approval) bool { return a.User == "" }) {
		errs = append(errs, errors.New("an approval is nobody's"))
	}
	if in.DryRun != nil && in.DryRun.FieldsOutsideEdit < 0 {
		errs = append(errs, errors.New("dryRun.fieldsOutsideEdit is below 0"))
	}
	for _, f := range in.Freezes {
		errs = append(errs, f.Check())
	}
	return errors.Join(errs...)
}

// Check tells what is wrong with a freeze.
func (f Freeze) Check() error {
	switch {
	case f.Name == "":
		return errors.New("a freeze has no name")
	case f.From.IsZero() || f.Until.IsZero():
		return fmt.Errorf("the freeze %q needs both from and until", f.Name)
	case !f.Until.After(f.From):
		return fmt.Errorf("the freeze %q ends before it begins", f.Name)
	}
	return nil
}

// filled has no nil list, which JSON would make null and count() an error.
func (in Input) filled() Input {
	in.Edits = list(in.Edits)
	in.Blast.Services = list(in.Blast.Services)
	in.Approvals = list(in.Approvals)
	in.History = list(in.History)
	in.Freezes = slices.Clone(list(in.Freezes))
	for i, f := range in.Freezes {
		in.Freezes[i].Environments = list(f.Environments)
	}
	if in.DryRun != nil {
		d := *in.DryRun
		d.Objects, d.Fields = list(d.Objects), list(d.Fields)
		in.DryRun = &d
	}
	in.Time = in.Time.UTC()
	return in
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
