package policies

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestValueIsTheJSON of the same input: that is what the digest is of, and what a policy is tried with.
func TestValueIsTheJSON(t *testing.T) {
	t.Parallel()
	full := input()
	odd := input()
	odd.Cluster, odd.Edits[0].From, odd.Edits[0].To = "a\xff\xfeb \u2028 <&>", "\"\\\n\t\x00", "é𝄞"
	odd.Blast.Pods, odd.Playbook.People = -7, 1<<40
	odd.Time = time.Date(2026, 11, 28, 10, 0, 0, 123456789, time.FixedZone("", 3600))
	odd.Freezes = []Freeze{{Name: "sale", From: odd.Time, Until: odd.Time.Add(time.Hour), Environments: []string{"shop", ""}}}
	for name, in := range map[string]Input{"usual": full, "odd": odd, "empty": {}} {
		in = in.filled()
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ast.ValueFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := in.value(); got.Compare(want) != 0 {
			t.Errorf("%s:\n%s\nis not\n%s", name, got, want)
		}
	}
}

// FuzzValueIsTheJSON for every text.
func FuzzValueIsTheJSON(f *testing.F) {
	f.Add("shop", 3, true)
	f.Add("a\xff\xfe\u2028", -1, false)
	f.Fuzz(func(t *testing.T, text string, n int, revert bool) {
		in := input()
		in.Environment, in.Blast.Services, in.Blast.Pods, in.Revert = text, []string{text, text}, n, revert
		in = in.filled()
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ast.ValueFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := in.value(); got.Compare(want) != 0 {
			t.Errorf("%s is not %s", got, want)
		}
	})
}
