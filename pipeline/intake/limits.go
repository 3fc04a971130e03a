package intake

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Every bound on what a stranger can send is in this file.
const (
	maxBody       = 1 << 20
	smallBody     = 64 << 10 // as Flux's events and most of the forge's
	maxHeader     = 16 << 10
	maxGroup      = 16 << 20 // of Alertmanager, which sends all alerts of a group in one body
	maxConcurrent = 64
	maxLarge      = 2 // beyond maxBody, of one source: each takes about seven times its size, until the bus has it

	headerTime = 5 * time.Second
	readTime   = 15 * time.Second
	writeTime  = 30 * time.Second // longer than a publish may take
	idleTime   = time.Minute

	slackTime  = 2 * time.Second // of the 3 s that Slack waits, for the bus or for telling a stranger
	slackSkew  = 5 * time.Minute
	slackValue = 2000 // bytes of a button's value: what Slack itself allows

	maxID         = 256      // a fingerprint, a delivery, a name
	maxPairs      = 100      // labels or annotations of one signal
	maxLabels     = 8 << 10  // bytes of one signal's labels, names and values together
	maxAnnotation = 4 << 10  // bytes of one annotation; longer ones are cut
	maxNotes      = 16 << 10 // bytes of one signal's annotations after cutting
	maxURL        = 2 << 10

	clockSkew = 10 * time.Minute // that a sender's clock may be ahead of ours: well below the hour by which correlation tells episodes apart
)

// Server bounds headers, times and idle connections around h.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
	}
}

// read takes the body in, and refuses one that says it is too large without reading it. Call free when the body is done with.
func (s source) read(w http.ResponseWriter, r *http.Request) (body []byte, free func(), refused *rejection) {
	most, free := cmp.Or(s.most, maxBody), func() {}
	big := &rejection{status: http.StatusRequestEntityTooLarge, reason: tooLarge, why: "the body is larger than " + strconv.Itoa(most) + " bytes" + s.less}
	if r.ContentLength > int64(most) {
		w.Header().Set("Connection", "close")
		return nil, free, big
	}
	var buffer bytes.Buffer
	var err error
	from, large := http.MaxBytesReader(w, r.Body, int64(most)), r.ContentLength > maxBody
	if !large {
		if r.ContentLength > 0 {
			buffer.Grow(int(r.ContentLength) + bytes.MinRead)
		}
		_, err = buffer.ReadFrom(io.LimitReader(from, maxBody+1))
		large = buffer.Len() > maxBody
	}
	if large {
		select {
		case s.large <- struct{}{}:
			free = func() { <-s.large }
		default:
			return nil, free, s.crowded()
		}
		buffer.Grow(max(int(r.ContentLength), maxBody) + bytes.MinRead)
		_, err = buffer.ReadFrom(from)
	}
	if tooMuch := (*http.MaxBytesError)(nil); errors.As(err, &tooMuch) {
		return nil, free, big
	}
	if err != nil { // 503 since it may be whole the next time, and Alertmanager sends nothing again that was answered below 500
		return nil, free, &rejection{status: http.StatusServiceUnavailable, reason: unread, why: "the body did not arrive whole, send it again"}
	}
	return buffer.Bytes(), free, nil
}

// labelsFit checks what identifies a signal, which cannot be cut.
func labelsFit(pointer string, labels map[string]string) error {
	size := 0
	for k, v := range labels {
		size += len(k) + len(v)
	}
	if len(labels) > maxPairs || size > maxLabels {
		return &Invalid{Pointer: pointer, Why: "more than " + strconv.Itoa(maxPairs) + " labels or " + strconv.Itoa(maxLabels) + " bytes of them"}
	}
	return nil
}

// bounded cuts annotations, which are only read by people. What does not fit altogether is left out, in the order of
// the names, so that the same annotations are always cut the same way.
func bounded(annotations map[string]string) map[string]string {
	size, long := 0, len(annotations) > maxPairs
	for k, v := range annotations {
		size += len(k) + len(v)
		long = long || len(v) > maxAnnotation
	}
	if !long && size <= maxNotes && len(annotations) > 0 {
		return annotations // nearly all
	}
	out := map[string]string{}
	size = 0
	for _, k := range sortedKeys(annotations) {
		v := cut(annotations[k], maxAnnotation)
		if size += len(k) + len(v); size > maxNotes || len(out) == maxPairs {
			break
		}
		out[k] = v
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Sane tells the times that can be written back as JSON in UTC, also after some time was added.
func Sane(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1970 && year <= 9998
}

// timely refuses what begins ahead of when it was accepted, by more than clocks differ. It could not be told to begin then instead:
// an alert is told again and again with the beginning that it had, and would have another each time, which is a new episode and
// a new incident. An end can, and nothing is lost: whatever its clock says, the sender has seen it.
func timely(s *incident.Signal, at time.Time, pointer func() string) error {
	if !past(s.StartsAt, at).Equal(s.StartsAt) {
		return &Invalid{Pointer: pointer(), Why: "lies more than " + clockSkew.String() + " ahead of our clock, which says " + at.UTC().Format(time.RFC3339) +
			": is the sender's clock right?"}
	}
	s.EndsAt = past(s.EndsAt, at)
	return nil
}

// past is t, or at where t lies ahead of that by more than clocks differ.
func past(t, at time.Time) time.Time {
	if t.Sub(at) > clockSkew {
		return at
	}
	return t
}

// cut shortens s to at most n bytes, at the end of a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n -= len("…"); n > 0 && !utf8.RuneStart(s[n]); n-- {
	}
	return s[:n] + "…"
}
