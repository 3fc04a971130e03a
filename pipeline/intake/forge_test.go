package intake

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestForgeReview(t *testing.T) {
	t.Parallel()
	bus := &store{}
	url, reg := start(t, bus)
	body := golden(t, "review.json")
	for range 2 { // GitHub sends again by hand, with the same delivery
		if r := post(t, url+"/webhooks/forge", body, github("pull_request_review", "d-1", body)); r.status != http.StatusAccepted {
			t.Fatalf("got %+v", r)
		}
	}
	want := incident.Action{Delivery: "d-1", Kind: incident.Approve, Actor: "sam", Repository: "acme/shop", Number: 12,
		Branch: "cortexops/0123456789ab-1", HeadSHA: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", AcceptedAt: at}
	if len(bus.actions) != 1 || bus.actions[0] != want {
		t.Errorf("got %+v, want %+v", bus.actions, want)
	}
	wantValue(t, reg, "cortexops_events_duplicate_total{source=forge}", 1)
}

func TestForgeActions(t *testing.T) {
	t.Parallel()
	review, merged := string(golden(t, "review.json")), string(golden(t, "merged.json"))
	for name, tc := range map[string]struct {
		event, body string
		kind        incident.ActionKind
		actor, head string
	}{
		"approved":          {"pull_request_review", review, incident.Approve, "sam", "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"},
		"APPROVED":          {"pull_request_review", strings.Replace(review, `"approved"`, `"APPROVED"`, 1), incident.Approve, "sam", "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"},
		"changes requested": {"pull_request_review", strings.Replace(review, `"approved"`, `"changes_requested"`, 1), incident.RequestChanges, "sam", "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"},
		"comment":           {"pull_request_review", strings.Replace(review, `"approved"`, `"commented"`, 1), "", "", ""},
		"dismissed":         {"pull_request_review", strings.Replace(review, `"submitted"`, `"dismissed"`, 1), "", "", ""},
		"merged":            {"pull_request", merged, incident.Merge, "sam", "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
		"closed":            {"pull_request", strings.Replace(merged, `"merged": true`, `"merged": false`, 1), incident.Close, "github-merge-queue[bot]", "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
		"pushed":            {"pull_request", strings.Replace(merged, `"closed"`, `"synchronize"`, 1), incident.Push, "github-merge-queue[bot]", "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
		"opened":            {"pull_request", strings.Replace(merged, `"closed"`, `"opened"`, 1), "", "", ""},
		"a restore, merged": {"pull_request", strings.Replace(merged, "-1-revert", "-1-restore", 1), incident.Merge, "sam", "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
		"another branch":    {"pull_request", strings.Replace(merged, "cortexops/0123456789ab-1-revert", "cortexops/mine", 1), "", "", ""},
		"another repo":      {"pull_request", strings.ReplaceAll(merged, "acme/shop", "acme/other"), "", "", ""},
		"a fork":            {"pull_request", strings.Replace(merged, `"full_name": "acme/shop"`, `"full_name": "mallory/shop"`, 1), "", "", ""},
		"a deleted fork":    {"pull_request", strings.Replace(merged, `{"id": 186853002, "full_name": "acme/shop"}`, "null", 1), "", "", ""},
		"ping":              {"ping", `{"zen":"Design for failure."}`, "", "", ""},
		"unknown":           {"merge_group", `not even JSON`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := &store{}
			url, _ := start(t, bus)
			if r := post(t, url+"/webhooks/forge", []byte(tc.body), github(tc.event, "d", []byte(tc.body))); r.status != http.StatusAccepted {
				t.Fatalf("got %+v", r)
			}
			if tc.kind == "" {
				if len(bus.actions) != 0 {
					t.Errorf("published %+v", bus.actions)
				}
				return
			}
			if len(bus.actions) != 1 {
				t.Fatalf("published %+v", bus.actions)
			}
			a := bus.actions[0]
			if a.Kind != tc.kind || a.Actor != tc.actor || a.HeadSHA != tc.head {
				t.Errorf("got %+v", a)
			}
			if merge := a.MergeSHA != ""; merge != (tc.kind == incident.Merge) {
				t.Errorf("merge SHA %q of a %s", a.MergeSHA, a.Kind)
			}
		})
	}
}

func TestForgeInvalid(t *testing.T) {
	t.Parallel()
	review, merged := golden(t, "review.json"), golden(t, "merged.json")
	for name, tc := range map[string]struct {
		event   string
		body    []byte
		pointer string
	}{
		"no pull request": {"pull_request", []byte(`{}`), "/pull_request"},
		"no review":       {"pull_request_review", merged, "/review"},
		"number":          {"pull_request", bytes.ReplaceAll(merged, []byte(`"number": 12`), []byte(`"number": 0`)), "/pull_request/number"},
		"number a string": {"pull_request", bytes.ReplaceAll(merged, []byte(`"number": 12`), []byte(`"number": "12"`)), "/pull_request/number"},
		"short head":      {"pull_request_review", bytes.Replace(review, []byte("0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"), []byte("0d1a26e"), 1), "/review/commit_id"},
		"no merge commit": {"pull_request", bytes.Replace(merged, []byte(`"9f2b1c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"`), []byte("null"), 1), "/pull_request/merge_commit_sha"},
		"no actor":        {"pull_request_review", bytes.Replace(review, []byte(`"login": "sam"`), []byte(`"login": ""`), 1), "/review/user/login"},
	} {
		_, err := decodeForge(tc.event, tc.body, "acme/shop")
		if pointerOf(err) != tc.pointer {
			t.Errorf("%s: got %v, want an error at %q", name, err, tc.pointer)
		}
	}
}
