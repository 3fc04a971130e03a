# May this edit be planned at all? Asked before the dry-run.
package cortexops.plan

import data.cortexops.rules

default allow := false

allow if count(reasons) == 0

reasons := rules.denials | rules.risk_denials
