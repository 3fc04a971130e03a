// Package incident holds every noun that crosses stations, as plain data. It imports the standard library only
// and does nothing but name, identify and compare.
package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// Status of a Signal.
type Status string

const (
	Firing   Status = "firing"
	Resolved Status = "resolved"
)

// Signal is one normalised piece of telemetry: an alert instance or a Flux event.
// Labels and Annotations are untrusted text, bounded by intake.
type Signal struct {
	ID           string            `json:"id"`     // content-derived, see SignalID
	Source       string            `json:"source"` // alertmanager | flux
	Name         string            `json:"name"`   // alertname, or the reason of the event
	Status       Status            `json:"status"`
	Severity     string            `json:"severity,omitempty"`
	Fingerprint  string            `json:"fingerprint"` // the same for every state of one alert instance
	Subject      Resource          `json:"subject"`     // as the source names it; topology finds its owner
	Container    string            `json:"container,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	AcceptedAt   time.Time         `json:"acceptedAt"` // when intake had it whole; not part of the ID
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Observed is the label that says which object's state a signal of the cluster is: GROUP/KIND/NAME, in the namespace of the subject.
// Of an autoscaler's and of an Event's it is not the subject. Whoever takes the watch over reads it back from the incidents that are
// open, and can tell the end of a trouble only by it; so correlation keeps it where it lets go of other text.
const Observed = "observed"

// SignalID derives the ID from what the signal says, so that a repeated delivery has the same one.
func SignalID(source, fingerprint string, status Status, startsAt, endsAt time.Time) string {
	var room [256]byte
	b := room[:0]
	for _, p := range [...]string{source, fingerprint, string(status)} {
		b = append(append(b, p...), 0)
	}
	for _, t := range [...]time.Time{startsAt, endsAt} { // as stamp
		if !t.IsZero() {
			b = t.UTC().AppendFormat(b, time.RFC3339Nano)
		}
		b = append(b, 0)
	}
	sum := sha256.Sum256(b)
	var text [32]byte
	hex.Encode(text[:], sum[:len(text)/2])
	return string(text[:])
}

// State of an Incident.
type State string

const (
	Provisional State = "provisional" // its settle window is open, its ID may still change
	Sealed      State = "sealed"      // its ID is fixed; only now may a remediation start
	Healed      State = "resolved"    // every signal in it is resolved
)

// Incident is the signals that belong together, with the Resource they are about.
type Incident struct {
	ID       string      `json:"id"`       // see ID
	Revision int         `json:"revision"` // grows by one with every published change
	State    State       `json:"state"`
	Root     Resource    `json:"root"`
	Signals  []Signal    `json:"signals"`          // one per fingerprint, its latest state; ordered by StartsAt, then ID
	Folded   int         `json:"folded,omitempty"` // signals that are counted only, beyond what one message can carry
	Blast    BlastRadius `json:"blast"`
	Onset    time.Time   `json:"onset"` // the earliest StartsAt of the signals it was sealed with
	SealedAt time.Time   `json:"sealedAt,omitzero"`
	HealedAt time.Time   `json:"healedAt,omitzero"` // when its last signal was resolved

	Members  []Member  `json:"members,omitempty"`  // the root first, then as they began
	Score    float64   `json:"score,omitempty"`    // of the member that belongs to it least, 1 for one alone
	Graph    string    `json:"graph,omitempty"`    // digest of the topology that it was judged by
	Linked   []string  `json:"linked,omitempty"`   // IDs of incidents that hang together with it and were sealed apart
	Reopened int       `json:"reopened,omitempty"` // how often it healed and broke out again, or broke out with something else long after
	Window   string    `json:"window,omitempty"`   // the maintenance that it began in: nothing acts on it
	Unlisted int       `json:"unlisted,omitempty"` // members beyond what one message can carry
	AsOf     time.Time `json:"asOf,omitzero"`      // all that was accepted before is in this revision
}

// ID of the incident on root whose earliest signal began at onset: 12 hex digits.
func ID(root Resource, onset time.Time) string { return Digest(root.Key(), stamp(onset))[:12] }

// Alerts lists the distinct names of the incident's signals, sorted.
func (i Incident) Alerts() []string {
	var names []string
	for _, s := range i.Signals {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Container the signals agree on, or "" where they name none or several.
func (i Incident) Container() string {
	name := ""
	for _, s := range i.Signals {
		if s.Container == "" {
			continue
		}
		if name != "" && name != s.Container {
			return ""
		}
		name = s.Container
	}
	return name
}

// BlastRadius is who is hit.
type BlastRadius struct {
	Pods       int      `json:"pods"`                 // of the root itself
	Services   []string `json:"services,omitempty"`   // that lead to these, sorted; with the namespace where it is not the root's
	Dependents int      `json:"dependents,omitempty"` // workloads that depend on the root, over any distance
	Workloads  []string `json:"workloads,omitempty"`  // 20 of these, the first by kind, namespace and name, sorted
	Tiers      []string `json:"tiers,omitempty"`      // that the root and its dependents are labelled with, sorted
	Owners     []string `json:"owners,omitempty"`     // people, likewise
	// AtLeast says that more are hit, farther away. What is counted is then all that is hit within a number of hops: as many as
	// hold no more than 500 workloads. So it does not depend on the order in which the graph came to be.
	AtLeast bool `json:"atLeast,omitempty"`
}

// Advisory is the likely cause and what it rests on. Advice only: it never acts.
type Advisory struct {
	By       string   `json:"by"`              // heuristics | llm
	Model    string   `json:"model,omitempty"` // of the llm
	Cause    string   `json:"cause"`
	Evidence []string `json:"evidence,omitempty"`
}

// Digest of the parts, in hex. Parts are separated, so that ("ab","c") and ("a","bc") differ.
func Digest(parts ...string) string {
	var room [256]byte
	b := room[:0]
	for _, p := range parts {
		b = append(append(b, p...), 0)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
