package incident

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Key names one remediation: one workflow, one branch, one pull request, one merge, one apply, at most one revert.
type Key struct {
	Incident string `json:"incident"`
	Attempt  int    `json:"attempt"` // from 1
}

// Restoring names the end of the fix, as who has a target to itself: its workflow is another.
func (k Key) Restoring() Key { return Key{Incident: k.Incident, Attempt: -k.Attempt} }

// IsRestoring tells such a key from that of a remediation.
func (k Key) IsRestoring() bool { return k.Attempt < 0 }

// Workflow is the Temporal workflow ID.
func (k Key) Workflow() string {
	if k.IsRestoring() {
		return k.Restoring().Expiry()
	}
	return fmt.Sprintf("remediation/%s/%d", k.Incident, k.Attempt)
}

// Retry is the command by which a person has it tried again.
func (k Key) Retry() string {
	if k.Attempt > 1 {
		return fmt.Sprintf("cortexops retry %s --attempt %d", k.Incident, k.Attempt)
	}
	return "cortexops retry " + k.Incident
}

// Branch carries the change.
func (k Key) Branch() string { return fmt.Sprintf("cortexops/%s-%d", k.Incident, k.Attempt) }

// RevertBranch carries its undoing.
func (k Key) RevertBranch() string { return k.Branch() + "-revert" }

// Expiry is the Temporal workflow ID of the end of a fix that was made for a time.
func (k Key) Expiry() string { return fmt.Sprintf("expiry/%s/%d", k.Incident, k.Attempt) }

// RestoreBranch carries what was there before a fix that has expired.
func (k Key) RestoreBranch() string { return k.Branch() + "-restore" }

var branch = regexp.MustCompile(`^cortexops/([0-9a-f]{12})-([1-9][0-9]{0,3})(-revert)?$`)

// KeyOfBranch is the inverse of Branch and RevertBranch. A branch name comes from outside: anything else is refused.
func KeyOfBranch(name string) (key Key, revert, ok bool) {
	m := branch.FindStringSubmatch(name)
	if m == nil {
		return Key{}, false, false
	}
	n, err := strconv.Atoi(m[2])
	return Key{Incident: m[1], Attempt: n}, m[3] != "", err == nil
}

// KeyOfRestore is the inverse of RestoreBranch.
func KeyOfRestore(name string) (key Key, ok bool) {
	name, ok = strings.CutSuffix(name, "-restore")
	key, revert, ours := KeyOfBranch(name)
	return key, ok && ours && !revert
}
