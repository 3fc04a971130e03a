package locate

import (
	recency "container/list"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"go.yaml.in/yaml/v3"
)

// renderings keeps the last renderings by the digest of what they were made of: an edit is located, placed and proven
// on the same files, and each asks for them again.
var renderings = kept{at: map[[32]byte]*recency.Element{}, parts: map[[32]byte]*part{}}

const maxKept = 64 << 20 // bytes of JSON

type kept struct {
	sync.Mutex
	recent recency.List
	at     map[[32]byte]*recency.Element
	parts  map[[32]byte]*part // of the renderings that are kept
	size   int
}

// part is what one document, or one object of kustomize's, comes to. Renderings share most of theirs.
type part struct {
	digest  [32]byte // of what it was made of; zero: it is not shared
	objects []Object
	used    int // by how many of the renderings that are kept
}

func (p *part) size() int {
	n := 128
	for _, o := range p.objects {
		n += len(o.JSON) + 128
	}
	return n
}

type rendering struct {
	digest  [32]byte
	objects []Object
	parts   []*part
}

// rendered is what u.render() comes to, remembered. Nobody changes the objects.
func rendered(u unit) ([]Object, error) {
	digest := u.digest()
	if objects, ok := renderings.get(digest); ok {
		return objects, nil
	}
	parts, err := u.render()
	if err != nil {
		return nil, err
	}
	r := rendering{digest: digest, parts: parts}
	for _, p := range parts {
		r.objects = append(r.objects, p.objects...)
	}
	renderings.put(r)
	return r.objects, nil
}

func (m *kept) get(digest [32]byte) ([]Object, bool) {
	m.Lock()
	defer m.Unlock()
	e, ok := m.at[digest]
	if !ok {
		return nil, false
	}
	m.recent.MoveToFront(e)
	return e.Value.(rendering).objects, true
}

func (m *kept) put(r rendering) {
	m.Lock()
	defer m.Unlock()
	if _, ok := m.at[r.digest]; ok {
		return
	}
	for i, p := range r.parts {
		if known, ok := m.parts[p.digest]; ok {
			p, r.parts[i] = known, known
		} else if p.digest != [32]byte{} {
			m.parts[p.digest] = p
		}
		if p.used++; p.used == 1 {
			m.size += p.size()
		}
	}
	m.at[r.digest] = m.recent.PushFront(r)
	for m.size > maxKept && m.recent.Len() > 1 {
		m.drop(m.recent.Remove(m.recent.Back()).(rendering))
	}
}

func (m *kept) drop(r rendering) {
	delete(m.at, r.digest)
	for _, p := range r.parts {
		if p.used--; p.used == 0 {
			m.size -= p.size()
			delete(m.parts, p.digest)
		}
	}
}

// part is the one of that digest, if some rendering has it; else what is made, if that does not fail.
func (m *kept) part(digest [32]byte, make func() ([]Object, error)) (*part, error) {
	m.Lock()
	p, ok := m.parts[digest]
	m.Unlock()
	if ok && digest != [32]byte{} {
		return p, nil
	}
	objects, err := make()
	return &part{digest: digest, objects: objects}, err
}

// digestOfNode says what a tree of YAML means, whatever stands around it; zero where an anchor or an alias is in it.
func digestOfNode(n *yaml.Node) (digest [32]byte) {
	h := sha256.New()
	if !writeNode(h, n) {
		return digest
	}
	return [32]byte(h.Sum(nil))
}

func writeNode(h hash.Hash, n *yaml.Node) bool {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return false
	}
	var head []byte
	for _, v := range []int{int(n.Kind), int(n.Style), len(n.Content), len(n.Tag), len(n.Value)} {
		head = binary.AppendUvarint(head, uint64(v))
	}
	h.Write(append(append(head, n.Tag...), n.Value...))
	for _, c := range n.Content {
		if !writeNode(h, c) {
			return false
		}
	}
	return true
}
