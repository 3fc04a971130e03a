# May this change be put before people, how many of them have to approve it, and who may? Asked with the dry-run.
package cortexops.approve

import data.cortexops.rules

default allow := false

allow if count(denials) == 0

denials := (rules.denials | rules.dry_run_denials) | rules.risk_denials

default approvals := 0

approvals := rules.people if allow

# Empty: everybody who may push.
approvers := rules.approvers

reasons := denials if not allow

reasons := asked if allow

asked contains sprintf("Risk %s asks for %d.", [input.playbook.risk, rules.by_risk[input.playbook.risk]]) if not rules.unattended

asked contains sprintf("Playbook %s asks for %d.", [input.playbook.name, input.playbook.people]) if not rules.unattended

asked contains sprintf("A change of low risk in %s: nobody is asked.", [input.environment]) if rules.unattended

asked contains sprintf("Many are hit, %d pod(s) and %d service(s): 2.", [input.blast.pods, count(input.blast.services)]) if rules.wide

asked contains "A stateful workload is scaled down: 2." if rules.scaled_down

asked contains sprintf("Only %s may approve in %s.", [concat(", ", sort(rules.approvers)), input.environment]) if count(rules.approvers) > 0
