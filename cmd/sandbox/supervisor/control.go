package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// controlTimeout covers a restart that waits for a slow part.
const controlTimeout = 2 * time.Minute

var (
	// ErrNotUp means that no supervisor listens in the folder.
	ErrNotUp = errors.New("no sandbox is running here: `sandbox up --dir DIR` starts one")
	// ErrRefused carries what the supervisor answered.
	ErrRefused = errors.New("refused")

	errNoVerb = errors.New("no such verb")
)

// request and answer are one line of JSON each over the control socket, which
// only its owner can reach: the folder is his alone.
type request struct {
	Verb string `json:"verb"`
	Name string `json:"name"`
}

type answer struct {
	Error string `json:"error,omitempty"`
}

// Control asks the supervisor that runs in dir to stop, pause, resume or restart
// a part, and waits until that is done.
func Control(ctx context.Context, dir, verb, name string) error {
	socket, release, err := socketIn(filepath.Join(dir, "run"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", dir, ErrNotUp)
	}
	if err != nil {
		return fmt.Errorf("reach the sandbox: %w", err)
	}
	defer release()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s: %w", dir, ErrNotUp)
	}
	if err != nil {
		return fmt.Errorf("reach the sandbox: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := json.NewEncoder(conn).Encode(request{Verb: verb, Name: name}); err != nil {
		return fmt.Errorf("ask the sandbox to %s %s: %w", verb, name, err)
	}
	var a answer
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return fmt.Errorf("the sandbox ended before %s %s was done: %w", verb, name, err)
	}
	if a.Error != "" {
		return fmt.Errorf("%s %s: %w: %s", verb, name, ErrRefused, a.Error)
	}
	return nil
}

func (s *Supervisor) listenControl() error {
	socket, release, err := socketIn(filepath.Join(s.options.Dir, "run"))
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	defer release()
	l, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // the next start wipes it
	s.control = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go s.answer(conn)
		}
	}()
	return nil
}

func (s *Supervisor) answer(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(controlTimeout))
	var r request
	var a answer
	err := json.NewDecoder(conn).Decode(&r)
	if err == nil {
		err = s.obey(r)
	}
	if err != nil {
		a.Error = err.Error()
	}
	_ = json.NewEncoder(conn).Encode(a) // nobody may be left to hear it
}

func (s *Supervisor) obey(r request) error {
	switch r.Verb {
	case "stop":
		return s.Stop(r.Name)
	case "pause":
		return s.Pause(r.Name)
	case "resume":
		return s.Resume(r.Name)
	case "restart":
		return s.Restart(r.Name)
	}
	return fmt.Errorf("%w: %q", errNoVerb, r.Verb)
}

// socketIn is the path of the control socket by way of an open folder: a
// socket's path may have 107 bytes only, a folder's any number.
func socketIn(dir string) (path string, release func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(f.Fd())), "control.sock"), func() { _ = f.Close() }, nil
}
