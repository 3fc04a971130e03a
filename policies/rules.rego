# What the three gates share: which objects are out of bounds, and how many people a risk asks for.
package cortexops.rules

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

denials contains sprintf("%s %s/%s is in namespace %s, which is guarded.", [o.kind, o.namespace, o.name, o.namespace]) if {
	some o in objects
	guarded_namespaces[o.namespace]
}

denials contains sentence if {
	some o in objects
	sentence := guarded_kinds[{"group": o.group, "kind": o.kind}]
}

denials contains "Roles and their bindings are never changed by CortexOps." if {
	some o in objects
	o.group == "rbac.authorization.k8s.io"
}

denials contains sprintf("%s (group %q) is not among the kinds that may be changed.", [o.kind, o.group]) if {
	some o in objects
	not changeable[{"group": o.group, "kind": o.kind}]
}

# Said by what is missing, so that an input without these denies too.
denials contains "There is no target to decide on." if not input.target.kind

denials contains "There is no edit to decide on." if not edited

edited if count(input.edits) > 0

# The dry-run's own conditions, for the gates that come after it.
dry_run_denials contains "There is no dry-run to decide on." if not input.dryRun

dry_run_denials contains sprintf("The dry-run changes more than the edit: %d other field(s).", [input.dryRun.fieldsOutsideEdit]) if {
	input.dryRun.fieldsOutsideEdit > 0
}

by_risk := {"low": 1, "medium": 1, "high": 2}

# Undefined for an unknown risk, which the gates deny.
people := max({by_risk[input.playbook.risk], input.playbook.people})

risk_denials contains sprintf("The risk %q is unknown: it must be low, medium or high.", [input.playbook.risk]) if {
	not by_risk[input.playbook.risk]
}
