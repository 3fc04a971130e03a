package demo

import (
	"strings"
	"time"
)

// Evidence is what everybody but CortexOps keeps of a drill, and its ledger.
type Evidence struct {
	Sent      []string          // fingerprints of the signals that the drill was told were accepted
	Dropped   uint64            // signals that SIGNALS let go, by the first sequence numbers of its partitions
	Signals   []StoredSignal    // JetStream: all that SIGNALS holds
	Incidents []StoredIncident  // JetStream: the last revision of each
	Runs      []Run             // Temporal: every run of every remediation
	Pulls     []Pull            // the forge
	Refs      map[string]string // git: the forge's branches
	Commits   []Commit          // git: main
	Writes    []WorkloadWrite   // the Kubernetes audit log
	Rows      []LedgerRow       // the ledger
	Broken    string            // what is wrong with the ledger's chain by its own word; empty: intact
}

// StoredSignal is a signal in JetStream.
type StoredSignal struct {
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Name        string    `json:"name"`
	Status      string    `json:"status"`
	Fingerprint string    `json:"fingerprint"`
	StartsAt    time.Time `json:"startsAt"`
	AcceptedAt  time.Time `json:"acceptedAt"`
	Message     string    `json:"-"` // the IDs of all that its message holds
}

// StoredIncident is a revision of an incident in JetStream.
type StoredIncident struct {
	ID       string    `json:"id"`
	SealedAt time.Time `json:"sealedAt"`
	Folded   int       `json:"folded"`
	Reopened int       `json:"reopened"` // each time it broke out again is another attempt
	Root     struct {
		Kind      string `json:"kind"`
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"root"`
	Signals []StoredSignal `json:"signals"`
}

// object is the root as the audit log names it.
func (i StoredIncident) object() string {
	return strings.ToLower(i.Root.Kind) + "s " + i.Root.Namespace + "/" + i.Root.Name
}

// Run is one run of a remediation's workflow.
type Run struct {
	Workflow    string
	Phase       string // of its result; empty: it has not completed
	Began, Over time.Time
	Done        map[string]int // by activity: how often it was scheduled and completed; "Apply revert" apart from "Apply"
}

// LedgerRow is a line of `cortexops ledger show`.
type LedgerRow struct {
	Incident string `json:"incident"`
	Attempt  int    `json:"attempt"`
	Phase    string `json:"phase"`
	Step     string `json:"step"`
	Kind     string `json:"kind"`
}
