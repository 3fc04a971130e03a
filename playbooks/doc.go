// Package playbooks loads, validates, matches and binds playbooks: the YAML files in which a team says which incidents
// a fix is for, what the fix edits, who approves it and how Prometheus tells that it worked. Load refuses whatever it
// does not know, with file, line and column. The package never acts, reads no cluster and has never heard of git: what
// it hands out is data, in which the only foreign text is DNS names that it has checked.
package playbooks
