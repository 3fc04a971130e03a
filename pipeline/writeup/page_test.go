package writeup

import (
	"encoding/json"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestPage(t *testing.T) {
	t.Parallel()
	p := proposal()
	change := incident.Change{Number: 7, URL: "https://forge/acme/shop/pull/7"}
	end := incident.Outcome{Phase: incident.Escalated, Reason: "MERGING: Refused: 2 reviews\nare required"}
	full := Writer{}.Page(p.Key, "prod-eu-1/apps/Deployment/shop/checkout", p, change, end, "https://temporal/workflows/x")
	bare := Writer{}.Page(p.Key, "prod-eu-1/apps/Deployment/shop/checkout", incident.Proposal{}, incident.Change{}, end, "")
	out, err := json.MarshalIndent([]incident.Page{full, bare}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "page.json", string(out)+"\n")
	for risk, want := range map[string]string{"low": "warning", "medium": "error", "high": "critical", "?": "error"} {
		if got := severity(risk); got != want {
			t.Errorf("%s: %s", risk, got)
		}
	}
}
