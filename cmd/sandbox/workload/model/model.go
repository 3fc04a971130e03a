// Package model says how the sandbox's pretended programs behave, from what the live objects say about them. It is
// pure, and the one source of truth for both the simulator, which kills pods, and the workload, which
// measures them: so that a manifest's cure cures what is measured.
package model

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Annotations of a pod template. They describe the program in the image, which a real cluster would not need to be told.
const (
	// WorkingSet is the memory that the first container needs, a quantity.
	WorkingSet = "sandbox.cortexops.io/working-set"
	// RPS is the requests a second that the whole Deployment is sent.
	RPS = "sandbox.cortexops.io/rps"
	// RPSPerPod is how many of them one pod answers before it becomes slow.
	RPSPerPod = "sandbox.cortexops.io/rps-per-pod"
	// FaultyTags are the image tags, comma-separated, of which the program answers with errors.
	FaultyTags = "sandbox.cortexops.io/faulty-tags"
	// Database is the name of the StatefulSet that the program keeps connections to.
	Database = "sandbox.cortexops.io/database"
	// LeakyTags are the image tags, comma-separated, of which the program never gives connections back.
	LeakyTags = "sandbox.cortexops.io/leaky-tags"
	// MaxConnections is what a database takes.
	MaxConnections = "sandbox.cortexops.io/max-connections"
)

// FaultyRatio of the requests to a faulty program fail.
const FaultyRatio = 0.3

// Program is the behaviour of what one pod template runs.
type Program struct {
	WorkingSet int64   // bytes; 0 is none told
	RPS        float64 // 0 is no traffic
	RPSPerPod  float64 // 0 is no bound
	Faulty     bool

	Database       string // whose client it is
	Leaky          bool
	MaxConnections float64 // of a database; 0 is no database
}

// Of reads the program of a pod template or of a pod made from it. What cannot be parsed counts as not told.
func Of(annotations map[string]string, containers []corev1.Container) Program {
	var p Program
	if q, err := resource.ParseQuantity(annotations[WorkingSet]); err == nil {
		p.WorkingSet = q.Value()
	}
	p.RPS = positive(annotations[RPS])
	p.RPSPerPod = positive(annotations[RPSPerPod])
	p.Database, p.MaxConnections = annotations[Database], positive(annotations[MaxConnections])
	if len(containers) > 0 {
		p.Faulty = tagged(containers[0].Image, annotations[FaultyTags])
		p.Leaky = tagged(containers[0].Image, annotations[LeakyTags])
	}
	return p
}

func tagged(image, tags string) bool {
	list := strings.FieldsFunc(tags, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(list, Tag(image))
}

func positive(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= 1e6) { // NaN compares to nothing
		return 0
	}
	return f
}

// Tag of an image reference, "latest" where it has none.
func Tag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		return image[i+1:]
	}
	return "latest"
}

// Pullable reports whether the image exists. Tags that start with "missing" do not.
func Pullable(image string) bool { return !strings.HasPrefix(Tag(image), "missing") }

// MemoryLimit of a container in bytes, 0 where it has none.
func MemoryLimit(c corev1.Container) int64 {
	q, ok := c.Resources.Limits[corev1.ResourceMemory]
	if !ok {
		return 0
	}
	return q.Value()
}

// Fits reports whether the program stays within the limit. The kernel kills it where it does not.
func (p Program) Fits(limit int64) bool { return limit == 0 || p.WorkingSet <= limit }

// Memory that a running container holds: at a limit that it does not fit, all of the limit.
func (p Program) Memory(limit int64) int64 {
	if p.Fits(limit) {
		return p.WorkingSet
	}
	return limit
}

// Latency, in seconds: what an idle program takes, and the buckets that it is measured in.
const baseLatency = 0.08

// Buckets are the upper bounds of the latency histogram, in seconds.
var Buckets = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}

// spread is the fixed distribution around the mean: shares of the requests and their latency in means.
var spread = []struct{ share, factor float64 }{{0.5, 0.7}, {0.4, 1}, {0.09, 2}, {0.01, 7}}

// Traffic accumulates what the callers of one Deployment saw. Every number only grows.
type Traffic struct {
	requests map[string]float64 // by HTTP status code
	buckets  []float64          // requests by the bucket that they fall in, one more for those above all
	sum      float64            // seconds
}

// NewTraffic starts at zero.
func NewTraffic() *Traffic {
	return &Traffic{requests: map[string]float64{"200": 0}, buckets: make([]float64, len(Buckets)+1)}
}

// Advance adds the requests of dt seconds. They are split evenly over the ready pods, each given by its own program;
// with none, whoever balances the load answers 503 at once.
func (t *Traffic) Advance(rps, dt float64, ready []Program) {
	if rps <= 0 || dt <= 0 {
		return
	}
	if len(ready) == 0 {
		t.requests["503"] += rps * dt
		t.observe(rps*dt, baseLatency)
		return
	}
	perPod := rps / float64(len(ready))
	for _, p := range ready {
		n := perPod * dt
		bad := 0.0
		if p.Faulty {
			bad = n * FaultyRatio
			t.requests["500"] += bad
		}
		t.requests["200"] += n - bad
		t.observe(n, p.latency(perPod))
	}
}

// latency grows with the square of the overload: a queue, roughly.
func (p Program) latency(rps float64) float64 {
	if p.RPSPerPod == 0 || rps <= p.RPSPerPod {
		return baseLatency
	}
	load := rps / p.RPSPerPod
	return baseLatency * load * load
}

func (t *Traffic) observe(n, mean float64) {
	for _, s := range spread {
		at, _ := slices.BinarySearch(Buckets, mean*s.factor)
		t.buckets[at] += n * s.share
		t.sum += n * s.share * mean * s.factor
	}
}

// Requests so far by status code, whole ones.
func (t *Traffic) Requests() map[string]float64 {
	whole := maps.Clone(t.requests)
	for code, n := range whole {
		whole[code] = float64(uint64(n))
	}
	return whole
}

// Latency so far: how many, the sum of their seconds, and how many were at or below each bound of Buckets.
func (t *Traffic) Latency() (count uint64, sum float64, atOrBelow map[float64]uint64) {
	atOrBelow = map[float64]uint64{}
	total := 0.0
	for i, n := range t.buckets {
		total += n
		if i < len(Buckets) {
			atOrBelow[Buckets[i]] = uint64(total)
		}
	}
	return uint64(total), t.sum, atOrBelow
}
