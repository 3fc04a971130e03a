# May this change be put before people, and how many of them have to approve it? Asked with the dry-run.
package cortexops.approve

import data.cortexops.rules

default allow := false

allow if count(denials) == 0

denials := (rules.denials | rules.dry_run_denials) | rules.risk_denials

default approvals := 0

approvals := rules.people if allow

reasons := denials if not allow

reasons := {sprintf("Risk %s asks for %d.", [input.playbook.risk, rules.by_risk[input.playbook.risk]]), sprintf("Playbook %s asks for %d.", [input.playbook.name, input.playbook.people])} if allow
