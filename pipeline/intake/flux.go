package intake

import (
	"maps"
	"net/http"
	"strings"
	"time"

	event "github.com/fluxcd/pkg/apis/event/v1beta1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// flux takes the events of Flux's notification-controller, from a Provider of type generic-hmac.
func flux(o Options) source {
	return source{
		name:   "flux",
		again:  "30", // it tries four times more and forgets the event, and waits as long as we say instead of ever longer
		verify: func(r *http.Request, body []byte) bool { return signed(r.Header.Get("X-Signature"), o.FluxKey, body) },
		decode: func(_ *http.Request, body []byte, at time.Time) (accepted, error) {
			s, err := decodeFlux(body, o.Cluster, at)
			if err != nil || s == nil {
				return accepted{}, err
			}
			return accepted{signals: []incident.Signal{*s}}, nil
		},
	}
}

// decodeFlux returns nil for an event that says neither that its object fails nor that it recovered.
func decodeFlux(body []byte, cluster string, at time.Time) (*incident.Signal, error) {
	var e event.Event
	if err := Unmarshal("", body, &e); err != nil {
		return nil, err
	}
	if err := fluxComplete(e); err != nil {
		return nil, err
	}
	gvk := schema.FromAPIVersionAndKind(e.InvolvedObject.APIVersion, e.InvolvedObject.Kind)
	subject := incident.Resource{
		Cluster: cluster, Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind,
		Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name,
	}
	labels := map[string]string{"reason": e.Reason, "controller": e.ReportingController}
	if revision, ok := e.GetRevision(); ok {
		labels["revision"] = revision
	}
	if err := labelsFit("", labels); err != nil {
		return nil, err
	}
	said := e.Timestamp.UTC()
	s := incident.Signal{
		Source: "flux", Name: e.Reason, Severity: e.Severity, Subject: subject, Labels: labels,
		// By object, not by reason: the event of a recovery has another reason than that of the failure.
		Fingerprint: incident.Digest("flux", subject.Key())[:16],
		StartsAt:    past(said, at), AcceptedAt: at, // an event is sent as it happens, and not again: it has by now, whatever its clock says
	}
	annotations := maps.Clone(e.Metadata)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations["message"] = e.Message
	s.Annotations = bounded(annotations)
	var ended time.Time
	switch {
	case e.Severity == event.EventSeverityError:
		s.Status = incident.Firing
	case e.Severity == event.EventSeverityInfo && recovered(e.Reason):
		s.Status, s.EndsAt, ended = incident.Resolved, s.StartsAt, said
	default:
		return nil, nil
	}
	s.ID = incident.SignalID("flux", s.Fingerprint, s.Status, said, ended)
	return &s, nil
}

func fluxComplete(e event.Event) error {
	for _, f := range []struct{ pointer, value string }{
		{"/involvedObject/kind", e.InvolvedObject.Kind}, {"/involvedObject/name", e.InvolvedObject.Name},
		{"/reason", e.Reason}, {"/reportingController", e.ReportingController},
	} {
		switch {
		case f.value == "":
			return &Invalid{Pointer: f.pointer, Why: "is required"}
		case len(f.value) > maxID:
			return &Invalid{Pointer: f.pointer, Why: "is too long"}
		}
	}
	if len(e.InvolvedObject.Namespace) > maxID || len(e.InvolvedObject.APIVersion) > maxID {
		return &Invalid{Pointer: "/involvedObject", Why: "is too long"}
	}
	switch e.Severity {
	case event.EventSeverityError, event.EventSeverityInfo, event.EventSeverityTrace:
	default:
		return &Invalid{Pointer: "/severity", Why: "must be trace, info or error"}
	}
	if !Sane(e.Timestamp.Time) {
		return &Invalid{Pointer: "/timestamp", Why: "is required, between 1970 and 9998"}
	}
	return nil
}

// recovered tells the reasons with which Flux's controllers say that an object works (again). A rollback that succeeded
// is not among them: what was asked for still fails.
func recovered(reason string) bool {
	switch reason {
	case "RollbackSucceeded", "UninstallSucceeded":
		return false
	case "Succeeded", "NewArtifact", "ArtifactUpToDate":
		return true
	}
	return strings.HasSuffix(reason, "Succeeded")
}
