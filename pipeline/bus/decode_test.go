package bus

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// What is written is read as encoding/json reads it.
func TestDecodedAsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := incident.Fold{Partition: rapid.IntRange(0, 7).Draw(t, "partition")}
		text := rapid.String()
		for range rapid.IntRange(0, 3).Draw(t, "signals") {
			s := signal(rapid.IntRange(0, 1000).Draw(t, "n"))
			s.Name, s.Severity, s.Container, s.GeneratorURL = text.Draw(t, "name"), text.Draw(t, "severity"), text.Draw(t, "container"), text.Draw(t, "url")
			s.Labels = rapid.MapOf(text, text).Draw(t, "labels")
			s.Annotations = rapid.MapOf(text, text).Draw(t, "annotations")
			s.Subject = incident.Resource{Cluster: text.Draw(t, "cluster"), Group: "apps", Version: "v1", Kind: "Deployment", Namespace: text.Draw(t, "namespace"), Name: text.Draw(t, "on")}
			if rapid.Bool().Draw(t, "ended") {
				s.Status, s.EndsAt = incident.Resolved, s.AcceptedAt
			}
			f.Signals, f.Seen = append(f.Signals, s), s.AcceptedAt
		}
		raw, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var want incident.Fold
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		var raws [][]byte
		whole := slices.Clone(want.Signals)
		for i, s := range want.Signals {
			r, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			raws = append(raws, r)
			if len(s.Labels) > 0 && rapid.Bool().Draw(t, "touched") {
				want.Signals[i].Labels = map[string]string{}
				maps.Copy(want.Signals[i].Labels, s.Labels)
				want.Signals[i].Labels["one"+text.Draw(t, "more")] = text.Draw(t, "text")
			}
		}
		written, err := encoded(nil, want, whole, raws)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := newDecoder().fold(written); err != nil || !reflect.DeepEqual(blank(got), blank(want)) {
			t.Fatalf("%s\n%+v, %v, want\n%+v", written, got, err, want)
		}
		sameSignals(t, whole)
		want.Signals = whole
		if got, err := newDecoder().fold(raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n%+v, %v, want\n%+v", raw, got, err, want)
		}
	})
}

// sameSignals are read of the message that they are packed in, and each is there as it was written.
func sameSignals(t *rapid.T, whole []incident.Signal) {
	parcels, err := pack(whole)
	if err != nil {
		t.Fatal(err)
	}
	var list []incident.Signal
	var raw [][]byte
	d := newDecoder()
	for _, p := range parcels {
		var err error
		if list, raw, err = d.signals(p.body, list, raw); err != nil {
			t.Fatalf("%s: %v", p.body, err)
		}
	}
	sort := func(list []incident.Signal) []incident.Signal {
		list = blank(incident.Fold{Signals: list}).Signals
		slices.SortStableFunc(list, func(a, b incident.Signal) int { return partition(a.Subject) - partition(b.Subject) })
		return list
	}
	if !reflect.DeepEqual(sort(list), sort(whole)) {
		t.Fatalf("%+v, want\n%+v", list, whole)
	}
	for i, s := range list {
		one, _, err := d.signals(raw[i], nil, nil) // as a former version sent it
		if err != nil || len(one) != 1 || !reflect.DeepEqual(blank(incident.Fold{Signals: one}).Signals[0], blank(incident.Fold{Signals: []incident.Signal{s}}).Signals[0]) {
			t.Fatalf("%s: %+v, %v", raw[i], one, err)
		}
	}
}

// blank makes no difference between no texts and none that are there.
func blank(f incident.Fold) incident.Fold {
	f.Signals = slices.Clone(f.Signals)
	for i := range f.Signals {
		for _, texts := range []*map[string]string{&f.Signals[i].Labels, &f.Signals[i].Annotations} {
			if len(*texts) == 0 {
				*texts = nil
			}
		}
	}
	return f
}

func TestWhatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", "[", "[7]", `"x"`, `{"startsAt":"yesterday"}`, `[{"startsAt":7}]`, `[{"id":"a"}`} {
		if s, _, err := newDecoder().signals([]byte(text), nil, nil); err == nil {
			t.Errorf("%s: %+v", text, s)
		}
	}
	for _, text := range []string{"", "[]", `{"signals":[7]}`, `{"seen":"x"}`} {
		if f, err := newDecoder().fold([]byte(text)); err == nil {
			t.Errorf("%s: %+v", text, f)
		}
	}
}
