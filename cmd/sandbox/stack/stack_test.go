package stack

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func choose(t *testing.T, dir string) *Stack {
	t.Helper()
	s, err := Choose(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSavedStackIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := choose(t, dir)
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("stack.json, which holds tokens, is %v", info.Mode())
	}
	if while := choose(t, dir); while.Forge.URL == s.Forge.URL {
		t.Error("what one has was given to another, before anything listens there")
	}
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	again := choose(t, dir)
	s.claim, again.claim = nil, nil
	if !reflect.DeepEqual(s, again) {
		t.Errorf("chosen again:\n%+v\nwant\n%+v", again, s)
	}
}

func TestTakenPortMeansNewPorts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := choose(t, dir)
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", strings.TrimPrefix(s.Forge.URL, "http://"))
	if err := errors.Join(err, s.Release()); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if again := choose(t, dir); again.Forge.URL == s.Forge.URL {
		t.Error("a taken port was chosen again")
	}
}

func TestNoAddressIsGivenTwice(t *testing.T) {
	t.Parallel()
	s := choose(t, t.TempDir())
	seen := map[string]bool{}
	for _, a := range []string{
		s.Temporal.UI, s.NATS.URL, s.Kube.URL, s.Kube.EtcdClient, s.Kube.EtcdPeer, s.Prometheus.URL,
		s.Alertmanager.URL, s.Workload.URL, s.Product.URL, s.Forge.URL,
	} {
		_, port, err := net.SplitHostPort(a[strings.Index(a, "//")+2:])
		if err != nil || seen[port] {
			t.Errorf("%s: given twice or no address: %v", a, err)
		}
		seen[port] = true
	}
	for i := range TemporalPorts {
		_, port, err := net.SplitHostPort(addr(s.Temporal.Port + i))
		if err != nil || seen[port] {
			t.Errorf("temporal's port %s is given twice: %v", port, err)
		}
	}
}

func TestSecretsDiffer(t *testing.T) {
	t.Parallel()
	a, b := choose(t, t.TempDir()), choose(t, t.TempDir())
	seen := map[string]bool{}
	for _, s := range []*Stack{a, b} {
		for _, token := range s.Forge.Users {
			if len(token) < 40 || seen[token] {
				t.Errorf("token %q is short or not new", token)
			}
			seen[token] = true
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged file: %v", err)
	}
}
