package delivery

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestArgoCDHasSynced what was asked when it says so of this commit, since it was asked to look.
func TestArgoCDHasSynced(t *testing.T) {
	t.Parallel()
	sync := func(state, field string) string { return "sync: {status: " + state + ", " + field + "}" }
	failed := func(result string) string {
		return sync("OutOfSync", "revision: "+merged) + ", operationState: {phase: Failed, message: refused, " + result + "}"
	}
	var stuck *Stuck
	var not *NotDelivered
	for name, c := range map[string]struct {
		asked  bool // and not looked yet
		policy string
		status string
		done   bool
		as     any // the error
	}{
		"synced":                        {false, "automated: {}", sync("Synced", "revision: "+merged), true, nil},
		"to a later one":                {false, "automated: {enabled: true}", sync("Synced", "revision: "+after), true, nil},
		"one of several":                {false, "automated: {}", sync("Synced", "revisions: ["+elsewhere+", "+merged+"]"), true, nil},
		"a chart's":                     {false, "automated: {}", sync("Synced", "revision: 1.2.3"), false, nil},
		"to an older one":               {false, "automated: {}", sync("Synced", "revision: "+before), false, nil},
		"out of sync":                   {false, "automated: {}", sync("OutOfSync", "revision: "+merged), false, nil},
		"at work":                       {false, "automated: {}", sync("Synced", "revision: "+merged) + ", operationState: {phase: Running}", false, nil},
		"before it looked":              {true, "automated: {}", sync("Synced", "revision: "+merged), false, nil},
		"it failed":                     {false, "automated: {}", failed("syncResult: {revision: " + merged + "}"), false, &stuck},
		"it failed before it began":     {false, "automated: {}", failed("operation: {sync: {revision: " + merged + "}}"), false, &stuck},
		"it failed with an older one":   {false, "automated: {}", failed("syncResult: {revision: " + before + "}"), false, nil},
		"it failed before it was asked": {true, "automated: {}", failed("syncResult: {revision: " + merged + "}"), false, nil},
		"it cannot render":              {false, "automated: {}", sync("Unknown", "revision: ''") + ", conditions: [{type: ComparisonError, message: refused}]", false, &not},
		"it could not render":           {true, "automated: {}", sync("Unknown", "revision: ''") + ", conditions: [{type: ComparisonError, message: refused}]", false, nil},
		"by hand":                       {false, "syncOptions: []", sync("Synced", "revision: "+merged), false, &not},
		"switched off":                  {false, "automated: {enabled: false}", sync("Synced", "revision: "+merged), false, &not},
	} {
		t.Run(name, func(t *testing.T) {
			var live unstructured.Unstructured
			check(t, yaml.Unmarshal([]byte("{kind: Application, metadata: {name: shop}, spec: {syncPolicy: {"+c.policy+"}}, status: {"+c.status+"}}"), &live.Object))
			if c.asked {
				live.SetAnnotations(map[string]string{refresh: "normal"})
			}
			_, done, err := (&ArgoCD{o: history}).synced(t.Context(), Ref{Kind: "Application"}, &live, merged)
			if done != c.done || (err == nil) != (c.as == nil) || c.as != nil && !errors.As(err, c.as) {
				t.Errorf("done %v, %v", done, err)
			}
		})
	}
}
