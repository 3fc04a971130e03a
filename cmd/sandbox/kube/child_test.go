package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// patience is how long a test waits for what the cluster does by itself.
const patience = time.Minute

var (
	shared *stack.Stack // one cluster for all tests of the package; each test has its own namespace
	admin  *kubernetes.Clientset
)

// childEnv tells the test's own binary to be the child, as the sandbox does with its own: a process can hold one API
// server only.
const childEnv = "SANDBOX_KUBE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(run(m))
}

func child(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := stack.Load(dir)
	if err == nil {
		err = Run(ctx, s, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kube")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if shared, err = stack.Choose(dir); err == nil {
		err = shared.Save()
	}
	var stop func() error
	if err == nil {
		stop, err = restarted()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "the child ended with", err)
		code = 1
	}
	if code != 0 {
		b, _ := os.ReadFile(filepath.Join(dir, "log"))
		os.Stderr.Write(b)
	}
	return code
}

// restarted starts the cluster twice on one folder, so that every test runs on one that was restarted, and proves that
// what was given out before is still good: the kubeconfig and a service account's token.
func restarted() (stop func() error, err error) {
	if stop, _, err = begin(); err != nil {
		return nil, err
	}
	tr, err := admin.CoreV1().ServiceAccounts("default").CreateToken(context.Background(), "default", &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	before, err := os.ReadFile(shared.Kube.AdminKubeconfig)
	if err := errors.Join(err, stop()); err != nil {
		return nil, fmt.Errorf("the first child ended with %w", err)
	}
	stop, rc, err := begin()
	if err != nil {
		return nil, err
	}
	after, err := os.ReadFile(shared.Kube.AdminKubeconfig)
	if err != nil || !bytes.Equal(before, after) {
		return nil, errors.Join(errors.New("the admin's kubeconfig changed with a restart"), err, stop())
	}
	user := kubernetes.NewForConfigOrDie(&rest.Config{Host: rc.Host, BearerToken: tr.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: rc.CAData}})
	if _, err := user.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		return nil, errors.Join(errors.New("a token given out before the restart should be known, and refused"), err, stop())
	}
	return stop, nil
}

// begin starts the child and waits until the cluster serves and the default service account is there.
func begin() (stop func() error, rc *rest.Config, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	log, err := os.OpenFile(filepath.Join(shared.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	cmd := exec.Command(self)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), childEnv+"="+shared.Dir), log, log
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() error { return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()) }
	err = wait.PollUntilContextTimeout(context.Background(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if rc, err = kubeconfig.Load(shared.Kube.AdminKubeconfig); err != nil {
			return false, nil
		}
		admin = kubernetes.NewForConfigOrDie(rc)
		_, err = admin.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	if err != nil {
		b, _ := os.ReadFile(log.Name())
		return nil, nil, errors.Join(fmt.Errorf("the cluster did not start: %w\n%s", err, b), cmd.Process.Kill(), cmd.Wait())
	}
	return stop, rc, nil
}
