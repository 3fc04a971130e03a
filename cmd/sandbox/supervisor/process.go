package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one run of a child, from its start to its end.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process was waited for

	mu       sync.Mutex
	watched  bool // its end is news
	intended bool // its end was asked for
	onDeath  func(state string)
}

// startProcess gives the process a group of its own, so that Ctrl-C reaches the
// supervisor alone and a signal of ours all that the child has started, and has
// the kernel kill it when the supervisor ends, however that happens.
func startProcess(cmd *exec.Cmd, pid string, onDeath func(state string)) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := onStarter(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{}), onDeath: onDeath}
	if err := writePID(pid, cmd); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	go func() {
		_ = cmd.Wait()        // its state is what we want of it
		_ = os.Remove(pid)    // at worst the next start finds nobody under it
		_ = p.signalRemains() // what the child has started goes with it
		p.mu.Lock()
		close(p.ended)
		news := p.watched && !p.intended
		p.mu.Unlock()
		if news {
			p.onDeath(p.state())
		}
	}()
	return p, nil
}

// starter is the one OS thread that all children are started from. The kernel
// ties Pdeathsig to the thread, not to the process: started from a thread that
// Go later retires, a child would die for no reason.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func onStarter(cmd *exec.Cmd) error {
	err := make(chan error, 1)
	starter() <- func() { err <- cmd.Start() }
	return <-err
}

// beginWatch makes the process's end news from now on; false if it has ended.
func (p *process) beginWatch() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watched = true
	return !p.hasEnded()
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// state is valid once the process has ended.
func (p *process) state() string {
	<-p.ended
	return p.cmd.ProcessState.String()
}

func (p *process) intend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intended = true
}

// terminate asks the process to end, and tells whether it did by the deadline.
func (p *process) terminate(deadline time.Time) bool {
	p.intend()
	_ = p.signal(syscall.SIGTERM)
	_ = p.resume() // a paused process hears nothing else
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-p.ended:
		return true
	case <-t.C:
		return false
	}
}

func (p *process) kill() error {
	p.intend()
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.ended
	return nil
}

// pause comes back when the last thread has stopped: the signal alone says only
// that they will.
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

// signal reaches the whole group. A process that has just ended is no error.
func (p *process) signal(sig syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

func (p *process) signalRemains() error { return p.signal(syscall.SIGKILL) }
