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
	"edits": [{"object": target, "field": "spec.replicas", "from": "2", "to": "3", "file": "base/checkout.yaml"}],
	"blast": {"pods": 2, "services": ["checkout"]},
	"revert": false, "approvals": [], "freezes": [], "history": [],
	"time": "2026-11-20T10:44:00Z",
}

dry := {"dryRun": {"objects": [target], "fields": [{"object": target, "field": "spec.replicas", "from": "2", "to": "3"}], "fieldsOutsideEdit": 0}}

with_target(t) := object.union(base, {"target": object.union(target, t)})

denied(rule, message) if plan.reasons[{"rule": rule, "message": message}]

test_plan_allows_a_deployment if plan.allow with input as base

test_plan_guards_namespaces[ns] if {
	some ns in ["kube-system", "kube-public", "kube-node-lease", "cortexops"]
	not plan.allow with input as with_target({"namespace": ns})
	denied("guarded_namespace", sprintf("Deployment %s/checkout is in namespace %s, which is guarded.", [ns, ns])) with input as with_target({"namespace": ns})
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

test_nobody_is_asked_where_people_say_so if {
	every c in [["low", 1, "shop", 0], ["low", 2, "shop", 2], ["medium", 1, "shop", 1], ["high", 1, "shop", 2], ["low", 1, "other", 1]] {
		i := object.union(object.union(base, dry), {"playbook": {"risk": c[0], "people": c[1]}, "environment": c[2]})
		approve.allow with input as i with data.cortexops.people.unattended as {"shop"}
		approve.approvals == c[3] with input as i with data.cortexops.people.unattended as {"shop"}
		apply.allow == (c[3] == 0) with input as i with data.cortexops.people.unattended as {"shop"}
	}
	approve.reasons == {"A change of low risk in shop: nobody is asked."} with input as object.union(base, dry) with data.cortexops.people.unattended as {"shop"}
}

test_approve_denies_without_dry_run if {
	not approve.allow with input as base
	approve.approvals == 0 with input as base
	approve.reasons[{"rule": "dry_run", "message": "There is no dry-run to decide on."}] with input as base
}

test_approve_denies_fields_outside_the_edit if {
	i := object.union(base, object.union(dry, {"dryRun": {"fieldsOutsideEdit": 2}}))
	not approve.allow with input as i
	approve.reasons[{"rule": "fields_outside_edit", "message": "The dry-run changes more than the edit: 2 other field(s)."}] with input as i
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
	apply.reasons[{"rule": "quorum", "message": "0 of 1 approvals are there."}] with input as approved([])
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

edited(kind, field, from, to) := object.union(base, {
	"target": object.union(target, {"kind": kind}),
	"edits": [{"object": object.union(target, {"kind": kind}), "field": field, "from": from, "to": to, "file": "base/checkout.yaml"}],
})

test_plan_guards_claims if {
	every f in ["spec.persistentVolumeClaimRetentionPolicy.whenScaled", "spec.volumeClaimTemplates[name=data].spec.resources.requests.storage"] {
		i := edited("StatefulSet", f, "Retain", "Delete")
		not plan.allow with input as i
		denied("guarded_claims", sprintf("%s would change which volume claims are kept: CortexOps never does.", [f])) with input as i
	}
}

test_approve_guards_claims_that_only_the_dry_run_shows if {
	i := object.union(base, {"dryRun": {"objects": [target], "fieldsOutsideEdit": 0, "fields": [{
		"object": target, "field": "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "from": "Retain", "to": "Delete",
	}]}})
	not approve.allow with input as i
}

frozen(environments) := object.union(base, {"freezes": [{
	"name": "sale", "from": "2026-11-20T10:00:00Z", "until": "2026-11-20T11:00:00Z", "environments": environments,
}]})

test_plan_heeds_a_freeze if {
	every environments in [[], ["shop"], ["payments", "shop"]] {
		not plan.allow with input as frozen(environments)
		denied("freeze", "Freeze sale: nothing is changed in shop until 2026-11-20T11:00:00Z.") with input as frozen(environments)
	}
	plan.allow with input as frozen(["payments"])
}

test_plan_knows_when_a_freeze_begins_and_ends if {
	every t, allowed in {"09:59:59": true, "10:00:00": false, "10:59:59": false, "11:00:00": true} {
		allowed == plan.allow with input as object.union(frozen([]), {"time": sprintf("2026-11-20T%sZ", [t])})
	}
}

test_a_freeze_lets_a_revert_pass if plan.allow with input as object.union(frozen([]), {"revert": true})

test_approve_asks_for_two_where_many_are_hit if {
	every c in [[100, 5, 1], [101, 5, 2], [100, 6, 2]] {
		services := array.slice(["a", "b", "c", "d", "e", "f"], 0, c[1])
		i := object.union(object.union(base, dry), {"blast": {"pods": c[0], "services": services}})
		approve.approvals == c[2] with input as i
	}
}

test_approve_says_why_two if {
	i := object.union(object.union(base, dry), {"blast": {"pods": 101}})
	approve.reasons["Many are hit, 101 pod(s) and 1 service(s): 2."] with input as i
}

test_approve_asks_for_two_where_a_stateful_set_shrinks if {
	every c in [
		["StatefulSet", "3", "2", 2], ["StatefulSet", "2", "3", 1], ["StatefulSet", "10", "9", 2], ["StatefulSet", "9", "10", 1],
		["StatefulSet", "", "0", 2], ["StatefulSet", "2", "", 2], ["StatefulSet", "2", "x", 1], ["Deployment", "3", "2", 1],
	] {
		i := object.union(edited(c[0], "spec.replicas", c[1], c[2]), dry)
		approve.approvals == c[3] with input as i
	}
	shrinking := object.union(edited("StatefulSet", "spec.replicas", "3", "2"), dry)
	approve.reasons["A stateful workload is scaled down: 2."] with input as shrinking
	approve.approvals == 1 with input as object.union(shrinking, {"revert": true})
}

people := {"shop": {"Sam", "dana"}}

test_approve_names_who_may if {
	i := object.union(base, dry)
	approve.approvers == {"dana", "sam"} with input as i with data.cortexops.people.approvers as people
	approve.reasons["Only dana, sam may approve in shop."] with input as i with data.cortexops.people.approvers as people
	approve.approvers == set() with input as i
}

test_apply_counts_only_who_may if {
	apply.allow with input as approved(["SAM"]) with data.cortexops.people.approvers as people
	apply.allow with input as approved(["mallory", "dana"]) with data.cortexops.people.approvers as people
	not apply.allow with input as approved(["mallory"]) with data.cortexops.people.approvers as people
	apply.reasons[{"rule": "approvers", "message": "mallory may not approve in shop."}] with input as approved(["mallory"])
		with data.cortexops.people.approvers as people
	apply.allow with input as approved(["mallory"]) with data.cortexops.people.approvers as {"payments": {"sam"}}
}

test_nobody_may_where_no_policy_names_people if {
	not apply.allow with input as approved(["dana"]) with data.cortexops.people as {}
	plan.reasons[{"rule": "people", "message": "The policies do not say who may approve: the package cortexops.people is missing."}] with input as base
		with data.cortexops.people as {}
}
