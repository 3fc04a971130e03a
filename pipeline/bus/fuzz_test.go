package bus

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// written are signals as this package writes them.
func written(f *testing.F) (list []incident.Signal, body []byte) {
	f.Helper()
	list = some(0, 3)
	list[1].Labels = map[string]string{"alertname": "Oom", "pod": "a\n\"\\\u00e9\u2028"}
	list[1].Annotations = map[string]string{"summary": "<b>"}
	list[2].Status, list[2].EndsAt, list[2].GeneratorURL = incident.Resolved, t0, "http://prometheus/?a=b&c"
	list[2].Subject = incident.Resource{Cluster: "prod", Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	parcels, err := pack(list[:1])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(parcels[0].body)
	if body, err = json.Marshal(list); err != nil {
		f.Fatal(err)
	}
	return list, body
}

// FuzzSignals: a message of signals is read as encoding/json reads it, and so is each as it is handed on.
func FuzzSignals(f *testing.F) {
	_, body := written(f)
	f.Add(body)
	f.Add(bytes.Replace(body, []byte("Oom"), []byte("O\x1fm"), 1))
	f.Add(bytes.Replace(body, []byte("Oom"), []byte(`O\ud800m`), 1))
	for _, text := range []string{"", "[]", "[{}]", "null", `[null]`, `[{"id":"a","source":"b"}] `, `[{"acceptedAt" : "2026-03-02T10:00:00Z", "labels": {"acceptedAt":"x"}}]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want []incident.Signal
		failed := json.Unmarshal(body, &want)
		one := new(incident.Signal)
		if failed != nil && len(body) > 0 && json.Unmarshal(body, one) == nil { // of a version that sent each alone
			want, failed = []incident.Signal{*one}, nil
		}
		got, raw, err := newDecoder().signals(body, nil, nil)
		if (err == nil) != (failed == nil) {
			t.Fatalf("read %+v, %v, and by encoding/json %+v, %v", got, err, want, failed)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(none(got), none(want)) || len(raw) != len(got) {
			t.Fatalf("read %+v as %+v", want, got)
		}
		for i, r := range raw { // as it is, and with another time
			later := want[i]
			later.AcceptedAt = t0.Add(time.Minute)
			for as, want := range map[string]incident.Signal{string(r): want[i], string(accepted(r, later.AcceptedAt)): later} {
				var s incident.Signal
				if err := json.Unmarshal([]byte(as), &s); err != nil || !reflect.DeepEqual(blank(incident.Fold{Signals: []incident.Signal{s}}), blank(incident.Fold{Signals: []incident.Signal{want}})) {
					t.Fatalf("handed on %s of %+v, %v", as, want, err)
				}
			}
		}
	})
}

// FuzzFold: a fold is read as encoding/json reads it.
func FuzzFold(f *testing.F) {
	list, _ := written(f)
	for _, fold := range []incident.Fold{{}, {Partition: 3, Seen: t0}, {Partition: 12, Signals: list, Seen: t0}} {
		body, err := json.Marshal(fold)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, text := range []string{`{"partition":01}`, `{"partition":1,"seen":"2026-03-02T10:00:00\u005a"}`, `{"partition":0,"signals":[]}`, `{"partition":1} `} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want incident.Fold
		failed := json.Unmarshal(body, &want)
		got, err := newDecoder().fold(body)
		if (err == nil) != (failed == nil) {
			t.Fatalf("read %+v, %v, and by encoding/json %+v, %v", got, err, want, failed)
		}
		got.Signals, want.Signals = none(got.Signals), none(want.Signals)
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("read %+v as %+v", want, got)
		}
	})
}

// none makes no difference between an empty list and none.
func none(list []incident.Signal) []incident.Signal {
	if len(list) == 0 {
		return nil
	}
	return list
}

// FuzzTopology: whatever is read of a message of records can be written, and is the same when it is read again.
func FuzzTopology(f *testing.F) {
	bodies, err := topologyBodies([]incident.GraphChange{node("a"), {At: t0, Delete: node("b").Upsert},
		{At: t0, Upsert: &incident.GraphItem{Edge: &incident.Edge{From: incident.Resource{Kind: "Pod", Name: "a"}, To: incident.Resource{Kind: "Deployment", Name: "b"}, Kind: incident.OwnedBy}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bodies[0])
	for _, text := range []string{"", "{}", "null\n{}", `{"type":"topology","at":"2026-03-02T10:00:00+25:00"}`, "{}{", "[]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, _ := readTopology(body) // what is before that which cannot be read counts
		bodies, err := topologyBodies(list)
		if err != nil {
			t.Fatal(err)
		}
		var again []incident.GraphChange
		for _, b := range bodies {
			more, err := readTopology(b)
			if err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			again = append(again, more...)
		}
		first, second := asJSON(t, list), asJSON(t, again)
		if first != second {
			t.Fatalf("read %s, and again %s", first, second)
		}
	})
}

func asJSON(t *testing.T, v []incident.GraphChange) string {
	t.Helper()
	if len(v) == 0 {
		return "none"
	}
	return string(encode(t, v))
}
