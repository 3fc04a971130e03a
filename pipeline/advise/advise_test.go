package advise

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var at = time.Date(2026, 11, 20, 10, 42, 7, 0, time.UTC)

func signal(name, pod string, status incident.Status, after time.Duration, annotations map[string]string) incident.Signal {
	return incident.Signal{Name: name, Status: status, Container: "app", StartsAt: at.Add(after), Annotations: annotations,
		Subject: incident.Resource{Cluster: "sandbox", Kind: "Pod", Namespace: "shop", Name: pod}}
}

func TestHeuristics(t *testing.T) {
	t.Parallel()
	got := Heuristics(incident.Incident{
		Root:  incident.Resource{Cluster: "sandbox", Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"},
		Onset: at,
		Blast: incident.BlastRadius{Pods: 3, Services: []string{"checkout"}},
		Signals: []incident.Signal{
			signal("ContainerOOMKilled", "checkout-a", incident.Firing, time.Second, nil),
			signal("ContainerOOMKilled", "checkout-b", incident.Firing, 0, map[string]string{"summary": "out of\n memory"}),
			signal("ContainerOOMKilled", "checkout-b", incident.Resolved, 0, nil),
			signal("Odd", "checkout-b", incident.Firing, time.Minute, nil),
		},
	})
	want := incident.Advisory{
		By:    "heuristics",
		Cause: "Container app of Deployment shop/checkout needs more memory than its limit allows: ContainerOOMKilled says so.",
		Evidence: []string{
			"ContainerOOMKilled fires 2 times and is resolved 1 time, first at 2026-11-20 10:42:07 UTC: “out of memory”.",
			"Odd fires 1 time, first at 2026-11-20 10:43:07 UTC.",
			"It began at 2026-11-20 10:42:07 UTC.",
			"The signals name 2 objects that Deployment shop/checkout owns.",
			"3 pods behind 1 service (checkout) may be hit.",
		},
	}
	if got.By != want.By || got.Cause != want.Cause || !slices.Equal(got.Evidence, want.Evidence) {
		t.Errorf("got\n%s\n%s\nwant\n%s\n%s", got.Cause, strings.Join(got.Evidence, "\n"), want.Cause, strings.Join(want.Evidence, "\n"))
	}
}

func TestCause(t *testing.T) {
	t.Parallel()
	root := incident.Resource{Kind: "Deployment", Namespace: "shop", Name: "cart"}
	for alert, want := range map[string]string{
		"HttpErrorRatioHigh":           "Deployment shop/cart answers requests with errors: HttpErrorRatioHigh says so.",
		"KubePodCrashLooping":          "Deployment shop/cart ends soon after each start: KubePodCrashLooping says so.",
		"KubeContainerImagePulls":      "Deployment shop/cart cannot fetch its image: KubeContainerImagePulls says so.",
		"PostgresqlTooManyConnections": "Deployment shop/cart has hardly a connection left: PostgresqlTooManyConnections says so.",
		"container_oom_events":         "Deployment shop/cart needs more memory than its limit allows: container_oom_events says so.",
		"HTTP5xxHigh":                  "Deployment shop/cart answers requests with errors: HTTP5xxHigh says so.",
		"CPUThrottlingHigh":            "Deployment shop/cart needs more CPU than its limit allows: CPUThrottlingHigh says so.",
		"RequestLatencyHigh":           "Deployment shop/cart answers slowly: RequestLatencyHigh says so.",
		"BasketsAreFullOfElephant":     "Deployment shop/cart is not well: BasketsAreFullOfElephant says so, which no heuristic knows.",
	} {
		if got := Heuristics(incident.Incident{Root: root, Signals: []incident.Signal{{Name: alert}}}).Cause; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := Heuristics(incident.Incident{Root: root}).Cause; got != "Nothing is known yet of Deployment shop/cart." {
		t.Error(got)
	}
}

// Whatever an alert says stays one short line of printable text.
func TestUntrustedText(t *testing.T) {
	t.Parallel()
	evil := "\x1b[31mred\r\n## heading\u202egnp\u200b\xff\x00" + strings.Repeat("é", 10_000)
	a := Heuristics(incident.Incident{
		Root:    incident.Resource{Kind: evil, Namespace: evil, Name: evil},
		Signals: []incident.Signal{{Name: evil, Container: evil, Annotations: map[string]string{"summary": evil}}},
		Blast:   incident.BlastRadius{Services: []string{evil}},
	})
	for _, s := range append(a.Evidence, a.Cause) {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x1b\r\n\x00\u202e\u200b") || utf8.RuneCountInString(s) > 4*maxQuote {
			t.Errorf("%d runes: %q", utf8.RuneCountInString(s), s)
		}
	}
}
