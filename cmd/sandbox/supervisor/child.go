package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// ErrNotRunning means that there is no process to do it to.
var ErrNotRunning = errors.New("is not running: `sandbox restart` starts it")

// Death is a child that ended without being told to.
type Death struct {
	Name  string
	State string // as the system tells it: "exit status 1", "signal: killed"
	Log   string // file
	Tail  string // its last lines
}

func (d *Death) Error() string {
	return fmt.Sprintf("%s ended by itself (%s); the end of %s:\n%s", d.Name, d.State, d.Log, d.Tail)
}

// PortTaken means that a program of somebody else listens where a child must.
type PortTaken struct{ Child, Addr string }

func (e *PortTaken) Error() string {
	_, port, _ := net.SplitHostPort(e.Addr)
	return fmt.Sprintf("%s cannot listen on %s, another program does: `ss -ltnp 'sport = :%s'` names it; "+
		"stop it, or start the sandbox again to get other ports", e.Child, e.Addr, port)
}

const (
	readyTimeout = 3 * time.Minute
	stopTimeout  = 3 * time.Second // then SIGKILL
	probeEvery   = 100 * time.Millisecond
	probeTimeout = 3 * time.Second
)

// child is one part and, while it runs, its process.
type child struct {
	spec  Child
	stack *stack.Stack
	self  string // program that runs most parts
	life  context.Context
	died  chan<- *Death

	mu   sync.Mutex // one verb at a time
	proc *process   // the last one; nil before the first start
}

func (s *Supervisor) newChild(spec Child) *child {
	return &child{spec: spec, stack: s.stack, self: s.options.Executable, life: s.life, died: s.died}
}

func (c *child) logFile() string { return filepath.Join(c.stack.Dir, "logs", c.spec.Name+".log") }

func (c *child) start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.startLocked(ctx)
}

func (c *child) startLocked(ctx context.Context) error {
	if c.life.Err() != nil {
		return fmt.Errorf("%s: the sandbox is being stopped", c.spec.Name)
	}
	if c.spec.Listens != nil {
		for _, addr := range c.spec.Listens(c.stack) {
			l, err := net.Listen("tcp", addr)
			if errors.Is(err, syscall.EADDRINUSE) {
				return &PortTaken{Child: c.spec.Name, Addr: addr}
			}
			if err != nil {
				return fmt.Errorf("%s cannot listen on %s: %w", c.spec.Name, addr, err)
			}
			if err := l.Close(); err != nil {
				return fmt.Errorf("%s: %w", c.spec.Name, err)
			}
		}
	}
	p, err := c.launch()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.spec.Name, err)
	}
	c.proc = p
	if err := c.awaitReady(ctx, p); err != nil {
		return errors.Join(err, c.killLocked())
	}
	return nil
}

func (c *child) launch() (*process, error) {
	data := c.stack.Data(c.spec.Name)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	logs, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer logs.Close() // the process has its own copy
	command := Command{Args: []string{c.self, "run", c.spec.Name, "--dir", c.stack.Dir}}
	if c.spec.Command != nil {
		command = c.spec.Command(c.stack)
	}
	cmd := exec.Command(command.Args[0], command.Args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = data, logs, logs
	cmd.Env = append(os.Environ(), command.environment()...)
	return startProcess(cmd, pidFile(c.stack.Dir, c.spec.Name), func(state string) {
		c.died <- c.death(state)
	})
}

func (c *child) death(state string) *Death {
	return &Death{Name: c.spec.Name, State: state, Log: c.logFile(), Tail: tail(c.logFile())}
}

// awaitReady ends with the first of: the probe succeeds, the process ends, ctx
// or the sandbox ends, time is up.
func (c *child) awaitReady(ctx context.Context, p *process) error {
	timeout := c.spec.Timeout
	if timeout == 0 {
		timeout = readyTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := c.probe(ctx)
		if err == nil {
			if p.beginWatch() {
				return nil
			}
			return c.death(p.state())
		}
		select {
		case <-p.ended:
			return c.death(p.state())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return fmt.Errorf("start %s: %w", c.spec.Name, ctx.Err())
			}
			return fmt.Errorf("%s was not ready after %s: %w; the end of %s:\n%s", c.spec.Name, timeout, err, c.logFile(), tail(c.logFile()))
		case <-tick.C:
		}
	}
}

func (c *child) probe(ctx context.Context) error {
	if c.spec.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return c.spec.Ready(ctx, c.stack)
}

func (c *child) running() bool { return c.proc != nil && !c.proc.hasEnded() }

func (c *child) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return fmt.Errorf("%s %w", c.spec.Name, ErrNotRunning)
	}
	return c.stopLocked(time.Now().Add(stopTimeout))
}

func (c *child) stopLocked(deadline time.Time) error {
	if !c.running() {
		return nil
	}
	if c.proc.terminate(deadline) {
		return nil
	}
	return c.killLocked()
}

// terminate asks the process to end and waits until the deadline, no longer.
func (c *child) terminate(deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running() {
		c.proc.terminate(deadline)
	}
	return nil
}

func (c *child) kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killLocked()
}

func (c *child) killLocked() error {
	if !c.running() {
		return nil
	}
	if err := c.proc.kill(); err != nil {
		return fmt.Errorf("kill %s: %w", c.spec.Name, err)
	}
	return nil
}

func (c *child) pause() error  { return c.whileRunning((*process).pause) }
func (c *child) resume() error { return c.whileRunning((*process).resume) }

func (c *child) whileRunning(do func(*process) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return fmt.Errorf("%s %w", c.spec.Name, ErrNotRunning)
	}
	return do(c.proc)
}

func (c *child) restart(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.stopLocked(time.Now().Add(stopTimeout)); err != nil {
		return err
	}
	return c.startLocked(ctx)
}
