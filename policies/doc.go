// Package policies asks the policy (Rego v1, evaluated by an embedded OPA) whether a remediation may be planned,
// approved and applied. It fails closed: no policy, a rule that is undefined, a builtin that fails or an answer of the
// wrong shape is an error and never an allowance. Policies see their input and nothing else: what could reach the
// network or the environment, or would answer differently another time, is taken out of the language.
package policies
