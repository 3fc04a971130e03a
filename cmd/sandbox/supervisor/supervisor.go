// Package supervisor starts the parts of the sandbox as processes of their own,
// watches them, and stops, pauses, kills and restarts each alone. Nothing that it
// starts outlives it: not an ordinary end, not a crash, not `kill -9`. It knows
// how a part is started and when it is ready, never what it does.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// Options say what to start. Dir is all that is needed.
type Options struct {
	Dir        string       // data folder; its old content is wiped, its ports are kept
	Keep       bool         // go on with the old content instead
	Parts      []string     // names of children; none means all
	Bin        string       // folder of cortexops, prometheus and alertmanager; default: that of this program
	Executable string       // program that is run as `EXECUTABLE run NAME --dir DIR`; default: this one
	Progress   func(string) // told of each step, one line at a time; default: nobody
	Stages     []Stage      // default: the sandbox's own
}

// Stage is a set of children that start together, after its steps were done one
// by one and everything in the stages before is ready.
type Stage struct {
	Steps    []Step
	Children []Child
}

// Step is work between two stages. It is left out when a part that it needs is.
type Step struct {
	Name  string
	Needs []string
	Do    func(context.Context, *stack.Stack) error
}

// Child describes one process.
type Child struct {
	Name    string
	Needs   []string                                  // parts without which it makes no sense
	Listens func(*stack.Stack) []string               // addresses that must be free before it starts
	Command func(*stack.Stack) Command                // default: `EXECUTABLE run NAME --dir DIR`
	Ready   func(context.Context, *stack.Stack) error // nil once it can be used; default: at once
	Timeout time.Duration                             // until ready; default: a minute
}

// Command is a program with its arguments and what it gets on top of our environment.
type Command struct {
	Args []string
	Env  map[string]string
}

func (c Command) environment() (env []string) {
	for k, v := range c.Env {
		env = append(env, k+"="+v)
	}
	return env
}

// Supervisor runs one sandbox.
type Supervisor struct {
	stack    *stack.Stack
	options  Options
	lock     *os.File
	control  net.Listener
	stages   [][]*child // in the order of starting
	died     chan *Death
	life     context.Context // ends with Close, and every wait with it
	end      context.CancelFunc
	telling  sync.Mutex // one line of progress at a time
	closing  sync.Once
	closeErr error
}

// ErrNoChild means that the sandbox has no part of that name.
var ErrNoChild = errors.New("no such part")

// Start cleans up after an earlier run in the same folder, starts all parts and
// comes back when they are ready. When one fails, everything is stopped again.
// ctx bounds the start only: end the sandbox with Close.
func Start(ctx context.Context, o Options) (*Supervisor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	stages, err := o.chosen()
	if err != nil {
		return nil, err
	}
	s := &Supervisor{options: o, died: make(chan *Death, 64)}
	s.life, s.end = context.WithCancel(context.Background())
	if s.lock, err = prepare(o.Dir, o.Keep); err != nil {
		return nil, err
	}
	if err := s.start(ctx, stages); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Supervisor) start(ctx context.Context, stages []Stage) error {
	st, err := stack.Choose(s.options.Dir)
	if err != nil {
		return err
	}
	s.stack = st
	st.Product.Binary = filepath.Join(s.options.Bin, "cortexops")
	if err := st.Save(); err != nil {
		return err
	}
	for _, stage := range stages {
		for _, step := range stage.Steps {
			began := time.Now()
			if err := step.Do(ctx, st); err != nil {
				return fmt.Errorf("%s: %w", step.Name, err)
			}
			s.progress("%s: done in %s", step.Name, since(began))
		}
		var together []*child
		for _, spec := range stage.Children {
			together = append(together, s.newChild(spec))
		}
		s.stages = append(s.stages, together)
		if err := all(together, func(c *child) error {
			began := time.Now()
			if err := c.start(ctx); err != nil {
				return err
			}
			s.progress("%s: ready in %s", c.spec.Name, since(began))
			return nil
		}); err != nil {
			return err
		}
	}
	return s.listenControl()
}

// Stack tells where everything is.
func (s *Supervisor) Stack() *stack.Stack { return s.stack }

// Died reports each child that ended without being told to, after it was ready.
func (s *Supervisor) Died() <-chan *Death { return s.died }

// Stop ends the child in good order and leaves it so.
func (s *Supervisor) Stop(name string) error { return s.on(name, (*child).stop) }

// Kill ends the child as a crash would, with SIGKILL, and leaves it so.
func (s *Supervisor) Kill(name string) error { return s.on(name, (*child).kill) }

// Pause stops the child's time (SIGSTOP): its connections stay open and silent.
func (s *Supervisor) Pause(name string) error { return s.on(name, (*child).pause) }

// Resume lets a paused child go on.
func (s *Supervisor) Resume(name string) error { return s.on(name, (*child).resume) }

// Restart stops the child if it runs, starts it and comes back when it is ready.
func (s *Supervisor) Restart(name string) error {
	return s.on(name, func(c *child) error { return c.restart(s.life) })
}

func (s *Supervisor) on(name string, do func(*child) error) error {
	var names []string
	for _, c := range slices.Concat(s.stages...) {
		if c.spec.Name == name {
			return do(c)
		}
		names = append(names, c.spec.Name)
	}
	return fmt.Errorf("%w: %q; this sandbox runs %s", ErrNoChild, name, strings.Join(names, ", "))
}

// A stage that does not end in stageTime is left behind while the next one is
// stopped; whatever still runs when all are through is killed.
const stageTime = 1400 * time.Millisecond

// Close stops all parts in the reverse order of their start, in less than 5 s.
func (s *Supervisor) Close() error {
	s.closing.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Supervisor) close() error {
	s.end()
	var errs []error
	if s.control != nil {
		errs = append(errs, s.control.Close())
	}
	for _, stage := range slices.Backward(s.stages) {
		deadline := time.Now().Add(stageTime)
		errs = append(errs, all(stage, func(c *child) error { return c.terminate(deadline) }))
	}
	for _, stage := range s.stages {
		errs = append(errs, all(stage, (*child).kill))
	}
	if s.stack != nil {
		errs = append(errs, s.stack.Release())
	}
	errs = append(errs, s.lock.Close())
	return errors.Join(errs...)
}

func (s *Supervisor) progress(format string, args ...any) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.options.Progress(fmt.Sprintf(format, args...))
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }

// all does the same to every child at once and gathers what went wrong.
func all(children []*child, do func(*child) error) error {
	errs := make([]error, len(children))
	var wg sync.WaitGroup
	for i, c := range children {
		wg.Go(func() { errs[i] = do(c) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
