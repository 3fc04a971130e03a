# What the three gates share: which objects are out of bounds, when nothing may be changed, and how many people, and who,
# have to approve. A denial is a sentence, or {"rule": its name, "message": the sentence}.
package cortexops.rules

import data.cortexops.people as named

guarded_namespaces := {"kube-system", "kube-public", "kube-node-lease", "cortexops"}

# group and kind of what may be changed; everything else may not.
changeable := {
	{"group": "apps", "kind": "Deployment"},
	{"group": "apps", "kind": "StatefulSet"},
	{"group": "apps", "kind": "DaemonSet"},
	{"group": "autoscaling", "kind": "HorizontalPodAutoscaler"},
	{"group": "helm.toolkit.fluxcd.io", "kind": "HelmRelease"},
	{"group": "kustomize.toolkit.fluxcd.io", "kind": "Kustomization"},
}

# Kinds with a sentence of their own, since they are the ones that people ask about.
guarded_kinds := {
	{"group": "", "kind": "Secret"}: "Secrets are never changed by CortexOps.",
	{"group": "", "kind": "Namespace"}: "Namespaces are never changed by CortexOps.",
	{"group": "", "kind": "PersistentVolumeClaim"}: "Volumes and claims hold data: CortexOps never changes them.",
	{"group": "", "kind": "PersistentVolume"}: "Volumes and claims hold data: CortexOps never changes them.",
	{"group": "apiextensions.k8s.io", "kind": "CustomResourceDefinition"}: "Custom resource definitions are never changed by CortexOps.",
}

# The target, and whatever else the dry-run says would change.
objects contains input.target

objects contains object if some object in input.dryRun.objects

# What the edits ask for, and what the API server would store.
changes contains change if some change in input.edits

changes contains change if some change in input.dryRun.fields

denials contains {"rule": "guarded_namespace", "message": sprintf("%s %s/%s is in namespace %s, which is guarded.", [o.kind, o.namespace, o.name, o.namespace])} if {
	some o in objects
	guarded_namespaces[o.namespace]
}

denials contains {"rule": "guarded_kind", "message": sentence} if {
	some o in objects
	sentence := guarded_kinds[{"group": o.group, "kind": o.kind}]
}

denials contains {"rule": "guarded_rbac", "message": "Roles and their bindings are never changed by CortexOps."} if {
	some o in objects
	o.group == "rbac.authorization.k8s.io"
}

denials contains {"rule": "changeable", "message": sprintf("%s (group %q) is not among the kinds that may be changed.", [o.kind, o.group])} if {
	some o in objects
	not changeable[{"group": o.group, "kind": o.kind}]
}

# A claim is deleted by the field of another object, too.
denials contains {"rule": "guarded_claims", "message": sprintf("%s would change which volume claims are kept: CortexOps never does.", [change.field])} if {
	some change in changes
	some prefix in ["spec.persistentVolumeClaimRetentionPolicy", "spec.volumeClaimTemplates"]
	startswith(change.field, prefix)
}

# Said by what is missing, so that an input without these denies too.
denials contains {"rule": "target", "message": "There is no target to decide on."} if not input.target.kind

denials contains {"rule": "edit", "message": "There is no edit to decide on."} if not edited

edited if count(input.edits) > 0

denials contains {"rule": "people", "message": "The policies do not say who may approve: the package cortexops.people is missing."} if not named.approvers

denials contains {"rule": "freeze", "message": sprintf("Freeze %s: nothing is changed in %s until %s.", [f.name, input.environment, f.until])} if {
	some f in input.freezes
	applies(f)
	now := time.parse_rfc3339_ns(input.time)
	now >= time.parse_rfc3339_ns(f.from)
	now < time.parse_rfc3339_ns(f.until)
	not input.revert # what does not help is taken back at any time
}

applies(freeze) if count(freeze.environments) == 0

applies(freeze) if input.environment in freeze.environments

# The dry-run's own conditions, for the gates that come after it.
dry_run_denials contains {"rule": "dry_run", "message": "There is no dry-run to decide on."} if not input.dryRun

dry_run_denials contains {"rule": "fields_outside_edit", "message": sprintf("The dry-run changes more than the edit: %d other field(s).", [input.dryRun.fieldsOutsideEdit])} if {
	input.dryRun.fieldsOutsideEdit > 0
}

by_risk := {"low": 1, "medium": 1, "high": 2}

# Undefined for an unknown risk, which the gates deny.
people := 0 if unattended

else := most

most := max({by_risk[input.playbook.risk], input.playbook.people, by_blast, by_state})

# Nobody is asked.
unattended if {
	input.environment in named.unattended
	input.playbook.risk == "low"
	most == 1
}

risk_denials contains {"rule": "risk", "message": sprintf("The risk %q is unknown: it must be low, medium or high.", [input.playbook.risk])} if {
	not by_risk[input.playbook.risk]
}

default by_blast := 1

by_blast := 2 if wide

wide if input.blast.pods > 100

wide if count(input.blast.services) > 5

default by_state := 1

by_state := 2 if scaled_down

# Fewer replicas of what holds data. Its revert was approved with the change.
scaled_down if {
	some change in changes
	change.object.kind == "StatefulSet"
	change.field == "spec.replicas"
	replicas(change.to) < replicas(change.from)
	not input.revert
}

replicas("") := 1 # the API server's default

replicas(n) := to_number(n) if regex.match(`^[0-9]+$`, n)

# Logins that alone may approve here; none: everybody who may push. Logins are compared as forges do, without regard to case.
approvers := {lower(login) | some login in named.approvers[input.environment]}

may_approve(_) if count(approvers) == 0

may_approve(login) if approvers[lower(login)]
