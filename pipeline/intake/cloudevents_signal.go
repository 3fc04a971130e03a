package intake

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// signal of an event. The data may be a signal as replay reads it (see replay --schema); what that does not say, the attributes
// do: type is its name, time when it began, subject what it is about, in the form of the annotation cortexops.io/depends-on,
// and the extensions severity and status what they say. By the specification source and id make the event what it is, so that
// its ID is derived from these; and from the sender, who alone is authenticated.
func (e cloudEvent) signal(sender, cluster string, at time.Time) (incident.Signal, error) {
	var s incident.Signal
	starts := "/data/startsAt"
	if isJSON(e.kind) && (isObject(e.data) || marked(e.data)) {
		if err := Unmarshal(e.pointer+"/data", e.data, &s); err != nil {
			return s, err
		}
	} else if strings.HasPrefix(e.kind, "text/") && utf8.Valid(e.data) {
		s.Annotations = map[string]string{"message": string(e.data)}
	}
	s.Source = "cloudevents"
	s.ID, s.AcceptedAt = incident.Digest("cloudevents", cluster, sender, e.source(), e.text("id"))[:32], at
	if when := e.text("time"); when != "" && s.StartsAt.IsZero() {
		began, err := time.Parse(time.RFC3339, when)
		if err != nil || !Sane(began) {
			return s, &Invalid{Pointer: e.pointer + "/time", Why: "must be a time such as 2026-03-02T10:00:00Z, between 1970 and 9998"}
		}
		s.StartsAt, starts = began, "/time"
	}
	for _, f := range []struct {
		field *string
		name  string
	}{{&s.Name, "type"}, {&s.Severity, "severity"}, {(*string)(&s.Status), "status"}} {
		if *f.field == "" {
			*f.field = e.text(f.name)
		}
	}
	if named := e.text("subject"); s.Subject.IsZero() && named != "" {
		s.Subject = subjectOf(named)
	}
	if len(s.Fingerprint) > maxID {
		return s, &Invalid{Pointer: e.pointer + "/data/fingerprint", Why: "is too long"}
	}
	s.Fingerprint = e.fingerprint(cluster, sender, s)
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	s.Labels["source"], s.Labels["type"] = e.source(), e.text("type")
	if s.Status != incident.Resolved {
		s.EndsAt = time.Time{} // as of Alertmanager: no end
	}
	s, err := e.bounded(s, cluster, at)
	if err == nil {
		err = timely(&s, at, func() string { return e.pointer + starts })
	}
	return s, err
}

// fingerprint that an event gives to its alert, or what stands in for it. It is good among the events of one sender and source only:
// whoever guesses it, or happens to have the same, would else end the alert of another. The sender is part of it since a sender
// may choose its source, where it is not bound to some.
func (e cloudEvent) fingerprint(cluster, sender string, s incident.Signal) string {
	own := s.Fingerprint
	switch {
	case own != "":
	case len(s.Labels) > 0:
		own = incident.Digest(labelsDigest(s.Labels), s.Name, s.Subject.Key(), s.Container) // labels alone may be those of many, such as a trace's
	default:
		own = incident.Digest(e.text("type"), e.text("subject"))
	}
	return incident.Digest(cluster, sender, e.source(), own)[:16]
}

// bounded is the signal as far as it fits.
func (e cloudEvent) bounded(s incident.Signal, cluster string, at time.Time) (incident.Signal, error) {
	s.Annotations = bounded(s.Annotations)
	if err := labelsFit(e.pointer+"/data/labels", s.Labels); err != nil {
		return s, err
	}
	if len(s.GeneratorURL) > maxURL {
		s.GeneratorURL = ""
	}
	if len(s.Severity) > maxID || len(s.Container) > maxID || len(s.Subject.Key())+len(s.Subject.Version) > 4*maxID {
		return s, &Invalid{Pointer: e.pointer + "/data", Why: "severity, container or subject is too long"}
	}
	if other := s.Subject.Cluster; other != "" && other != cluster {
		return s, &Forbidden{Pointer: e.pointer + "/data/subject/cluster", Why: fmt.Sprintf("this is where cluster %q is told of: leave it out, or send it to that of %q", cluster, other)}
	}
	s, err := complete(s, e.pointer+"/data", cluster, at)
	if !s.Subject.IsZero() { // whatever its labels say
		s.Subject.Cluster = cluster
	}
	return s, err
}

// subjectOf reads GROUP/namespaces/NAMESPACE/KIND/NAME or GROUP/KIND/NAME. A subject that is something else names no resource.
func subjectOf(text string) incident.Resource {
	switch f := strings.Split(text, "/"); {
	case len(f) == 5 && f[1] == "namespaces" && f[2] != "" && f[3] != "" && f[4] != "":
		return incident.Resource{Group: f[0], Namespace: f[2], Kind: f[3], Name: f[4]}
	case len(f) == 3 && f[1] != "" && f[2] != "":
		return incident.Resource{Group: f[0], Kind: f[1], Name: f[2]}
	}
	return incident.Resource{}
}
