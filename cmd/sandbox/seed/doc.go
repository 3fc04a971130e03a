// Package seed makes the world that the sandbox's stories happen in: the configurations of the programs, who may do
// what in the cluster, the team's GitOps repository, and the two commits with which people get themselves into
// trouble. Everything here is done as a user would do it, through files, the API server and git. It starts nothing.
package seed
