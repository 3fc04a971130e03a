package correlate

import (
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// forget, once a second, what healed a horizon ago, and the resolutions whose firing did not come.
func (j *Joiner) forget() {
	if j.now.Sub(j.swept) < time.Second {
		return
	}
	j.swept = j.now
	for len(j.healed) > 0 && j.now.Sub(j.healed[0].healedAt) > horizon && !j.healed[0].dirty { // else its end is to be told yet
		g := j.healed[0]
		j.healed = j.healed[1:]
		for _, t := range g.troubles {
			j.leave(whoIs(t.owner), g)
			for _, a := range t.alerts {
				if j.alerts[a.print] == a {
					delete(j.alerts, a.print)
				}
			}
			j.kept -= len(t.texts)
		}
		if id := whoIs(g.root.owner); j.onsets[id].at.Equal(g.onset) {
			j.onsets[id] = onset{at: g.onset, healed: g.healedAt}
		}
		delete(j.told, g.id)
	}
	for p, s := range j.waiting {
		if j.forgotten(s) {
			delete(j.waiting, p)
		}
	}
	for id, o := range j.onsets {
		if !o.healed.IsZero() && j.now.Sub(o.healed) > remembered {
			delete(j.onsets, id)
		}
	}
	for id, m := range j.told {
		if m.state == incident.Provisional && j.seen.Sub(m.at) > horizon {
			delete(j.told, id)
		}
	}
}
