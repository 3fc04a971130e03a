package topology

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// sum of the digests of all parts, in four lanes. It does not depend on the order in which they came, and a part can be
// taken back.
type sum [4]uint64

func (s *sum) add(d [sha256.Size]byte) {
	for i := range s {
		s[i] += binary.BigEndian.Uint64(d[8*i:])
	}
}

func (s *sum) sub(d [sha256.Size]byte) {
	for i := range s {
		s[i] -= binary.BigEndian.Uint64(d[8*i:])
	}
}

// Digest of all that is known: 32 hex digits, the same for the same graph, however it came to be.
func (g *Graph) Digest() string {
	var b []byte
	for _, lane := range g.sum {
		b = binary.BigEndian.AppendUint64(b, lane)
	}
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:16])
}

func (g *Graph) digestOfNode(id int32) [sha256.Size]byte {
	n := &g.nodes[id]
	b := append(make([]byte, 0, 256), "node"...)
	b = g.appendName(b, id)
	for _, t := range []int32{n.version, n.tier, n.owner, n.revision} {
		b = append(append(b, 0), g.texts[t]...)
	}
	return sha256.Sum256(strconv.AppendInt(append(b, 0), n.changed, 10))
}

func (g *Graph) digestOfEdge(id int32) [sha256.Size]byte {
	e := &g.edges[id]
	b := append(make([]byte, 0, 256), "edge"...)
	b = append(append(b, 0), rules[e.kind].kind...)
	return sha256.Sum256(g.appendName(g.appendName(b, e.from), e.to))
}

func (g *Graph) appendName(b []byte, id int32) []byte {
	k := &g.kinds[g.nodes[id].kind]
	for _, s := range [...]string{k.cluster, k.group, k.kind, k.namespace, g.nodes[id].name} {
		b = append(append(b, 0), s...)
	}
	return b
}
