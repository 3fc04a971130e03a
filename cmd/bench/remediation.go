package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/cortexops/cortexops/policies"
)

// remediation measures what every remediation waits for.
func remediation(ctx context.Context, r *run) error {
	for _, step := range []func(context.Context) error{r.deciding, r.writing, r.inSandbox} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// least adds a result that must be no less than least times the peer's.
func (r *run) least(name string, ours, peer, least float64) {
	r.add(result{Name: name, Ours: ours, Peer: &peer, Goal: fmt.Sprintf("ratio ≥ %g", least), Pass: ours >= least*peer})
}

const (
	decisions = 1500     // of each, in a child
	resident  = 64 << 20 // bytes that a worker holds of other things: clients' caches, a graph, what is open
)

// deciding asks the gate with the most to think about. Each side in processes of its own, by turns: what a decision takes
// depends on how the compiled policy lies in memory, too, and its slowest ones are those that the garbage of all others falls on.
func (r *run) deciding(ctx context.Context) error {
	took, slow := map[string][]float64{}, map[string][]float64{} // the p99 of each process: one that the machine disturbed is not all
	for range rounds {
		for _, side := range []string{"ours", "plain"} {
			var t []float64
			if _, err := child(ctx, &t, "decide", side); err != nil {
				return err
			}
			took[side], slow[side] = append(took[side], t...), append(slow[side], quantile(t, 0.99))
		}
	}
	r.ratio("policy decision at the gate apply, against a plain prepared query: µs", median(took["ours"]), median(took["plain"]), 1.2)
	r.limit("the same, p99: µs", median(slow["ours"]), median(slow["plain"]), 1000)
	return nil
}

func quantile(of []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(of))
	return s[int(q*float64(len(s)))]
}

// decideChild asks the same question of the same policy by our engine ("ours"), or by OPA's own package and nothing around it
// ("plain"), and says how long each decision took, in microseconds. The garbage is collected as in a worker: a process that holds
// nothing but the policies would do that every sixty decisions.
func decideChild(ctx context.Context, args []string) (any, error) {
	debug.SetGCPercent(gogc)
	others := make([]byte, resident)
	defer runtime.KeepAlive(others)
	side := ourDecision
	if args[0] == "plain" {
		side = plainDecision
	}
	decide, err := side(ctx, question())
	if err != nil {
		return nil, err
	}
	var all []float64
	for n := range decisions + decisions/10 { // the first are for the caches
		ms, err := timed(decide)
		if err != nil {
			return nil, err
		}
		if n >= decisions/10 {
			all = append(all, 1000*ms)
		}
	}
	return all, nil
}

func ourDecision(ctx context.Context, in policies.Input) (func() error, error) {
	engine, err := policies.New(ctx, policies.Default())
	return func() error {
		d, err := engine.Evaluate(ctx, policies.Apply, in)
		if err == nil && !d.Allow {
			err = fmt.Errorf("denied: %v", d.Reasons)
		}
		return err
	}, err
}

func plainDecision(ctx context.Context, in policies.Input) (func() error, error) {
	options := []func(*rego.Rego){rego.Query(`answer := {"allow": data.cortexops.apply.allow, "reasons": data.cortexops.apply.reasons}`)}
	err := fs.WalkDir(policies.Default(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path == "rules_test.rego" {
			return err
		}
		src, err := fs.ReadFile(policies.Default(), path)
		options = append(options, rego.Module(path, string(src)))
		return err
	})
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	query, err := rego.New(options...).PrepareForEval(ctx)
	return func() error {
		var input map[string]any
		if err := json.Unmarshal(raw, &input); err != nil { // as it comes from outside
			return err
		}
		answers, err := query.Eval(ctx, rego.EvalInput(input))
		if err == nil && (len(answers) != 1 || answers[0].Bindings["answer"].(map[string]any)["allow"] != true) {
			err = fmt.Errorf("denied: %v", answers)
		}
		return err
	}, err
}

// question is as large as one usually is: an edit, its dry-run, two approvals, a freeze and some history.
func question() policies.Input {
	target := policies.Object{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	const field = "spec.template.spec.containers[name=app].resources.limits.memory"
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	in := policies.Input{
		Cluster: "prod-eu-1", Environment: "shop", Incident: "7f3a19000000", Actor: "cortexops-bot",
		Playbook: policies.Playbook{Name: "raise-memory-limit", Risk: "high", People: 1}, Target: target,
		Edits:     []policies.Edit{{Object: target, Field: field, From: "512Mi", To: "1Gi", File: "overlays/production/checkout-memory.yaml"}},
		Blast:     policies.Blast{Pods: 12, Services: []string{"checkout", "cart", "payments"}},
		DryRun:    &policies.DryRun{Objects: []policies.Object{target}, Fields: []policies.Field{{Object: target, Field: field, From: "512Mi", To: "1Gi"}}},
		Approvals: []policies.Approval{{User: "sam"}, {User: "dana"}},
		Freezes:   []policies.Freeze{{Name: "sale", From: now.Add(time.Hour), Until: now.Add(48 * time.Hour), Environments: []string{"shop"}}},
		Time:      now,
	}
	for n := range 5 {
		in.History = append(in.History, policies.Past{Incident: fmt.Sprintf("%012x", n), Attempt: 1, Playbook: "raise-memory-limit", Outcome: "SUCCEEDED", At: now.Add(-time.Duration(n) * 24 * time.Hour)})
	}
	return in
}
