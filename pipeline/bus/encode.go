package bus

import (
	"encoding/json"
	"fmt"

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
