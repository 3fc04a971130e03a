package model

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestTag(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"app:1.9.0": "1.9.0", "registry.example:5000/app": "latest", "registry.example:5000/app:2": "2",
		"app": "latest", "app:3@sha256:00": "3", "": "latest",
	} {
		if got := Tag(image); got != want {
			t.Errorf("Tag(%q) = %q, want %q", image, got, want)
		}
	}
	if Pullable("app:missing-1") || !Pullable("missing:1") {
		t.Error("only the tag says that an image is missing")
	}
}

func TestProgramOf(t *testing.T) {
	t.Parallel()
	notes := map[string]string{WorkingSet: "300Mi", RPS: "30", RPSPerPod: "20", FaultyTags: "1.9.0, 2.0"}
	for image, faulty := range map[string]bool{"a:1.8.0": false, "a:1.9.0": true, "a:2.0": true, "a:1.9": false} {
		want := Program{WorkingSet: 300 << 20, RPS: 30, RPSPerPod: 20, Faulty: faulty}
		if got := Of(notes, []corev1.Container{{Image: image}}); got != want {
			t.Errorf("%s: %+v, want %+v", image, got, want)
		}
	}
	bad := map[string]string{WorkingSet: "much", RPS: "-1", RPSPerPod: "NaN"}
	if got := Of(bad, []corev1.Container{{Image: "a"}}); got != (Program{}) {
		t.Errorf("nonsense counts as not told, not as %+v", got)
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	p := Program{WorkingSet: 300 << 20}
	for _, tc := range []struct {
		limit string
		fits  bool
		holds string
	}{{"256Mi", false, "256Mi"}, {"300Mi", true, "300Mi"}, {"1Gi", true, "300Mi"}, {"0", true, "300Mi"}} {
		l := MemoryLimit(corev1.Container{Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(tc.limit)}}})
		holds := resource.MustParse(tc.holds)
		if p.Fits(l) != tc.fits || p.Memory(l) != holds.Value() {
			t.Errorf("at %s: fits %t, holds %d; want %t, %d", tc.limit, p.Fits(l), p.Memory(l), tc.fits, holds.Value())
		}
	}
	if MemoryLimit(corev1.Container{}) != 0 {
		t.Error("no limit is 0")
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	good, bad := Program{RPSPerPod: 20}, Program{RPSPerPod: 20, Faulty: true}
	for name, tc := range map[string]struct {
		ready []Program
		want  map[string]float64
		mean  float64
	}{
		"all good":             {[]Program{good, good}, map[string]float64{"200": 300}, 0.08},
		"all faulty":           {[]Program{bad, bad}, map[string]float64{"200": 210, "500": 90}, 0.08},
		"more faulty pods":     {[]Program{bad, bad, bad, bad}, map[string]float64{"200": 210, "500": 90}, 0.08},
		"half rolled out":      {[]Program{good, bad}, map[string]float64{"200": 255, "500": 45}, 0.08},
		"too few are slow":     {[]Program{good}, map[string]float64{"200": 300}, 0.08 * 2.25},
		"none answers by 503s": {nil, map[string]float64{"200": 0, "503": 300}, 0.08},
	} {
		tr := NewTraffic()
		for range 40 { // 10 s, of 30 requests each
			tr.Advance(30, 0.25, tc.ready)
		}
		got := tr.Requests()
		for code, n := range tc.want {
			if math.Abs(got[code]-n) > 1 || len(got) != len(tc.want) {
				t.Errorf("%s: %v, want %v", name, got, tc.want)
			}
		}
		count, sum, buckets := tr.Latency()
		if count < 299 || count > 300 || math.Abs(sum/300-tc.mean) > 0.001 {
			t.Errorf("%s: %d requests of %.4f s each, want 300 of %.4f", name, count, sum/300, tc.mean)
		}
		before := uint64(0)
		for _, b := range Buckets {
			if buckets[b] < before || buckets[b] > count {
				t.Errorf("%s: the histogram is not cumulative: %v", name, buckets)
			}
			before = buckets[b]
		}
	}
}

func TestTrafficOnlyGrows(t *testing.T) {
	t.Parallel()
	tr, last := NewTraffic(), map[string]float64{}
	for i := range 100 {
		tr.Advance(7, 0.3, make([]Program, i%4))
		tr.Advance(7, -1, nil)
		for code, n := range tr.Requests() {
			if n < last[code] {
				t.Fatalf("%s fell from %v to %v", code, last[code], n)
			}
			last[code] = n
		}
	}
}
