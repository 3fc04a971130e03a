package topology

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// remembered is how many deleted pods and ReplicaSets are still known.
const remembered = 10_000

// memory holds what controlled the objects that were deleted last; the oldest is forgotten first.
type memory struct {
	mu    sync.Mutex
	of    map[string]*metav1.OwnerReference
	order []string // a ring
	next  int
}

func newMemory(size int) *memory {
	return &memory{of: map[string]*metav1.OwnerReference{}, order: make([]string, size)}
}

func (m *memory) put(key string, c *metav1.OwnerReference) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, again := m.of[key]; !again {
		delete(m.of, m.order[m.next])
		m.order[m.next] = key
		m.next = (m.next + 1) % len(m.order)
	}
	m.of[key] = c
}

func (m *memory) get(key string) (c *metav1.OwnerReference, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, known = m.of[key]
	return c, known
}
