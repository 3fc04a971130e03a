package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// The answers are of the shapes that Prometheus documents for /api/v1/query.
func TestSample(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
		values []string
		noData string
	}{
		{"vector", 200, `{"status":"success","data":{"resultType":"vector","result":[
			{"metric":{"__name__":"up","job":"a"},"value":[1435781451.781,"1"]},{"metric":{"job":"b"},"value":[1435781451.781,"0.25"]}]}}`, []string{"1", "0.25"}, ""},
		{"scalar", 200, `{"status":"success","data":{"resultType":"scalar","result":[1435781451.781,"3"]}}`, []string{"3"}, ""},
		{"NaN and infinite", 200, `{"status":"success","data":{"resultType":"vector","result":[
			{"metric":{},"value":[1435781451.781,"NaN"]},{"metric":{},"value":[1435781451.781,"+Inf"]}]}}`, []string{"NaN", "+Inf"}, ""},
		{"with warnings", 200, `{"status":"success","warnings":["w"],"infos":["i"],"data":{"resultType":"scalar","result":[1,"3"]}}`, []string{"3"}, ""},
		{"no series", 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`, nil, "no series"},
		{"matrix", 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}`, nil, "gives a matrix"},
		{"string", 200, `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`, nil, "no usable answer"},
		{"histogram", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"60","sum":"33424","buckets":[[0,"1","2","3"]]}]}]}}`, nil, "histograms"},
		{"bad query", 400, `{"status":"error","errorType":"bad_data","error":"1:3: parse error:\nunexpected end"}`, nil, "refused the query: 1:3: parse error: unexpected end"},
		{"cannot execute", 422, `{"status":"error","errorType":"execution","error":"multiple matches"}`, nil, "refused the query: multiple matches"},
		{"too slow", 503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, nil, "no usable answer"},
		{"proxy", 502, `<html>bad gateway</html>`, nil, "no usable answer"},
		{"not JSON", 200, `ok`, nil, "no usable answer"},
		{"endless", 200, strings.Repeat(" ", maxAnswer+1), nil, "no usable answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/prom/api/v1/query" || r.FormValue("query") != "up" || r.FormValue("time") != "" || r.FormValue("timeout") != queryTimeout.String() {
					t.Errorf("asked %s %v", r.URL, r.Form)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			defer srv.Close()
			v, err := New(srv.URL+"/prom/", srv.Client())
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Sample(t.Context(), []incident.Check{{Name: "a", Query: "up"}})
			if err != nil {
				t.Fatal(err)
			}
			if o := got[0]; o.Check != "a" || !slices.Equal(o.Values, c.values) || (o.NoData == "") != (c.noData == "") || !strings.Contains(o.NoData, c.noData) {
				t.Errorf("got %+v", o)
			}
		})
	}
}

// One query that fails does not take the others with it, and the order is that of the checks.
func TestSampleSeveral(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.FormValue("query"); q != "broken" {
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"%s"]}}`, q)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer srv.Close()
	v, err := New(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Sample(t.Context(), []incident.Check{{Name: "a", Query: "1"}, {Name: "b", Query: "broken"}, {Name: "c", Query: "3"}})
	if err != nil || len(got) != 3 || got[0].Values[0] != "1" || got[1].NoData == "" || got[2].Values[0] != "3" || got[2].Check != "c" {
		t.Errorf("%+v %v", got, err)
	}
	srv.Close()
	got, err = v.Sample(t.Context(), []incident.Check{{Name: "a", Query: "1"}})
	if err != nil || !strings.Contains(got[0].NoData, "no usable answer") {
		t.Errorf("with Prometheus away: %+v %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Sample(ctx, []incident.Check{{Name: "a", Query: "1"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:9090", "ftp://host", "http://", "http://[::1"} {
		if _, err := New(address, nil); err == nil {
			t.Errorf("%q is taken for an address", address)
		}
	}
}

// The real Prometheus, as far as queries go that need no targets.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	v, err := New(prometheusURL(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	checks := []incident.Check{
		{Name: "zero", Query: "vector(0)", Must: "== 0", For: time.Nanosecond},
		{Name: "scalar", Query: "scalar(vector(2))", Must: "> 1", For: time.Nanosecond},
		{Name: "none", Query: `cortexops_no_such_metric{a="b"}`, Must: "== 0", For: time.Nanosecond},
		{Name: "nan", Query: "0 * vector(NaN)", Must: "== 0", For: time.Nanosecond},
		{Name: "broken", Query: "sum(", Must: "== 0", For: time.Nanosecond},
		{Name: "two", Query: `vector(1) or label_replace(vector(5), "a", "b", "", "")`, Must: "< 3", For: time.Nanosecond},
	}
	got, err := v.Sample(t.Context(), checks)
	if err != nil {
		t.Fatal(err)
	}
	_, verdict := Step(Window{}, checks, got, time.Now())
	if verdict == nil || verdict.Result != incident.Fail {
		t.Fatalf("%+v of %+v", verdict, got)
	}
	for i, want := range []string{"0", "2", "the query gives no series", "NaN", "Prometheus refused the query", "5"} {
		if r := verdict.Checks[i]; !strings.HasPrefix(r.Value, want) {
			t.Errorf("%s: %+v, want %s", checks[i].Name, r, want)
		}
	}
}

func prometheusURL(t *testing.T) string {
	t.Helper()
	file := os.Getenv("CORTEXOPS_TEST_STACK")
	if file == "" {
		t.Skip("not run: no stack: run make test")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Prometheus struct {
			URL string `json:"url"`
		} `json:"prometheus"`
	}
	if err := json.Unmarshal(b, &stack); err != nil {
		t.Fatal(err)
	}
	if stack.Prometheus.URL == "" {
		t.Fatalf("%s has no prometheus.url", file)
	}
	return stack.Prometheus.URL
}
