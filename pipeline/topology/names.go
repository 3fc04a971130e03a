package topology

import "github.com/cortexops/cortexops/pipeline/incident"

// names are numbers for resources, so that an edge takes twelve bytes. A number is used again when nobody holds it.
type names struct {
	ids  map[incident.Resource]int32 // without the version: one object is served under several
	of   []name
	free []int32
}

type name struct {
	incident.Resource
	held  int32
	alive int32 // by how many that are there it is named, itself among them
}

func newNames() names { return names{ids: map[incident.Resource]int32{}} }

// hold the number of r once more.
func (n *names) hold(r incident.Resource) int32 {
	unversioned := r
	unversioned.Version = ""
	id, ok := n.ids[unversioned]
	if !ok {
		id = int32(len(n.of))
		if last := len(n.free) - 1; last >= 0 {
			id = n.free[last]
			n.free = n.free[:last]
			n.of[id] = name{Resource: r}
		} else {
			n.of = append(n.of, name{Resource: r})
		}
		n.ids[unversioned] = id
	}
	n.of[id].held++
	return id
}

// let it go once.
func (n *names) let(id int32) {
	if n.of[id].held--; n.of[id].held > 0 {
		return
	}
	r := n.of[id].Resource
	r.Version = ""
	delete(n.ids, r)
	n.of[id] = name{}
	n.free = append(n.free, id)
}

func (n *names) live(id, by int32) { n.of[id].alive += by }
