package intake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// alertmanager takes the webhook of Prometheus Alertmanager, version 4 of its payload.
func alertmanager(o Options) source {
	return source{
		name:  "alertmanager",
		admit: withToken(o.AlertmanagerToken),
		busy:  http.StatusServiceUnavailable, // it gives up on anything below 500
		most:  maxGroup,
		less:  ": in Alertmanager, group by more labels (group_by), or set max_alerts in the webhook_configs of this receiver",
		decode: func(_ *http.Request, body []byte, at time.Time) (accepted, error) {
			signals, cutOff, err := decodeAlertmanager(body, o.Cluster, at)
			if err != nil {
				return accepted{}, err
			}
			for i := range signals {
				if err := timely(&signals[i], at, func() string { return fmt.Sprintf("/alerts/%d/startsAt", i) }); err != nil {
					return accepted{}, err
				}
			}
			return accepted{signals: signals, cutOff: cutOff}, nil
		},
	}
}

type alertGroup struct {
	Version   string            `json:"version"`
	Alerts    []json.RawMessage `json:"alerts"`
	Truncated uint64            `json:"truncatedAlerts"` // left out by the receiver's max_alerts
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// decodeAlertmanager reads every alert or none: a group with one bad alert is a sender to be fixed, not to be guessed at. Each
// alert has a status of its own; that of the group says less. It returns how many the sender has left out, too.
func decodeAlertmanager(body []byte, cluster string, at time.Time) ([]incident.Signal, uint64, error) {
	if version, cutOff, alerts, ok := quickGroup(body); ok && version == "4" && len(alerts) > 0 {
		signals := make([]incident.Signal, len(alerts))
		for i := range alerts {
			var err error
			if signals[i], err = alerts[i].signal("/alerts/"+strconv.Itoa(i), cluster, at); err != nil {
				return nil, 0, err
			}
		}
		return signals, cutOff, nil
	}
	return slowAlertmanager(body, cluster, at)
}

func slowAlertmanager(body []byte, cluster string, at time.Time) ([]incident.Signal, uint64, error) {
	var group alertGroup
	if err := Unmarshal("", body, &group); err != nil {
		return nil, 0, err
	}
	if !isObject(body) {
		return nil, 0, &Invalid{Why: "must be an object"}
	}
	if group.Version != "4" {
		return nil, 0, &Invalid{Pointer: "/version", Why: fmt.Sprintf("must be %q, is %q", "4", cut(group.Version, 32))}
	}
	if len(group.Alerts) == 0 {
		return nil, 0, &Invalid{Pointer: "/alerts", Why: "at least one alert is required"}
	}
	signals := make([]incident.Signal, 0, len(group.Alerts))
	for i, raw := range group.Alerts {
		var a alert
		pointer := fmt.Sprintf("/alerts/%d", i)
		err := Unmarshal(pointer, raw, &a)
		if err != nil {
			return nil, 0, err
		}
		s, err := a.signal(pointer, cluster, at)
		if err != nil {
			return nil, 0, err
		}
		signals = append(signals, s)
	}
	return signals, group.Truncated, nil
}

// signal of an alert that was read.
func (a *alert) signal(pointer, cluster string, at time.Time) (incident.Signal, error) {
	status := incident.Status(a.Status)
	bad := func(field, why string) (incident.Signal, error) {
		return incident.Signal{}, &Invalid{Pointer: pointer + field, Why: why}
	}
	if status == incident.Firing {
		a.EndsAt = time.Time{} // when the sender would give it up, which moves and is not an end
	}
	switch {
	case status != incident.Firing && status != incident.Resolved:
		return bad("/status", fmt.Sprintf("must be firing or resolved, is %q", cut(a.Status, 32)))
	case a.Labels["alertname"] == "":
		return bad("/labels/alertname", "is required")
	case len(a.Labels["alertname"]) > maxID:
		return bad("/labels/alertname", fmt.Sprintf("is longer than %d bytes", maxID))
	case !Sane(a.StartsAt):
		return bad("/startsAt", "is required, between 1970 and 9998")
	case !a.EndsAt.IsZero() && !Sane(a.EndsAt):
		return bad("/endsAt", "must lie between 1970 and 9998")
	case len(a.Fingerprint) > maxID:
		return bad("/fingerprint", fmt.Sprintf("is longer than %d bytes", maxID))
	}
	if err := labelsFit(pointer+"/labels", a.Labels); err != nil {
		return incident.Signal{}, err
	}
	if a.Fingerprint == "" {
		a.Fingerprint = labelsDigest(a.Labels)
	}
	if len(a.GeneratorURL) > maxURL {
		a.GeneratorURL = ""
	}
	about := subject(a.Labels)
	if !about.IsZero() {
		about.Cluster = cluster
	}
	return incident.Signal{
		ID:     incident.SignalID("alertmanager", cluster+" "+a.Fingerprint, status, a.StartsAt, a.EndsAt), // two clusters may have the same alert
		Source: "alertmanager", Name: a.Labels["alertname"], Status: status, Severity: a.Labels["severity"],
		Fingerprint: a.Fingerprint, Subject: about, Container: incident.ContainerNamed(a.Labels),
		Labels: a.Labels, Annotations: bounded(a.Annotations),
		StartsAt: a.StartsAt.UTC(), EndsAt: a.EndsAt.UTC(), AcceptedAt: at, GeneratorURL: a.GeneratorURL,
	}, nil
}

// subject is the likeliest of the objects that the labels name; zero when they name none. The topology may know better.
func subject(labels map[string]string) incident.Resource {
	var room [4]incident.Resource
	if list := incident.AppendNamed(room[:0], labels); len(list) > 0 {
		return list[0]
	}
	return incident.Resource{}
}

// labelsDigest stands in for a fingerprint that the sender left out.
func labelsDigest(labels map[string]string) string {
	var parts []string
	for _, k := range sortedKeys(labels) {
		parts = append(parts, k, labels[k])
	}
	return incident.Digest(parts...)[:16]
}
