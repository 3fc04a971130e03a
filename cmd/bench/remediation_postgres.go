package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// errNoPostgres is returned where none is installed.
var errNoPostgres = errors.New("no Postgres is installed, and the ledger cannot be measured: apt-get install postgresql")

// server is a Postgres of our own, as it is configured by default: it waits for its disk.
type server struct {
	dir, url string
	cmd      *exec.Cmd
}

// program finds one that Debian keeps out of the PATH.
func program(name string) string {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1]
	}
	path, _ := exec.LookPath(name)
	return path
}

// postgresUser is us, or nobody where we are root, as whom Postgres does not run.
func postgresUser() (uid int, attr *syscall.SysProcAttr, err error) {
	attr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if uid = os.Getuid(); uid != 0 {
		return uid, attr, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return 0, nil, fmt.Errorf("find somebody to run Postgres, since root may not: %w", err)
	}
	uid, err = strconv.Atoi(nobody.Uid)
	gid, wrong := strconv.Atoi(nobody.Gid)
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return uid, attr, errors.Join(err, wrong)
}

func startPostgres(ctx context.Context) (s *server, err error) {
	initdb, serve := program("initdb"), program("postgres")
	if initdb == "" || serve == "" {
		return nil, errNoPostgres
	}
	uid, who, err := postgresUser()
	if err != nil {
		return nil, err
	}
	s = &server{}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	// Short, since the path of a socket is limited; not below the user's own folders, which nobody may not enter.
	if s.dir, err = os.MkdirTemp("/tmp", "pg"); err != nil {
		return nil, err
	}
	if err := os.Chown(s.dir, uid, -1); err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	made := exec.CommandContext(ctx, initdb, "-D", data, "-U", "ledger", "-A", "trust", "-E", "UTF8", "--locale=C")
	made.SysProcAttr, made.Dir = who, s.dir
	if out, err := made.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	s.cmd = exec.CommandContext(ctx, serve, "-D", data, "-k", s.dir, "-c", "listen_addresses=")
	s.cmd.SysProcAttr, s.cmd.Dir = who, s.dir
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return nil, err
	}
	s.url = fmt.Sprintf("postgres://ledger@/postgres?host=%s", s.dir)
	return s, s.wait(ctx)
}

// wait until it answers, and say no where it does not wait for its disk.
func (s *server) wait(ctx context.Context) error {
	db, err := sql.Open("pgx", s.url)
	if err != nil {
		return err
	}
	defer db.Close()
	for range 300 {
		var fsync string
		if err = db.QueryRowContext(ctx, `SHOW fsync`).Scan(&fsync); err == nil {
			if fsync != "on" {
				err = errors.New("this Postgres has fsync off")
			}
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the Postgres does not answer: %w", err)
}

func (s *server) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // at once: nothing in it is needed
		_ = s.cmd.Wait()
	}
	_ = os.RemoveAll(s.dir)
}
