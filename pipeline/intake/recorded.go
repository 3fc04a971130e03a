package intake

import (
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Alertmanager reads the body of an Alertmanager webhook, version 4, that was accepted at a time, or returns *Invalid. The
// cluster is that of alerts without a label cluster.
func Alertmanager(body []byte, cluster string, at time.Time) ([]incident.Signal, error) {
	list, _, err := decodeAlertmanager(body, cluster, at)
	for i := range list {
		if own := list[i].Labels["cluster"]; own != "" && !list[i].Subject.IsZero() {
			list[i].Subject.Cluster = own
		}
	}
	return list, err
}

// Recorded reads a Signal that was recorded, or written by hand: what an alert's labels say need not be said again. What is
// wrong is an *Invalid with a pointer below that of the signal.
func Recorded(raw []byte, pointer, cluster string, at time.Time) (incident.Signal, error) {
	var s incident.Signal
	if err := Unmarshal(pointer, raw, &s); err != nil {
		return s, err
	}
	if !isObject(raw) {
		return s, &Invalid{Pointer: pointer, Why: "must be an object"}
	}
	return complete(s, pointer, cluster, at)
}

// complete fills in what the labels say, and checks the whole.
func complete(s incident.Signal, pointer, cluster string, at time.Time) (incident.Signal, error) {
	bad := func(field, why string) (incident.Signal, error) {
		return incident.Signal{}, &Invalid{Pointer: pointer + field, Why: why}
	}
	fill(&s, cluster, at)
	switch {
	case s.Name == "":
		return bad("/name", "is required, or a label alertname")
	case len(s.Name) > maxID:
		return bad("/name", "is too long")
	case len(s.Fingerprint) > maxID:
		return bad("/fingerprint", "is too long")
	case s.Status != incident.Firing && s.Status != incident.Resolved:
		return bad("/status", "must be firing or resolved")
	case !Sane(s.StartsAt):
		return bad("/startsAt", "must lie between 1970 and 9998")
	case !s.EndsAt.IsZero() && !Sane(s.EndsAt):
		return bad("/endsAt", "must lie between 1970 and 9998")
	case !s.Subject.IsZero() && (s.Subject.Kind == "" || s.Subject.Name == ""):
		return bad("/subject", "needs a kind and a name")
	}
	if s.ID == "" {
		s.ID = incident.SignalID(s.Source, s.Fingerprint, s.Status, s.StartsAt, s.EndsAt)
	}
	return s, nil
}

func fill(s *incident.Signal, cluster string, at time.Time) {
	or := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	or(&s.Source, "recorded")
	or((*string)(&s.Status), string(incident.Firing))
	or(&s.Name, s.Labels["alertname"])
	or(&s.Severity, s.Labels["severity"])
	or(&s.Container, incident.ContainerNamed(s.Labels))
	if s.Subject.IsZero() {
		s.Subject = subject(s.Labels)
	}
	if !s.Subject.IsZero() {
		or(&s.Subject.Cluster, s.Labels["cluster"])
		or(&s.Subject.Cluster, cluster)
	}
	if s.Fingerprint == "" {
		s.Fingerprint = incident.Digest(s.Name, s.Subject.Key(), s.Container, labelsDigest(s.Labels))[:16] // labels alone may be those of many, such as a trace's
	}
	if s.StartsAt.IsZero() {
		s.StartsAt = at
	}
	s.StartsAt, s.EndsAt, s.AcceptedAt = s.StartsAt.UTC(), s.EndsAt.UTC(), at
}
