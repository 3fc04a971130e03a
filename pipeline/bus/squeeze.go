package bus

import (
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	encodingHeader = "Content-Encoding"
	squeezed       = "s2"     // the format of S2, which snappy's readers cannot read
	worthwhile     = 4 << 10  // bytes from which a body is squeezed; what is shorter can be read with `nats stream view`
	loosened       = 16 << 20 // bytes of a body at most: a few bytes can stand for gigabytes
)

// squeeze the body of a message: alerts are much alike, and what the server stores and both ends copy is a seventh then. The body
// is in what is returned, which the next one may use again.
func squeeze(m *nats.Msg, into []byte) []byte {
	if len(m.Data) < worthwhile {
		return into
	}
	m.Data = s2.Encode(into[:cap(into)], m.Data)
	m.Header.Set(encodingHeader, squeezed)
	return m.Data
}

// scratch is for the bodies of one batch, one behind the other.
type scratch struct{ all, left []byte }

// clear it: the bodies in it are of no use any more.
func (s *scratch) clear() {
	if len(s.all) > 2*bulk { // for once
		s.all = nil
	}
	s.left = s.all
}

func (s *scratch) take(n int) []byte {
	if len(s.left) < n {
		s.all = make([]byte, max(n, 2*len(s.all)))
		s.left = s.all
	}
	b := s.left[:n:n]
	s.left = s.left[n:]
	return b
}

// loosen a message's body.
func (s *scratch) loosen(m jetstream.Msg) ([]byte, error) {
	data := m.Data()
	switch encoding := m.Headers().Get(encodingHeader); encoding {
	case "":
		return data, nil
	case squeezed:
	default:
		return nil, fmt.Errorf("read a body in the %s %q: only %s is known", encodingHeader, encoding, squeezed)
	}
	n, err := s2.DecodedLen(data)
	if err == nil && n > loosened {
		err = fmt.Errorf("it would have %d bytes", n)
	}
	if err != nil {
		return nil, fmt.Errorf("read a squeezed body: %w", err)
	}
	body, err := s2.Decode(s.take(n), data)
	if err != nil {
		return nil, fmt.Errorf("read a squeezed body: %w", err)
	}
	return body, nil
}

// length of the body, at most as long as it may be.
func length(m jetstream.Msg) int {
	if m.Headers().Get(encodingHeader) == squeezed {
		if n, err := s2.DecodedLen(m.Data()); err == nil {
			return min(n, loosened)
		}
	}
	return len(m.Data())
}
