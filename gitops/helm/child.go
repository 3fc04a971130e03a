package helm

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/metrics"
	"time"
)

const (
	exitMemory = 3
	exitTime   = 4
	maxMessage = 64 << 20
)

// envelope is what the parent sends: the limits hold for this one request.
type envelope struct {
	Memory  uint64
	Timeout time.Duration
	Request Request
}

type answer struct {
	Objects []json.RawMessage `json:",omitempty"`
	Error   string            `json:",omitempty"`
}

// Serve is the whole program of the child: it renders what comes in until that ends. It ends the process itself where a
// request takes more memory or time than it may, so that it does not outlive a parent that died.
func Serve(in io.Reader, out io.Writer) error {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the engine logs what charts do
	if err := send(out, answer{}); err != nil {    // it is there: the time of a rendering counts from here
		return err
	}
	watched := false
	for {
		var e envelope
		if err := receive(in, &e); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if !watched {
			watched = true
			if err := limit(e.Memory); err != nil {
				return fmt.Errorf("limit the memory: %w", err)
			}
			go watch(e.Memory)
		}
		clock := time.AfterFunc(e.Timeout, func() { os.Exit(exitTime) })
		a := answerTo(e.Request)
		clock.Stop()
		if err := send(out, a); err != nil {
			return err
		}
	}
}

func answerTo(r Request) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{Error: fmt.Sprintf("the engine gave up: %v", p)}
		}
	}()
	objects, err := render(r)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Objects: objects}
}

// watch ends the process when the Go runtime holds more than it may.
func watch(memory uint64) {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(10 * time.Millisecond) {
		metrics.Read(samples)
		if samples[0].Value.Uint64()-samples[1].Value.Uint64() > memory {
			os.Exit(exitMemory)
		}
	}
}

// send writes one message: its length in four bytes, and JSON.
func send(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) > maxMessage {
		return fmt.Errorf("a message of %d MiB is too long", len(data)>>20)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	_, err = w.Write(append(head, data...))
	return err
}

func receive(r io.Reader, v any) error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head)
	if n > maxMessage {
		return fmt.Errorf("a message of %d MiB is too long", n>>20)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return fmt.Errorf("half a message: %w", err)
	}
	return json.Unmarshal(data, v)
}
