package verify

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestCourse asks as far back as it looks ahead, for a bounded number of points. The answers are of the shape that Prometheus
// documents for /api/v1/query_range.
func TestCourse(t *testing.T) {
	t.Parallel()
	applied := time.Unix(1_700_000_000, 0)
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, _ := strconv.ParseFloat(r.FormValue("start"), 64)
		end, _ := strconv.ParseFloat(r.FormValue("end"), 64)
		step, _ := strconv.ParseFloat(r.FormValue("step"), 64)
		if r.URL.Path != "/api/v1/query_range" || start != 1_700_000_000-600 || end != 1_700_000_000+600 || (end-start)/step > coursePoints {
			t.Errorf("asked %s %v", r.URL, r.Form)
		}
		asked = append(asked, r.FormValue("query"))
		switch r.FormValue("query") {
		case "broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "empty":
			_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"matrix","result":[]}}`))
		default:
			_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"matrix","result":[
				{"metric":{"pod":"a"},"values":[[1699999400,"1"],[1700000000,"NaN"],[1700000052,"7"],[1700000104,"+Inf"]]},
				{"metric":{"pod":"b"},"values":[[1699999400,"3"],[1700000052,"2"]]}]}}`))
		}
	}))
	defer srv.Close()
	v, err := New(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := v.Course(t.Context(), []incident.Check{{Name: "low", Query: "a", Must: "<= 0.3"}, {Name: "high", Query: "b", Must: "> 1e2"}, {Name: "no", Query: "broken", Must: "== 0"},
		{Name: "none", Query: "empty", Must: "?"}, {Name: "one too many", Query: "c", Must: "== 0"}}, applied, applied.Add(10*time.Minute))
	got, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	at := `"applied":` + quoted(t, applied)
	for _, want := range []string{
		`{"check":"low",` + at + `,"bound":0.3,"points":[{"at":"2023-11-14T22:03:20Z","value":3},{"at":"2023-11-14T22:14:12Z","value":7}]}`,
		`{"check":"high",` + at + `,"bound":100,"points":[{"at":"2023-11-14T22:03:20Z","value":1},{"at":"2023-11-14T22:14:12Z","value":2}]}`,
		`{"check":"none",` + at + `,"noData":"the query gave no numbers"}`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if len(list) != courseChecks || !strings.Contains(list[2].NoData, "no usable answer") || len(asked) < courseChecks {
		t.Errorf("%s", got)
	}
}

// TestUsage asks for the peaks between two points, and of a long time for no more points.
func TestUsage(t *testing.T) {
	t.Parallel()
	until := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct {
		since time.Duration
		start float64
		query string
	}{
		"a day":   {24 * time.Hour, 1_700_000_000 - 86400, "max_over_time((a / b)[1h2m37s:1m3s])"},
		"a month": {30 * 24 * time.Hour, 1_700_000_000 - 7*86400, "max_over_time((a / b)[7h18m16s:7m18s])"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if start, err := strconv.ParseFloat(r.FormValue("start"), 64); err != nil || start != c.start || r.FormValue("query") != c.query {
				t.Errorf("%s: asked %v", name, r.Form)
			}
			_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1699999400,"0.5"]]}]}}`))
		}))
		v, err := New(srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := v.Usage(t.Context(), []incident.Check{{Name: "a", Query: "a / b", Must: "< 1"}}, until.Add(-c.since), until)
		if len(got) != 1 || len(got[0].Points) != 1 || got[0].Points[0].Value != 0.5 {
			t.Errorf("%s: %+v", name, got)
		}
		srv.Close()
	}
}

func quoted(t *testing.T, at time.Time) string {
	t.Helper()
	b, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
