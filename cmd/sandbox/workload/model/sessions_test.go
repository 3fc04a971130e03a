package model

import "testing"

// The leak ends with its client, what has leaked with the server.
func TestSessions(t *testing.T) {
	t.Parallel()
	good, leaky := Program{}, Program{Leaky: true}
	var s Sessions
	for i, step := range []struct {
		seconds      float64
		clients      []Program
		active, idle float64
	}{
		{60, []Program{good, good}, 10, 0},
		{4, []Program{leaky, leaky}, 10, 40},
		{60, []Program{good, good}, 10, 40},
		{60, nil, 0, 40},
		{60, []Program{leaky, good}, 0, 100},
		{60, []Program{good, good}, 0, 100},
	} {
		s.Advance(step.seconds, 100, step.clients)
		if active, idle := s.Now(); active != step.active || idle != step.idle {
			t.Errorf("step %d: %v in use, %v idle; want %v, %v", i, active, idle, step.active, step.idle)
		}
	}
}
