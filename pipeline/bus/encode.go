package bus

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// encoded is the fold as encoding/json would write it, of signals that are there in JSON already: those that the stage has not
// touched are copied.
func encoded(f incident.Fold, list []incident.Signal, raw [][]byte) ([]byte, error) {
	left := f.Signals
	f.Signals = nil
	head, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode a fold: %w", err)
	}
	length := len(head) + 20
	for _, r := range raw {
		length += len(r) + 1
	}
	body := append(append(make([]byte, 0, length), head[:len(head)-1]...), `,"signals":[`...)
	for i, s := range list {
		if len(left) == 0 || left[0].ID != s.ID || !left[0].AcceptedAt.Equal(s.AcceptedAt) {
			continue
		}
		if len(left[0].Labels) == len(s.Labels) && len(left[0].Annotations) == len(s.Annotations) {
			body = append(body, raw[i]...)
		} else if body, err = appendSignal(body, left[0]); err != nil {
			return nil, err
		}
		body, left = append(body, ','), left[1:]
	}
	if body[len(body)-1] == ',' {
		body = body[:len(body)-1]
	}
	return append(body, "]}"...), nil
}

// appendSignal writes a signal in the form of encoding/json.
func appendSignal(b []byte, s incident.Signal) ([]byte, error) {
	field := func(name, text string) {
		if text != "" {
			b = append(append(append(b, '"'), name...), `":`...)
			b = append(appendText(b, text), ',')
		}
	}
	moment := func(name string, at time.Time) {
		if !at.IsZero() {
			b = append(append(append(b, '"'), name...), `":"`...)
			b = append(at.AppendFormat(b, time.RFC3339Nano), `",`...)
		}
	}
	b = append(b, '{')
	for _, f := range [][2]string{{"id", s.ID}, {"source", s.Source}, {"name", s.Name}, {"status", string(s.Status)}, {"severity", s.Severity},
		{"fingerprint", s.Fingerprint}, {"container", s.Container}, {"generatorURL", s.GeneratorURL}} {
		field(f[0], f[1])
	}
	for name, texts := range map[string]map[string]string{"labels": s.Labels, "annotations": s.Annotations} {
		if len(texts) == 0 {
			continue
		}
		raw, err := json.Marshal(texts)
		if err != nil {
			return nil, fmt.Errorf("encode the %s of signal %s: %w", name, s.ID, err)
		}
		b = append(append(append(append(append(b, '"'), name...), `":`...), raw...), ',')
	}
	moment("startsAt", s.StartsAt)
	moment("endsAt", s.EndsAt)
	moment("acceptedAt", s.AcceptedAt)
	b = append(b, `"subject":{`...)
	for _, f := range [][2]string{{"cluster", s.Subject.Cluster}, {"group", s.Subject.Group}, {"version", s.Subject.Version}, {"kind", s.Subject.Kind},
		{"namespace", s.Subject.Namespace}, {"name", s.Subject.Name}} {
		field(f[0], f[1])
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, "}}"...), nil
}

func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			raw, _ := json.Marshal(s) // of a string it cannot fail
			return append(b, raw...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
