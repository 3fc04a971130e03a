package remediation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/policies"
)

// A denial leaves its rule, the input's digest and the policy's revision in the ledger and in the log, and the input itself.
func TestDenialIsTold(t *testing.T) { // not parallel: it reads the log
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	defer slog.SetDefault(before)
	engine, err := policies.New(t.Context(), policies.Default())
	if err != nil {
		t.Fatal(err)
	}
	r := incident.Resource{Cluster: "c", Group: "apps", Kind: "Deployment", Namespace: "kube-system", Name: "dns"}
	at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	book := &pages{}
	digest, err := put(t.Context(), book, incident.Proposal{Incident: incident.Incident{Root: r}, Edits: []incident.Edit{{Resource: r, Field: "spec.replicas", From: "1", To: "2"}},
		Playbook: incident.Playbook{Name: "scale", Risk: "low", People: 1}})
	if err != nil {
		t.Fatal(err)
	}
	key, other := incident.Key{Incident: "0123456789ab", Attempt: 2}, incident.Key{Incident: "0123456789ab", Attempt: 1}
	g := &Gatekeeper{Book: book, Policy: engine, Bot: "bot", Freezes: []policies.Freeze{{Name: "sale", From: at, Until: at.Add(time.Hour)}},
		History: func(_ context.Context, target string, since time.Time) ([]incident.Past, error) {
			if target != r.Key() || !since.Equal(at.Add(-remembered)) {
				t.Errorf("asked for %s since %s", target, since)
			}
			return []incident.Past{{Key: key}, {Key: other, Playbook: "scale", Outcome: incident.RolledBack, At: at}}, nil
		}}
	d, err := g.Decide(t.Context(), GateInput{Key: key, Gate: incident.GatePlan, Step: "policy-plan", Phase: incident.PolicyCheck, Proposal: digest, At: at})
	if err != nil || d.Allow || !slices.Equal(d.Rules, []string{"freeze", "guarded_namespace"}) || len(d.Reasons) != 2 {
		t.Fatalf("%+v %v", d, err)
	}
	row := book.rows[len(book.rows)-1]
	for where, said := range map[string]string{"ledger": string(row.Detail), "log": log.String()} {
		for _, want := range []string{"guarded_namespace", "which is guarded", "Freeze sale", d.Revision, d.InputDigest, `"playbook":"scale"`} {
			if !strings.Contains(said, want) {
				t.Errorf("the %s lacks %s: %s", where, want, said)
			}
		}
	}
	var asked policies.Input
	for _, blob := range book.blobs { // the proposal, and what was asked
		if sum := sha256.Sum256(blob); hex.EncodeToString(sum[:]) != d.InputDigest {
			continue
		}
		if err := json.Unmarshal(blob, &asked); err != nil {
			t.Fatal(err)
		}
	}
	if row.Step != "policy_violation" {
		t.Error(row.Step)
	}
	again := GateInput{Key: key, Gate: incident.GatePlan, Step: "policy-plan-2", Phase: incident.PolicyCheck, Proposal: digest, At: at} // of a revision
	if _, err := g.Decide(t.Context(), again); err != nil || book.rows[len(book.rows)-1].Step != "policy_violation-plan-2" {
		t.Errorf("%+v, %v", book.rows[len(book.rows)-1], err)
	}
	want := policies.Past{Incident: other.Incident, Attempt: 1, Playbook: "scale", Outcome: "ROLLED_BACK", At: at}
	if len(asked.History) != 1 || asked.History[0] != want || asked.Edits[0].Object != asked.Target || asked.Revert {
		t.Errorf("asked %+v", asked)
	}
}

// A freeze does not hold up a revert, which the phase tells.
func TestRevertIsAskedAsOne(t *testing.T) {
	t.Parallel()
	g := &Gatekeeper{}
	p := incident.Proposal{Edits: []incident.Edit{{}}}
	for phase, want := range map[incident.Phase]bool{incident.RollingBack: true, incident.Merging: false} {
		if got := g.question(p, GateInput{Phase: phase}).Revert; got != want {
			t.Errorf("%s: %v", phase, got)
		}
	}
}
