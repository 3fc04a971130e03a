// Package verify asks Prometheus whether a remediation worked. Verifier takes samples; Step, which is pure, turns them
// into a Verdict: pass early, fail or no-data at the window's end. No data is never taken for success, nor for failure:
// nothing is undone on silence. The queries come from playbooks, bound and checked there; nothing is added to them here.
package verify
