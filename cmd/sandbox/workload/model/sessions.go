package model

const (
	// pool is how many connections a client holds.
	pool = 5
	// leakPerSecond is how many a leaky client takes and never gives back.
	leakPerSecond = 5
)

// Sessions of one start of one database server. A client that is gone has given back its pool, but not what it leaked:
// the server keeps those for as long as it runs.
type Sessions struct {
	pool, leaked float64
}

// Advance lets dt seconds pass with these clients, and the server taking most at a time.
func (s *Sessions) Advance(dt, most float64, clients []Program) {
	for _, c := range clients {
		if c.Leaky {
			s.leaked += leakPerSecond * max(dt, 0)
		}
	}
	s.leaked = min(s.leaked, most)
	s.pool = min(pool*float64(len(clients)), most-s.leaked)
}

// Now is how many there are, whole ones: those in use, and those that nobody will ever use again.
func (s *Sessions) Now() (active, idle float64) { return float64(int(s.pool)), float64(int(s.leaked)) }
