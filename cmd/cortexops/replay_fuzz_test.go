package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/cortexops/cortexops/pipeline/intake"
	"github.com/cortexops/cortexops/playbooks"
)

// FuzzReplay is of files that somebody wrote: what is wrong is told with its line, and the rest is correlated and can be shown.
func FuzzReplay(f *testing.F) {
	for _, l := range (storm{signals: 20, pods: 2, seed: 1}).lines() {
		b, err := json.Marshal(l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\ufeff" + alertsLine + "\r\n\r\n" + alertsLine))
	f.Add([]byte(`{"type":"topology","at":"2026-03-02T10:00:00Z","upsert":{"node":{"cluster":"c","group":"apps","kind":"Deployment","namespace":"shop","name":"web","dependsOn":"apps/namespaces/shop/StatefulSet/db"}}}` + "\n" +
		`{"type":"topology","at":"2026-03-02T10:00:01Z","upsert":{"edge":{"from":{"cluster":"c","kind":"Pod","namespace":"shop","name":"web-1"},"to":{"cluster":"c","group":"apps","kind":"Deployment","namespace":"shop","name":"web"},"kind":"owned-by"}}}` + "\n" +
		`{"type":"signal","at":"2026-03-02T10:00:02Z","signal":{"labels":{"alertname":"A","namespace":"shop","pod":"web-1"}}}`))
	books, err := playbooks.Load(playbooks.Catalogue())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r := newReplayed(10e9)
		err := readRecords(bytes.NewReader(file), "f", func(rec record, _ int64) error {
			for _, s := range rec.signals {
				if s.ID == "" || s.Name == "" || !intake.Sane(s.StartsAt) || !s.AcceptedAt.IsZero() && !intake.Sane(s.AcceptedAt) {
					t.Fatalf("let through %+v", s)
				}
			}
			r.take(rec)
			return nil
		})
		if wrong := (*LineError)(nil); err != nil && !errors.As(err, &wrong) {
			t.Fatalf("without its line: %v", err)
		}
		var out bytes.Buffer
		result := r.finish(books)
		if err := errors.Join(result.json(&out), result.table(&out)); err != nil {
			t.Fatal(err)
		}
	})
}
