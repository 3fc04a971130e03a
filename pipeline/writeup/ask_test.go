package writeup

import (
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestLivingComments(t *testing.T) {
	t.Parallel()
	evil := "x | y\n# <script> @channel `code` GH-1"
	key := incident.Key{Incident: "0123456789ab", Attempt: 1}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	own := incident.Incident{ID: key.Incident, State: incident.Healed, HealedAt: at, Onset: at.Add(-time.Hour), Signals: []incident.Signal{{Name: evil}, {Name: "OOM"}}, Folded: 3}
	other := incident.Incident{ID: "ba9876543210", State: incident.Sealed, Onset: at, Root: incident.Resource{Kind: evil, Namespace: "shop", Name: "api"}}
	got := Writer{}.Evidence(key, []incident.Incident{own, other})
	rows := 0
	for _, l := range strings.Split(got, "\n") {
		if strings.HasPrefix(l, "|") {
			rows++
			if n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|"); n != 7 {
				t.Errorf("%d bars in %q", n, l)
			}
		}
	}
	if rows != 4 || !strings.Contains(got, "| 5 | 02:04:05 UTC | quiet since 03:04:05 UTC |") || !strings.Contains(got, "joined this one") {
		t.Errorf("got\n%s", got)
	}
	for _, text := range []string{got, Writer{}.Braked(incident.Merging, evil), Writer{}.Paused(evil)} {
		if strings.Contains(text, "<script>") && !strings.Contains(text, "` ") && !strings.Contains(text, "``") || strings.Contains(text, "\n# ") {
			t.Errorf("not escaped:\n%s", text)
		}
	}
	for text, want := range map[string]string{Writer{}.Braked(incident.Merging, ""): "goes on", Writer{}.Paused(""): "Not paused any more"} {
		if !strings.Contains(text, want) {
			t.Error(text)
		}
	}
}

// TestSilenceSaysWhy a verdict says nothing.
func TestSilenceSaysWhy(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{"": "### The metrics say nothing", incident.Confounded: "### Somebody else rolled out, too"} {
		got := Writer{}.Silence(incident.Proposal{}, incident.Verdict{Result: incident.NoData, Reason: reason}, time.Time{})
		if !strings.HasPrefix(got, want) || !strings.Contains(got, "/cortexops keep") {
			t.Errorf("%q: %s", reason, got)
		}
	}
}
