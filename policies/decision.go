package policies

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Decision is what the policy said.
type Decision struct {
	Allow       bool     `json:"allow"`
	Approvals   int      `json:"approvals,omitempty"` // people who have to approve: at the gate approve, where it allows, 0 only of low risk; else 0
	Approvers   []string `json:"approvers,omitempty"` // logins that alone may, sorted, in lower case; empty: everybody who may push
	Rules       []string `json:"rules,omitempty"`     // that deny, sorted
	Reasons     []string `json:"reasons"`             // sentences, sorted: of a denial, or of the number of people
	Revision    string   `json:"revision"`            // sha256 over the policies, in hex
	Input       []byte   `json:"-"`                   // as it was judged: JSON
	InputDigest string   `json:"inputDigest"`         // sha256 of Input, in hex
}

// decision reads the policy's answer, which anybody may have written.
func decision(gate, risk string, answer any) (d Decision, err error) {
	m, ok := answer.(map[string]any)
	if !ok {
		return Decision{}, fmt.Errorf("the answer is %T", answer)
	}
	if d.Allow, ok = m["allow"].(bool); !ok {
		return Decision{}, fmt.Errorf("allow is %T: it must be true or false", m["allow"])
	}
	reasons, ok := m["reasons"].([]any)
	if !ok {
		return Decision{}, fmt.Errorf("reasons is %T: it must be a set or list", m["reasons"])
	}
	for _, r := range reasons {
		rule, sentence, err := reason(gate, r)
		if err != nil {
			return Decision{}, err
		}
		d.Reasons, d.Rules = append(d.Reasons, sentence), append(d.Rules, rule)
	}
	if !d.Allow && len(d.Reasons) == 0 {
		d.Reasons = []string{"The policy cortexops." + gate + " does not allow it and gives no reason."}
		d.Rules = []string{"cortexops." + gate}
	}
	slices.Sort(d.Reasons)
	slices.Sort(d.Rules)
	d.Rules = slices.Compact(d.Rules)
	if d.Allow {
		d.Rules = nil
	}
	if gate != Approve || !d.Allow {
		return d, nil
	}
	return d, quorum(&d, risk, m)
}

// reason is a sentence, or an object with the name of its rule; else the gate stands for the rule.
func reason(gate string, r any) (rule, sentence string, err error) {
	rule = "cortexops." + gate
	if s, ok := r.(string); ok {
		return rule, s, nil
	}
	m, ok := r.(map[string]any)
	if ok {
		rule, ok = m["rule"].(string)
	}
	if ok {
		sentence, ok = m["message"].(string)
	}
	if !ok || rule == "" || sentence == "" {
		return "", "", fmt.Errorf("a reason is %T: it must be a sentence, or {\"rule\": a name, \"message\": a sentence}", r)
	}
	return rule, sentence, nil
}

// quorum is how many have to approve, and who may.
func quorum(d *Decision, risk string, m map[string]any) error {
	n, ok := m["approvals"].(json.Number)
	if !ok {
		return fmt.Errorf("approvals is %T: it must be a number", m["approvals"])
	}
	people, err := n.Int64()
	if err != nil || people < 0 || people > 100 || people == 0 && risk != "low" {
		return fmt.Errorf("approvals is %s of risk %s: it must be a whole number of people, at least 1 other than of risk low", n, risk)
	}
	d.Approvals = int(people)
	if m["approvers"] == nil { // this policy does not say
		return nil
	}
	list, ok := m["approvers"].([]any)
	if !ok {
		return fmt.Errorf("approvers is %T: it must be a set or list of logins", m["approvers"])
	}
	for _, who := range list {
		login, ok := who.(string)
		if !ok || login == "" {
			return fmt.Errorf("an approver is %T: it must be a login", who)
		}
		d.Approvers = append(d.Approvers, login)
	}
	slices.Sort(d.Approvers)
	return nil
}
