package intake

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkAlertmanager decodes a webhook of 100 alerts, and encodes the signals, as the bus does.
func BenchmarkAlertmanager(b *testing.B) {
	var alerts [][]byte
	for i := range 100 {
		alerts = append(alerts, fmt.Appendf(nil, `{"status":"firing","labels":{"alertname":"ContainerOOMKilled","namespace":"team-%d","pod":"service-%d-6b7f9c8d5-x0001","container":"app","severity":"critical","job":"kubelet","instance":"10.0.0.1:10250"},`+
			`"annotations":{"summary":"Container app was killed since it ran out of memory","runbook_url":"https://runbooks.example.com/containers/oom","description":"It was killed 3 times in the last 10 minutes."},`+
			`"startsAt":"2026-03-02T10:15:04.123Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://prometheus.example.com/graph?g0.expr=x&g0.tab=1","fingerprint":"%016x"}`, i, i, i))
	}
	body := append(append([]byte(`{"version":"4","status":"firing","receiver":"cortexops","alerts":[`), bytes.Join(alerts, []byte(","))...), "]}"...)
	b.ReportAllocs()
	for b.Loop() {
		list, _, err := decodeAlertmanager(body, "prod", at)
		if err != nil || len(list) != 100 {
			b.Fatal(err)
		}
		for _, s := range list {
			if _, err := s.AppendJSON(nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/signal")
}
