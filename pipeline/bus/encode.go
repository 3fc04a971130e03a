package bus

import (
	"encoding/json"
	"fmt"

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
