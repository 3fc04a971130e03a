package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Phase of a remediation: the Keyword search attribute CortexOpsPhase, a field of every log line, a metric label.
type Phase string

const (
	Planning        Phase = "PLANNING"
	PolicyCheck     Phase = "POLICY_CHECK"
	DryRunning      Phase = "DRY_RUNNING"
	Proposed        Phase = "PROPOSED"
	ApprovalPending Phase = "APPROVAL_PENDING"
	Merging         Phase = "MERGING"
	Applying        Phase = "APPLYING"
	Verifying       Phase = "VERIFYING"
	RollingBack     Phase = "ROLLING_BACK"

	Succeeded  Phase = "SUCCEEDED"
	RolledBack Phase = "ROLLED_BACK"
	Advised    Phase = "ADVISED" // no pull request: no playbook fits, the file can't be proven, git can't fix it, or somebody else is about to
	Denied     Phase = "DENIED"
	Rejected   Phase = "REJECTED"
	Expired    Phase = "EXPIRED"
	Superseded Phase = "SUPERSEDED"
	Escalated  Phase = "ESCALATED"
	Failed     Phase = "FAILED"
)

// Proposal is an incident and a playbook turned into edits of files. Dry-run and decisions are kept beside it, so
// that its digest is known before either.
type Proposal struct {
	Key       Key              `json:"key"`
	Incident  Incident         `json:"incident"`
	Advisory  Advisory         `json:"advisory"`
	Playbook  Playbook         `json:"playbook"`
	BaseSHA   string           `json:"baseSHA"` // the commit that the edits were made on
	Overlay   string           `json:"overlay"` // the kustomization that renders Target, a path in the repository
	Edits     []Edit           `json:"edits"`
	Files     []File           `json:"files"`
	Before    []RenderedObject `json:"before"`    // the objects that the edits change, as rendered before them
	Objects   []RenderedObject `json:"objects"`   // and after them: what is approved
	Untouched []string         `json:"untouched"` // the other overlays, proven to render byte-identical
	Explain   string           `json:"explain"`   // the playbook's own words, rendered
	Suspects  []Suspect        `json:"suspects,omitempty"`
	Reverts   *Suspect         `json:"reverts,omitempty"` // the commit that the edits take back

	Parameters []Parameter `json:"parameters,omitempty"` // that people may choose themselves
}

// Parameter is a value of the change that its playbook leaves to people, within bounds.
type Parameter struct {
	Name string `json:"name"`          // the end of the field: memory
	Min  string `json:"min,omitempty"` // a quantity, as the next ones
	Max  string `json:"max,omitempty"`
	Asks string `json:"asks,omitempty"` // what a person chose; empty: the playbook did
}

// String is the name with its bounds.
func (p Parameter) String() string {
	switch {
	case p.Min != "" && p.Max != "":
		return fmt.Sprintf("%s from %s to %s", p.Name, p.Min, p.Max)
	case p.Max != "":
		return fmt.Sprintf("%s up to %s", p.Name, p.Max)
	case p.Min != "":
		return fmt.Sprintf("%s from %s", p.Name, p.Min)
	}
	return p.Name
}

// Live is what the cluster knows of the root of an incident beside git.
type Live struct {
	Labels, Annotations map[string]string // by which Flux and Argo CD mark what they deliver
	Autoscaler          Resource          // the HorizontalPodAutoscaler that sets its replicas; zero where none is seen
	By                  string            // who manages the autoscaler, for people
}

// NoPlan is the error of planning where an incident gets no pull request. It is an answer, not a failure.
type NoPlan struct{ Why string }

func (e *NoPlan) Error() string { return e.Why }

// Playbook is what a remediation needs to know of the playbook that it follows.
type Playbook struct {
	Name     string        `json:"name"`
	Digest   string        `json:"digest"` // sha256 of its file, in hex
	Risk     string        `json:"risk"`   // low | medium | high
	People   int           `json:"people"` // approvals asked for
	Within   time.Duration `json:"within"` // from the pull request's opening
	Window   time.Duration `json:"window"` // of the verification
	Checks   []Check       `json:"checks"`
	Rollback string        `json:"rollback"`      // revert | none
	TTL      time.Duration `json:"ttl,omitempty"` // after which people are asked whether the fix is still needed; 0: never
}

// Check is one PromQL condition of a verification; the query is already bound to the incident.
type Check struct {
	Name  string        `json:"name"`
	Query string        `json:"query"` // an instant vector or scalar
	Must  string        `json:"must"`  // comparison and number, such as "<= 0.3"
	For   time.Duration `json:"for"`   // how long it must hold without a break, within the window
}

// Edit is one field that changes in what is rendered.
type Edit struct {
	Resource Resource `json:"resource"`
	Field    string   `json:"field"` // spec.template.spec.containers[name=app].resources.limits.memory
	From     string   `json:"from"`  // "" where it was not set
	To       string   `json:"to"`    // "" where it is not set any more
	File     string   `json:"file"`  // path in the repository
	Line     int      `json:"line"`
	Why      []string `json:"why"` // the chain that proves that this file sets this field
}

// File is one file of the change, whole. No bytes: it is not there.
type File struct {
	Path   string `json:"path"`
	Before []byte `json:"before"`
	After  []byte `json:"after"`
}

// RenderedObject is an object as the overlay renders it.
type RenderedObject struct {
	Resource Resource `json:"resource"`
	JSON     []byte   `json:"json"`              // canonical: keys sorted, no space
	Digest   string   `json:"digest"`            // sha256 of JSON, in hex
	Overlay  string   `json:"overlay,omitempty"` // that renders it, where that is not the proposal's
}

// Rendered adds the digest to an object in its canonical form.
func Rendered(r Resource, canonical []byte) RenderedObject {
	sum := sha256.Sum256(canonical)
	return RenderedObject{Resource: r, JSON: canonical, Digest: hex.EncodeToString(sum[:])}
}

// DryRun is what the API server would store.
type DryRun struct {
	By      string         `json:"by"` // the user that asked
	Objects []ObjectChange `json:"objects"`
}

// ObjectChange is the difference between what would be stored of an object before the edit and after it.
type ObjectChange struct {
	Resource Resource      `json:"resource"`
	Diff     string        `json:"diff"` // unified, of YAML without the server's bookkeeping
	Fields   []FieldChange `json:"fields"`
	// Drift is where what is stored is not what git said before the edit: the apply takes that back too.
	Drift     []FieldChange `json:"drift,omitempty"`
	DriftDiff string        `json:"driftDiff,omitempty"`
}

// FieldChange is one leaf that differs.
type FieldChange struct {
	Field  string `json:"field"`
	From   string `json:"from"`
	To     string `json:"to"`
	Server bool   `json:"server,omitempty"` // nobody asked for it: a default, or admission
}

// Gate is a question that policy answers.
type Gate string

const (
	GatePlan    Gate = "plan"
	GateApprove Gate = "approve"
	GateApply   Gate = "apply"
)

// Decision is what policy said.
type Decision struct {
	Gate        Gate     `json:"gate"`
	Allow       bool     `json:"allow"`
	Approvals   int      `json:"approvals"`           // people still needed; of the approve gate
	Approvers   []string `json:"approvers,omitempty"` // logins that alone may approve, in lower case; none: everybody who may push
	Rules       []string `json:"rules,omitempty"`     // that deny
	Reasons     []string `json:"reasons"`             // of a denial, or of the number of people
	Revision    string   `json:"revision"`            // of the policies
	InputDigest string   `json:"inputDigest"`
	Wait        string   `json:"wait,omitempty"` // a brake that holds back what is allowed
}

// Change is a commit on a branch and its pull request.
type Change struct {
	Repository string    `json:"repository"` // owner/name
	Branch     string    `json:"branch"`
	Base       string    `json:"base"`
	HeadSHA    string    `json:"headSHA"`
	Number     int       `json:"number"`
	URL        string    `json:"url"`
	OpenedAt   time.Time `json:"openedAt"`
	RevisedAt  time.Time `json:"revisedAt,omitzero"` // when another commit took the place of the first
}

// Since is from when people have been shown what is at its head.
func (c Change) Since() time.Time {
	if c.RevisedAt.IsZero() {
		return c.OpenedAt
	}
	return c.RevisedAt
}

// ActionKind is what a person did.
type ActionKind string

const (
	Approve        ActionKind = "approve" // a review, or a click on Slack
	Reject         ActionKind = "reject"  // a click on Slack
	RequestChanges ActionKind = "request_changes"
	Merge          ActionKind = "merge"
	Close          ActionKind = "close"
	Reopen         ActionKind = "reopen"
	Push           ActionKind = "push"   // new commits on the change's branch
	Answer         ActionKind = "answer" // a command in a comment: /cortexops keep
	Retry          ActionKind = "retry"  // the comment /cortexops retry
)

// Action is what a person did to a Change.
type Action struct {
	Delivery   string     `json:"delivery"` // the same when it is sent again
	Kind       ActionKind `json:"kind"`
	Actor      string     `json:"actor"` // login on the forge
	Repository string     `json:"repository"`
	Number     int        `json:"number"`
	Branch     string     `json:"branch"`
	HeadSHA    string     `json:"headSHA"`
	MergeSHA   string     `json:"mergeSHA,omitempty"`
	Reason     string     `json:"reason,omitempty"` // of a Reject: what the person wrote, untrusted text
	Via        string     `json:"via,omitempty"`    // ViaSlack; empty: the forge
	AcceptedAt time.Time  `json:"acceptedAt"`
}

// ViaSlack marks an Action that was clicked on Slack.
const ViaSlack = "slack"

// Names of what can be clicked and filled in, in the message on Slack that asks for an approval.
const (
	SlackApprove = "cortexops_approve" // action_id of the button, as the next
	SlackReject  = "cortexops_reject"
	SlackReason  = "cortexops_reason" // block_id and action_id of the input

	MaxReason = 500 // runes
)

// Button is what such a button carries: what exactly the person who clicks it has seen.
type Button struct {
	Incident string `json:"incident"`
	Attempt  int    `json:"attempt"`
	HeadSHA  string `json:"head"`
	Number   int    `json:"number"`
}

// Verdict of a verification.
type Verdict struct {
	Result string        `json:"result"`           // pass | fail | no-data
	Reason string        `json:"reason,omitempty"` // of no-data: Confounded, or none
	Checks []CheckResult `json:"checks"`
	At     time.Time     `json:"at"`
}

// Confounded is the reason of a verdict in whose window somebody else rolled out the target, or what it depends on.
const Confounded = "confounded"

const (
	Pass   = "pass"
	Fail   = "fail"
	NoData = "no-data"
)

// CheckResult is how one check stood when the verdict fell.
type CheckResult struct {
	Name   string `json:"name"`
	Result string `json:"result"`
	Value  string `json:"value"` // as Prometheus printed it, or why there is none
	Must   string `json:"must"`
}
