# May this change be merged and applied? Asked again before each, on what would really be applied.
package cortexops.apply

import data.cortexops.rules

default allow := false

allow if count(reasons) == 0

reasons := ((rules.denials | rules.dry_run_denials) | rules.risk_denials) | approval_denials

# People, each once, whatever the case in which their login is written.
approvers := {lower(a.user) | some a in input.approvals; rules.may_approve(a.user)}

approval_denials contains {"rule": "quorum", "message": sprintf("%d of %d approvals are there.", [count(approvers), rules.people])} if {
	count(approvers) < rules.people
}

approval_denials contains {"rule": "approvers", "message": sprintf("%s may not approve in %s.", [a.user, input.environment])} if {
	count(approvers) < rules.people
	some a in input.approvals
	not rules.may_approve(a.user)
}

approval_denials contains {"rule": "self_approval", "message": sprintf("%s made the change and cannot approve it.", [input.actor])} if {
	some a in input.approvals
	lower(a.user) == lower(input.actor)
}
