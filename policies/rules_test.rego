package cortexops.rules_test

import data.cortexops.apply
import data.cortexops.approve
import data.cortexops.plan
import data.cortexops.rules

target := {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "checkout"}

base := {
	"cluster": "sandbox", "environment": "shop", "incident": "7f3a19000000", "actor": "cortexops-bot",
	"playbook": {"name": "raise-memory-limit", "risk": "low", "people": 1},
	"target": target,
	"edits": [{"field": "spec.replicas", "from": "2", "to": "3", "file": "base/checkout.yaml"}],
	"blast": {"pods": 2, "services": ["checkout"]},
	"approvals": [],
	"time": "2026-11-20T10:44:00Z",
}

dry := {"dryRun": {"objects": [target], "fields": [{"field": "spec.replicas", "from": "2", "to": "3"}], "fieldsOutsideEdit": 0}}

with_target(t) := object.union(base, {"target": object.union(target, t)})

test_plan_allows_a_deployment if plan.allow with input as base

test_plan_guards_namespaces[ns] if {
	some ns in ["kube-system", "kube-public", "kube-node-lease", "cortexops"]
	not plan.allow with input as with_target({"namespace": ns})
	some r in plan.reasons with input as with_target({"namespace": ns})
	contains(r, "which is guarded")
}

test_plan_guards_kinds if {
	every k in [
		["", "Secret"], ["", "Namespace"], ["", "PersistentVolume"], ["", "PersistentVolumeClaim"], ["", "ConfigMap"], ["", "Pod"],
		["rbac.authorization.k8s.io", "Role"], ["rbac.authorization.k8s.io", "ClusterRoleBinding"],
		["apiextensions.k8s.io", "CustomResourceDefinition"], ["batch", "Job"], ["evil.example", "Deployment"],
	] {
		not plan.allow with input as with_target({"group": k[0], "kind": k[1]})
	}
}

test_plan_allows_the_changeable if {
	every k in rules.changeable {
		plan.allow with input as with_target(k)
	}
}

test_plan_denies_an_unknown_risk if {
	not plan.allow with input as object.union(base, {"playbook": {"risk": "tiny"}})
}

test_plan_denies_no_edit if {
	not plan.allow with input as object.union(base, {"edits": []})
}

test_plan_denies_what_it_cannot_see if {
	not plan.allow with input as object.remove(base, ["target"])
	not plan.allow with input as {}
}

test_approve_asks_for_people if {
	every c in [["low", 1, 1], ["low", 3, 3], ["medium", 1, 1], ["high", 1, 2], ["high", 4, 4]] {
		i := object.union(object.union(base, dry), {"playbook": {"risk": c[0], "people": c[1]}})
		approve.allow with input as i
		approve.approvals == c[2] with input as i
	}
}

test_approve_denies_without_dry_run if {
	not approve.allow with input as base
	approve.approvals == 0 with input as base
	approve.reasons["There is no dry-run to decide on."] with input as base
}

test_approve_denies_fields_outside_the_edit if {
	i := object.union(base, object.union(dry, {"dryRun": {"fieldsOutsideEdit": 2}}))
	not approve.allow with input as i
	approve.reasons["The dry-run changes more than the edit: 2 other field(s)."] with input as i
}

test_approve_looks_at_every_object if {
	secret := {"group": "", "kind": "Secret", "namespace": "shop", "name": "token"}
	i := object.union(base, {"dryRun": {"objects": [target, secret], "fields": [], "fieldsOutsideEdit": 0}})
	not approve.allow with input as i
}

approved(users) := object.union(object.union(base, dry), {"approvals": [{"user": u} | some u in users]})

test_apply_allows if apply.allow with input as approved(["sam"])

test_apply_denies_without_approval if {
	not apply.allow with input as approved([])
	apply.reasons["0 of 1 approvals are there."] with input as approved([])
}

test_apply_denies_the_bot if {
	not apply.allow with input as approved(["CortexOps-Bot"])
	not apply.allow with input as approved(["sam", "cortexops-bot"])
}

test_apply_counts_people_once if {
	not apply.allow with input as object.union(approved(["sam", "Sam"]), {"playbook": {"risk": "high"}})
	apply.allow with input as object.union(approved(["sam", "dana"]), {"playbook": {"risk": "high"}})
}

test_apply_denies_without_dry_run if {
	not apply.allow with input as object.remove(approved(["sam"]), ["dryRun"])
}
