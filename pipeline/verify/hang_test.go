package verify

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// deaf takes a question and never answers.
type deaf struct{}

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestPrometheusThatHangs must be an observation without data well before Temporal misses a heartbeat, which would start the
// watch anew.
func TestPrometheusThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, err := New("http://prometheus.test", &http.Client{Transport: deaf{}})
		if err != nil {
			t.Fatal(err)
		}
		asked := time.Now()
		got, err := v.Sample(t.Context(), []incident.Check{{Name: "a", Query: "up"}, {Name: "b", Query: "down"}})
		if err != nil || len(got) != 2 || !strings.Contains(got[0].NoData, "no usable answer") || got[1].NoData == "" {
			t.Errorf("%+v %v", got, err)
		}
		if took := time.Since(asked); took > 5*time.Second { // of the fake clock; half a heartbeat
			t.Errorf("it was waited for %s", took)
		}
	})
}
