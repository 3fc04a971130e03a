package incident

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestItIsWrittenAsEncodingJSONWrites, whatever is in it.
func TestItIsWrittenAsEncodingJSONWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z<>&"\\ ]{0,8}`), rapid.Just("\xff"))
		pairs := rapid.MapOfN(text, text, 0, 40)
		when := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "zero") {
				return time.Time{}
			}
			return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		})
		s := Signal{ID: text.Draw(t, "id"), Source: text.Draw(t, "source"), Name: text.Draw(t, "name"), Status: Status(text.Draw(t, "status")), Severity: text.Draw(t, "severity"),
			Fingerprint: text.Draw(t, "print"), Container: text.Draw(t, "container"), Labels: pairs.Draw(t, "labels"), Annotations: pairs.Draw(t, "notes"),
			StartsAt: when.Draw(t, "starts"), EndsAt: when.Draw(t, "ends"), AcceptedAt: when.Draw(t, "accepted"), GeneratorURL: text.Draw(t, "url"),
			Subject: Resource{Cluster: text.Draw(t, "cluster"), Group: text.Draw(t, "group"), Version: text.Draw(t, "version"), Kind: text.Draw(t, "kind"),
				Namespace: text.Draw(t, "namespace"), Name: text.Draw(t, "of")}}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.AppendJSON(nil)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s (%v), want %s", got, err, want)
		}
	})
}

// The ID is of the same bytes as ever: a repeated delivery is known by it.
func TestTheIDOfASignalIsADigestOfWhatItSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		source, fingerprint := rapid.String().Draw(t, "source"), rapid.StringN(0, 300, -1).Draw(t, "fingerprint")
		starts := time.Unix(rapid.Int64Range(-1e9, 9e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(time.FixedZone("", 3600))
		for _, ends := range []time.Time{{}, starts.Add(time.Minute)} {
			want := Digest(source, fingerprint, string(Firing), stamp(starts), stamp(ends))[:32]
			if got := SignalID(source, fingerprint, Firing, starts, ends); got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		}
	})
}
