package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// replayed runs the verb on text.
func replayText(t *testing.T, text string, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "storm.jsonl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	err := run(t.Context(), append([]string{"replay", file}, args...), &out, &errs)
	if errs.Len() > 0 {
		t.Errorf("a bar without a terminal: %q", errs.String())
	}
	return out.String(), err
}

// TestAStormIsThreeIncidents is 100,000 signals, 5 % of them duplicates and 10 % late.
func TestAStormIsThreeIncidents(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := (storm{signals: 100_000, pods: 200, seed: 1}).write(&b); err != nil {
		t.Fatal(err)
	}
	out, err := replayText(t, b.String(), "--output", "json")
	if err != nil {
		t.Fatal(err)
	}
	var got replayResult
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	members := map[string]int{}
	for _, i := range got.Incidents {
		members[i.Root.Namespace+"/"+i.Root.Name] = len(i.Members)
		if i.State != incident.Sealed || i.Graph != got.Topology.Digest {
			t.Errorf("%s is %s and was judged by %s", i.Root, i.State, i.Graph)
		}
		if i.Root.Name == "payments" {
			if why := i.Members[0].Terms; len(why) != 2 || why[1].Why != "rollout 9f3c1d2, 3 min before onset" {
				t.Errorf("the root's terms are %v", why)
			}
			if !slices.Equal(i.Blast.Tiers, []string{"data", "edge", "shop"}) || i.Blast.Dependents != 9 {
				t.Errorf("hit is %+v", i.Blast)
			}
			if i.Playbook != "raise-memory-limit" {
				t.Errorf("the playbook is %q: %v", i.Playbook, i.NotTaken)
			}
		}
	}
	if len(members) != 3 || len(got.Incidents) != 3 || members["data/payments"] != 10 || members["batch/report"] != 1 || members["ops/backup"] != 1 {
		t.Errorf("got %d incidents: %v", len(got.Incidents), members)
	}
	if got.Signals != 100_000 || got.Again < 4_000 || got.Late != 0 {
		t.Errorf("%d signals, %d again, %d late", got.Signals, got.Again, got.Late)
	}
}

const alertsLine = `{"version":"4","status":"firing","alerts":[` +
	`{"status":"firing","labels":{"alertname":"ContainerOOMKilled","namespace":"shop","pod":"checkout-6b7f9c8d5-x2x4z","container":"app"},"startsAt":"2026-03-02T10:00:00Z"},` +
	`{"status":"firing","labels":{"alertname":"HighErrorRate","namespace":"shop","pod":"checkout-6b7f9c8d5-b2b4b"},"startsAt":"2026-03-02T10:00:02Z"}]}`

func TestReplayShows(t *testing.T) {
	t.Parallel()
	out, err := replayText(t, alertsLine+"\n\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"sealed  Deployment shop/checkout in default  1          2        2026-03-02T10:00:00Z  1.0    raise-memory-limit",
		"1.0  Deployment shop/checkout in default: ContainerOOMKilled, HighErrorRate, 2 signals",
		"playbook: raise-memory-limit", "not restart-database: ", "1 incidents from 2 signals",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestReplayOfAMarkedFile, as some editors on Windows write it.
func TestReplayOfAMarkedFile(t *testing.T) {
	t.Parallel()
	out, err := replayText(t, "\ufeff"+alertsLine+"\r\n")
	if err != nil || !strings.Contains(out, "1 incidents from 2 signals") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestReplayEscapesWhatItShows(t *testing.T) {
	t.Parallel()
	out, err := replayText(t, `{"type":"signal","at":"2026-03-02T10:00:00Z","signal":{"name":"a\u001b[2Jb","subject":{"kind":"Deployment","name":"x\u0007"}}}`)
	if err != nil || strings.ContainsAny(out, "\x1b\x07") || !strings.Contains(out, "a?[2Jb") {
		t.Errorf("%q %v", out, err)
	}
}

func TestReplayNamesTheLine(t *testing.T) {
	t.Parallel()
	const at = `"at":"2026-03-02T10:00:00Z"`
	for name, tc := range map[string]struct{ line, pointer, why string }{
		"not JSON":          {`{"type"`, "", "not JSON"},
		"of no type":        {`{"type":"x",` + at + `}`, "/type", "must be signal or topology"},
		"no time":           {`{"type":"signal","signal":{"name":"x"}}`, "/at", "is required"},
		"in the year 9999":  {`{"type":"topology","at":"9999-01-01T00:00:00Z","delete":{}}`, "/at", "9998"},
		"no signal":         {`{"type":"signal",` + at + `}`, "/signal", "is required"},
		"no name":           {`{"type":"signal",` + at + `,"signal":{}}`, "/signal/name", "is required"},
		"wrong type":        {`{"type":"signal",` + at + `,"signal":{"name":7}}`, "/signal/name", "must be a string"},
		"wrong status":      {`{"type":"signal",` + at + `,"signal":{"name":"x","status":"ended"}}`, "/signal/status", "must be firing"},
		"no time of day":    {`{"type":"signal","at":"today","signal":{"name":"x"}}`, "/at", `is "today"`},
		"wrong label":       {`{"type":"signal",` + at + `,"signal":{"name":"x","labels":{"a/b":7}}}`, "/signal/labels/a~1b", "must be a string"},
		"wrong of a node":   {`{"type":"topology",` + at + `,"upsert":{"node":{"cluster":"c","kind":"Pod","name":"x","changedAt":7}}}`, "/upsert/node/changedAt", "must be a time"},
		"marked":            {"\ufeff" + `{}`, "", "byte order mark"},
		"status a number":   {`{"type":"signal",` + at + `,"signal":{"name":"x","status":200}}`, "/signal/status", "must be a string, is number"},
		"half a subject":    {`{"type":"signal",` + at + `,"signal":{"name":"x","subject":{"name":"x"}}}`, "/signal/subject", "needs a kind"},
		"no change":         {`{"type":"topology",` + at + `}`, "", "exactly one of upsert and delete"},
		"no item":           {`{"type":"topology",` + at + `,"upsert":{}}`, "/upsert", "exactly one of node and edge"},
		"no cluster":        {`{"type":"topology",` + at + `,"delete":{"node":{"kind":"Pod","name":"x"}}}`, "/delete/node/cluster", "is required"},
		"unknown edge":      {`{"type":"topology",` + at + `,"upsert":{"edge":{"from":{"cluster":"c","kind":"Pod","name":"x"},"to":{"cluster":"c","kind":"Pod","name":"y"},"kind":"likes"}}}`, "/upsert/edge/kind", "is not a kind"},
		"bad annotation":    {`{"type":"topology",` + at + `,"upsert":{"node":{"cluster":"c","kind":"Pod","name":"x","dependsOn":"db"}}}`, "/upsert/node/dependsOn", `depends-on "db"`},
		"body of version 3": {`{"version":"3","alerts":[{}]}`, "/version", "must be"},
		"alert without one": {`{"version":"4","alerts":[{"status":"firing","labels":{}}]}`, "/alerts/0/labels/alertname", "is required"},
	} {
		_, err := replayText(t, alertsLine+"\n"+tc.line+"\n")
		var wrong *LineError
		if !errors.As(err, &wrong) || wrong.Line != 2 || wrong.Pointer != tc.pointer || !strings.Contains(wrong.Why, tc.why) || !strings.Contains(err.Error(), "storm.jsonl:2: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReplayRefusesFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--output", "xml"}, {"--speed", "2x"}, {"--settle", "0s"}, {"--playbooks", "/nowhere"}} {
		if out, err := replayText(t, alertsLine, args...); err == nil {
			t.Errorf("%v: %s", args, out)
		}
	}
	if err := run(t.Context(), []string{"replay"}, &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
		t.Error("replay without a file")
	}
}

// TestReplaySchema holds the schema against what is written and what is refused.
func TestReplaySchema(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"replay", "--schema"}, &out, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	schema := compiled(t, out.Bytes())
	lines := strings.Split(alertsLine, "\n")
	for _, l := range (storm{signals: 100, pods: 2, seed: 1}).lines() {
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(b))
	}
	for _, l := range lines {
		if err := schema(l); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
	for _, l := range []string{`{"type":"x"}`, `{"type":"signal","at":"2026-03-02T10:00:00Z"}`, `{"type":"topology","at":"2026-03-02T10:00:00Z","upsert":{}}`, `{"version":"3","alerts":[{}]}`} {
		if schema(l) == nil {
			t.Errorf("the schema takes %s", l)
		}
	}
}

func compiled(t *testing.T, schema []byte) func(line string) error {
	t.Helper()
	read := func(b []byte) any {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("replay.json", read(schema)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("replay.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(line string) error { return s.Validate(read([]byte(line))) }
}
