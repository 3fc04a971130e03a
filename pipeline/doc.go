// Package pipeline is the journey of one incident. Follow it through the rooms, in this order:
//
//	Prometheus fires, Alertmanager posts. intake checks the token, bounds the body, and turns each alert into a
//	Signal whose ID is derived from what it says. bus publishes those of one partition in one message, squeezed, to the stream SIGNALS;
//	only when JetStream has acknowledged all does the webhook answer 2xx. A forge's webhook, or a click on Slack
//	over its webhook or a socket, becomes an Action on the stream ACTIONS.
//
//	SIGNALS has partitions, by namespace, which the work processes share: bus gives each an owner, and refuses one that was
//	replaced. What says something new goes on to the stream FOLDS, and only then are the signals in it acknowledged. There
//	the records of the topology come in between. One process, correlate's Joiner, reads all of it in order: topology's Graph
//	says which workload owns the pod that an alert is about, and whose trouble can come from whose. What belongs together
//	(correlate/rules.go), over namespaces and clusters, is one Incident: provisional at first, sealed when its settle window
//	has passed. Its ID is derived from the root and the onset, and it names the graph that it was judged by. Each revision
//	goes to the stream INCIDENTS.
//
//	One process of each cluster follows it: watch hands every change of its objects to topology's Feed, which makes the
//	records of the graph, and where kubernetes.signals is on to intake's Kubernetes, which makes signals of what the objects
//	say of themselves. Both go over the bus as everything else does. Whoever posts CloudEvents has a webhook of its own.
//
//	remediation starts one workflow remediation/<incident>/<attempt> for a sealed incident, on the task queue of the cluster that
//	its root is in: only that cluster's workers poll it, under their own account. From here on every step is
//	an activity, and every push, pull request, merge and apply looks first and leaves an intent row and a done row in ledger:
//
//	PLANNING          one remediation at a time has the target: a claim in the ledger's database. A second one ends as
//	                  SUPERSEDED and hands its incident to the first. plan matches a playbook, finds the one place that sets the field, or a patch for this overlay where
//	                  others have it from there too (gitops/locate proves it by rendering), and changes that (gitops/edit
//	                  keeps every other byte). gitops/repo tells which commits are suspect, what the field was before, and
//	                  what takes a commit back. No fit, or an open pull request of somebody else that changes the same line: ADVISED,
//	                  with the suspects or the link.
//	POLICY_CHECK      policies decides on the edit alone: gate plan. A denial ends here: DENIED, no branch.
//	DRY_RUNNING       gitops/delivery asks the API server what it would store, under the worker's own identity;
//	                  then gate approve, which also says how many people must agree.
//	PROPOSED          gitops/repo commits without a checkout and pushes by compare-and-swap; writeup makes the words;
//	                  gitops/forge opens the pull request, notify tells Slack.
//	APPROVAL_PENDING  an Action only says that something happened; the forge is read, and approval judges: reviews
//	                  of exactly this head, commands in comments, a person's merge, a close, and clicks on Slack, which nobody but
//	                  we keeps; whose click does not count is told why. Nobody in time: EXPIRED. What becomes of the incident meanwhile is written on the pull
//	                  request; where it heals by itself that is closed: SUPERSEDED. What asks for another change (new evidence, a
//	                  person's own value, a base that moved) is planned, judged and dry-run as the first was, becomes another commit
//	                  of the same pull request, and people are asked again: workflow_revise.go. A person's /cortexops retry, or who
//	                  opens the pull request again, begins the next attempt, and a merge after the end one that starts with its
//	                  apply: workflow_adopt.go.
//	MERGING           gate apply, and the brakes (cortexops pause, too many at a time); the incident must be open still, and what
//	                  is known of it younger than 30 minutes, else it is planned anew: workflow_current.go; the base branch must still render
//	                  what was approved, else that is revised; and nobody else may have opened a pull request for the same line. Then the
//	                  merge with sha = the approved head.
//	APPLYING          the merged revision must render the changed objects as they were approved, byte for byte; then
//	                  dry-run and server-side apply of those objects, and the wait for their rollout. Where Flux or Argo CD
//	                  delivers, it is asked for the merge commit instead, and followed until it has applied that: policy can only record, then.
//	                  What policy refuses to let us apply by now is not: a pull request brings git back, which people merge or close.
//	VERIFYING         verify asks Prometheus until every check has held for its time (SUCCEEDED) or the window is
//	                  over. No data: a person is asked on the pull request; nothing is reverted on silence, nor where somebody else
//	                  rolled out the target or what it depends on meanwhile (confounded).
//	ROLLING_BACK      a failed verdict: a revert commit and its pull request, rehearsed (rendering, dry-run, policy)
//	                  before our merge, then the same apply: ROLLED_BACK, and the incident is escalated, since it
//	                  is still open.
//
// A fix may be made for a time (ttl of its playbook): Temporal starts the workflow expiry/<incident>/<attempt> when that is over,
// and a pull request asks people whether to keep it or to restore what was there before: workflow_expiry.go.
//
// In every phase a missing permission (Unauthorized) is told and waited for: workflow_hold.go. keeper looks from outside at
// what is running, and closes what somebody ended by hand. advise words the likely cause, by heuristics or a model, and
// recalls how incidents like it ended.
//
// Where a Kustomization or HelmRelease of Flux, or an Application of Argo CD, in the repository delivers the workload,
// gitops/chain follows those to the field as locate follows kustomize, and the variable or the release's values are edited.
//
// Beside this way stands replay: it feeds correlate's Joiner and topology's Graph from a file.
//
// health answers /debug/healthz, /livez, /readyz and /metrics beside all of this. The nouns are in incident; who is
// wired to whom is in cmd/cortexops/serve.go.
package pipeline
