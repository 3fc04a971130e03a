package topology

import "github.com/cortexops/cortexops/pipeline/incident"

// remembered is how many of those that were deleted are still known.
const remembered = 10_000

// departed holds the owners of the nodes that were deleted last; the oldest is forgotten first.
type departed struct {
	of    map[string]incident.Resource // by the key of the departed
	order []string                     // a ring
	next  int
}

func newDeparted(size int) *departed {
	return &departed{of: map[string]incident.Resource{}, order: make([]string, size)}
}

func (d *departed) put(r, owner incident.Resource) {
	key := r.Key()
	if _, again := d.of[key]; !again {
		delete(d.of, d.order[d.next])
		d.order[d.next] = key
		d.next = (d.next + 1) % len(d.order)
	}
	d.of[key] = owner
}

func (d *departed) remove(r incident.Resource) {
	if len(d.of) > 0 {
		delete(d.of, r.Key())
	}
}

func (d *departed) has(r incident.Resource) bool {
	_, ok := d.of[r.Key()]
	return ok
}
