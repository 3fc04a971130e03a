package bus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

const (
	sendersHeader = "Cortexops-Senders" // of a fold: how many signals of each sender it and those before cover
	sendersMost   = 64                  // the longest silent are forgotten
	gapMark       = "?"                 // behind a sender, or alone: messages are missing, and nobody knows yet how many signals they held
)

// ledger of a partition is how many signals of each sender have been read. A gap in the sequences says that messages were
// dropped, and the next message of each sender how many signals they held.
type ledger struct {
	of    map[string]*read
	blind bool // nobody knows what was read before: of senders that are new a gap counts as many signals as messages
	gap   bool // there was one: of a sender that is new all that it had sent is lost
}

type read struct {
	signals uint64
	gap     bool   // there was one since its last message
	last    uint64 // sequence
}

// lost means that messages may be missing before the next.
func (l *ledger) lost() {
	l.gap = true
	for _, r := range l.of {
		r.gap = true
	}
}

// message accounts for one that holds so many signals, behind a gap of so many messages. It returns how many were dropped.
func (l *ledger) message(h nats.Header, sequence, gap uint64, signals int) (dropped uint64) {
	if gap > 0 {
		l.lost()
	}
	name := h.Get(senderHeader)
	sent, err := strconv.ParseUint(h.Get(sentHeader), 10, 64)
	if name == "" || err != nil { // of a version that sent each signal alone, or of somebody else
		return gap
	}
	r, known := l.of[name]
	switch {
	case !known:
		r = &read{signals: sent}
		l.of[name] = r
		switch {
		case l.blind:
			dropped = gap
		case l.gap:
			dropped = sent
		}
	case r.gap && sent > r.signals:
		dropped = sent - r.signals
		r.signals = sent
	default: // less, where the sender has learnt that something of it was not stored
		r.signals = min(r.signals, sent)
	}
	r.signals, r.gap, r.last = r.signals+uint64(signals), false, sequence
	if len(l.of) > sendersMost {
		l.forget()
	}
	return dropped
}

func (l *ledger) forget() {
	oldest, at := "", ^uint64(0)
	for name, r := range l.of {
		if r.last < at {
			oldest, at = name, r.last
		}
	}
	delete(l.of, oldest)
}

// String is for the header of a fold.
func (l *ledger) String() string {
	var list []string
	if l.gap {
		list = append(list, gapMark)
	}
	for name, r := range l.of {
		mark := ""
		if r.gap {
			mark = gapMark
		}
		list = append(list, fmt.Sprintf("%s=%d%s", name, r.signals, mark))
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// ledgerOf reads the header of a fold.
func ledgerOf(h nats.Header) ledger {
	l := ledger{of: map[string]*read{}, blind: len(h.Values(sendersHeader)) == 0}
	for _, part := range strings.Split(h.Get(sendersHeader), ",") {
		part, gap := strings.CutSuffix(part, gapMark)
		name, n, ok := strings.Cut(part, "=")
		if !ok {
			l.gap = l.gap || gap
			continue
		}
		if signals, err := strconv.ParseUint(n, 10, 64); err == nil {
			l.of[name] = &read{signals: signals, gap: gap}
		}
	}
	return l
}
