# May this change be merged and applied? Asked again before each, on what would really be applied.
package cortexops.apply

import data.cortexops.rules

default allow := false

allow if count(reasons) == 0

reasons := ((rules.denials | rules.dry_run_denials) | rules.risk_denials) | approval_denials

# Logins are compared as forges do, without regard to case.
approvers := {lower(a.user) | some a in input.approvals}

approval_denials contains sprintf("%d of %d approvals are there.", [count(approvers), rules.people]) if {
	count(approvers) < rules.people
}

approval_denials contains sprintf("%s made the change and cannot approve it.", [input.actor]) if {
	approvers[lower(input.actor)]
}
