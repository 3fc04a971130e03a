package bus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// encoded appends the fold, of signals that are there in JSON already: those that the stage has not touched are copied.
func encoded(body []byte, f incident.Fold, list []incident.Signal, raw [][]byte) ([]byte, error) {
	left := f.Signals
	f.Signals = nil
	head, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode a fold: %w", err)
	}
	body = append(append(body, head[:len(head)-1]...), `,"signals":[`...)
	for i := range list {
		s := &list[i]
		if len(left) == 0 || left[0].ID != s.ID || !left[0].AcceptedAt.Equal(s.AcceptedAt) {
			continue
		}
		if len(left[0].Labels) == len(s.Labels) && len(left[0].Annotations) == len(s.Annotations) {
			body = append(body, raw[i]...)
		} else if body, err = left[0].AppendJSON(body); err != nil {
			return nil, err
		}
		body, left = append(body, ','), left[1:]
	}
	if body[len(body)-1] == ',' {
		body = body[:len(body)-1]
	}
	return append(body, "]}"...), nil
}

// accepted puts another time of acceptance into a signal that is there in JSON. Only times and a URL come behind it, and in a text a
// quotation mark is never bare.
func accepted(raw []byte, at time.Time) []byte {
	const name = `"acceptedAt":"`
	from := bytes.LastIndex(raw, []byte(name)) + len(name)
	to := from + bytes.IndexByte(raw[from:], '"')
	out := append(make([]byte, 0, len(raw)+len(time.RFC3339Nano)), raw[:from]...)
	return append(at.AppendFormat(out, time.RFC3339Nano), raw[to:]...)
}
