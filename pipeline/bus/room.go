package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// FullError says that a stream which drops nothing has no room for another message.
type FullError struct {
	Stream      string // as the server calls it
	Used, Limit uint64 // bytes
}

func (e *FullError) Error() string {
	refused := "signals are"
	if strings.HasSuffix(e.Stream, "-"+actions) {
		refused = "what people do on pull requests is"
	}
	return fmt.Sprintf("stream %s is full, with %d of %d KiB, and drops nothing: %s refused until there is room. Let its oldest messages go: "+
		"`nats stream purge %[1]s --keep N`, where N is half of what `nats stream info %[1]s` says there are", e.Stream, e.Used>>10, e.Limit>>10, refused)
}

// room is which streams had none when they were looked at last.
type room struct {
	mu   sync.Mutex
	full map[string]*FullError // by name, without the prefix
}

// look at how full the streams are that refuse what they have no room for.
func (b *Bus) look(there map[string]*jetstream.StreamInfo) {
	b.room.mu.Lock()
	defer b.room.mu.Unlock()
	b.room.full = map[string]*FullError{}
	for _, name := range []string{actions, incidents} {
		s := there[b.prefix+"-"+name]
		if s == nil || s.Config.MaxBytes <= 0 {
			continue
		}
		limit := uint64(s.Config.MaxBytes)
		b.metrics.used.WithLabelValues(name).Set(float64(s.State.Bytes) / float64(limit))
		if s.State.Bytes+min(mib, limit/16) > limit { // a message may be as large as 1 MiB
			b.room.full[name] = &FullError{Stream: s.Config.Name, Used: s.State.Bytes, Limit: limit}
		}
	}
}

// lacks is nil where a stream had room.
func (b *Bus) lacks(name string) error {
	b.room.mu.Lock()
	defer b.room.mu.Unlock()
	if e := b.room.full[name]; e != nil {
		return e
	}
	return nil
}

// Room fails while a stream is full that drops nothing. It is apart from Check: a process that is not ready would get no webhooks, whose
// senders are to hear that they must come again.
func (b *Bus) Room(context.Context) error { return errors.Join(b.lacks(actions), b.lacks(incidents)) }
