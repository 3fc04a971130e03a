package helm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

const maxStart = time.Minute // of the child, before it takes a chart

// Killed means that the chart was not rendered to its end.
type Killed struct{ Why string }

func (e *Killed) Error() string { return "the chart's rendering was stopped: " + e.Why }

// Invalid means that the chart does not render with these values.
type Invalid struct{ Why string }

func (e *Invalid) Error() string { return e.Why }

// Renderer renders charts in a child process, one at a time. The child is started when it is first needed and kept.
type Renderer struct {
	Command []string      // the program that runs Serve on its input and output
	Timeout time.Duration // of one rendering; 0 is 10 s
	Memory  uint64        // of the child, bytes; 0 is 512 MiB

	mu    sync.Mutex
	child *child
}

type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	stderr *complaint
}

// Render is the chart's objects, as JSON. It fails with *Invalid, *Killed, or ctx's error.
func (r *Renderer) Render(ctx context.Context, req Request) ([]json.RawMessage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := envelope{Memory: r.Memory, Timeout: r.Timeout, Request: req}
	if e.Memory == 0 {
		e.Memory = 512 << 20
	}
	if e.Timeout == 0 {
		e.Timeout = 10 * time.Second
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.child == nil {
		c, err := start(r.Command)
		if err != nil {
			return nil, fmt.Errorf("start the renderer of charts: %w", err)
		}
		r.child = c
	}
	a, err := r.ask(ctx, e)
	if err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, &Invalid{Why: a.Error}
	}
	return a.Objects, nil
}

// Close ends the child.
func (r *Renderer) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.child != nil {
		r.stop()
	}
}

// ask kills the child when the time is over, or the context.
func (r *Renderer) ask(ctx context.Context, e envelope) (answer, error) {
	c := r.child
	late, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	unhook := context.AfterFunc(late, func() { _ = c.cmd.Process.Kill() }) // gone is as good
	defer unhook()
	var a answer
	err := send(c.in, e)
	if err == nil {
		err = receive(c.out, &a)
	}
	if err == nil {
		return a, nil
	}
	code := r.stop()
	switch {
	case ctx.Err() != nil:
		return a, ctx.Err()
	case late.Err() != nil || code == exitTime:
		return a, &Killed{Why: fmt.Sprintf("it took more than %s", e.Timeout)}
	case code == exitMemory:
		return a, &Killed{Why: fmt.Sprintf("it took more than %d MiB of memory", e.Memory>>20)}
	}
	return a, &Killed{Why: fmt.Sprintf("the renderer ended with %d, %v: %s", code, err, c.stderr.line())}
}

// stop ends the child and returns its exit code.
func (r *Renderer) stop() int {
	c := r.child
	r.child = nil
	_ = c.in.Close()
	done := time.AfterFunc(time.Second, func() { _ = c.cmd.Process.Kill() })
	defer done.Stop()
	err := c.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func start(command []string) (*child, error) {
	if len(command) == 0 {
		return nil, errors.New("no program is named for it")
	}
	c := &child{cmd: exec.Command(command[0], command[1:]...), stderr: &complaint{}}
	c.cmd.Env = []string{} // no credential, no proxy
	c.cmd.Stderr = c.stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.out, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(maxStart, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	if err := receive(c.out, &answer{}); err != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait() // what it says is in its complaint
		return nil, fmt.Errorf("%s does not answer, %w: %s", command[0], err, c.stderr.line())
	}
	return c, nil
}

// complaint keeps the beginning of what the child complains about.
type complaint struct{ buf bytes.Buffer }

func (t *complaint) Write(p []byte) (int, error) {
	if room := 4096 - t.buf.Len(); room > 0 {
		t.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (t *complaint) line() string {
	first, _, _ := bytes.Cut(bytes.TrimSpace(t.buf.Bytes()), []byte("\n"))
	return string(first)
}
