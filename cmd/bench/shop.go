package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// shape is that of a generated repository.
type shape struct{ files, commits int }

const (
	filesOfService = 5
	servicesOfTeam = 20
	began          = 1_700_000_000 // Unix time
	pace           = 1800          // seconds from one commit to the next
	hot            = 0             // the service whose image changes every 40th commit
)

func (s shape) services() int { return s.files / filesOfService }

func serviceDir(n int) string {
	return fmt.Sprintf("teams/team-%03d/svc-%04d", n/servicesOfTeam, n)
}

func serviceName(n int) string { return fmt.Sprintf("svc-%04d", n) }

// service is what commits change.
type service struct{ image, replicas int }

func (s service) deployment(n int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  labels: {app: %[1]s}
spec:
  replicas: %[2]d
  selector:
    matchLabels: {app: %[1]s}
  template:
    metadata:
      labels: {app: %[1]s}
    spec:
      containers:
        - name: app
          image: registry.example.com/%[1]s:1.%[3]d.0 # set by the pipeline
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits:
              memory: 256Mi
`, serviceName(n), s.replicas, s.image)
}

func (s shape) seed(write func(path, data string)) {
	for n := range s.services() {
		dir, name := serviceDir(n), serviceName(n)
		write(dir+"/deployment.yaml", service{1, 2}.deployment(n))
		write(dir+"/service.yaml", fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata:\n  name: %[1]s\nspec:\n  selector: {app: %[1]s}\n  ports: [{port: 80}]\n", name))
		write(dir+"/configmap.yaml", fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n  level: info\n", name))
		write(dir+"/hpa.yaml", fmt.Sprintf("apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: %s\nspec:\n  maxReplicas: 9\n", name))
		write(dir+"/kustomization.yaml", "resources: [deployment.yaml, service.yaml, configmap.yaml, hpa.yaml]\n")
	}
}

// history writes the commits as git fast-import reads them. Every 25th is a merge of the one before it.
func (s shape) history(out io.Writer) {
	w := bufio.NewWriter(out)
	defer w.Flush()
	rnd := rand.New(rand.NewPCG(1, 1))
	services := map[int]service{}
	put := func(path, data string) { fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n%s\n", path, len(data), data) }
	commit := func(i, parent int, branch string) {
		words := fmt.Sprintf("Change %d", i)
		fmt.Fprintf(w, "commit refs/heads/%s\nmark :%d\ncommitter dev%d <dev%[3]d@example.com> %d +0000\ndata %d\n%s\n",
			branch, i+1, i%9, began+i*pace, len(words), words)
		if parent >= 0 {
			fmt.Fprintf(w, "from :%d\n", parent+1)
		}
	}
	commit(0, -1, "main")
	s.seed(put)
	main := 0
	for i := 1; i < s.commits; i++ {
		n := 1 + rnd.IntN(s.services()-1)
		if i%40 == 0 {
			n = hot
		}
		was, known := services[n]
		if !known {
			was = service{1, 2}
		}
		now := service{was.image + 1, 2 + rnd.IntN(4)}
		services[n] = now
		change := func() { put(serviceDir(n)+"/deployment.yaml", now.deployment(n)) }
		if i%25 == 24 && i+1 < s.commits {
			commit(i, main, "topic")
			change()
			i++
			commit(i, main, "main")
			fmt.Fprintf(w, "merge :%d\n", i)
		} else {
			commit(i, main, "main")
		}
		change()
		main = i
	}
}

// git runs it with no configuration but what is here.
func git(ctx context.Context, dir string, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Stdin = dir, stdin
	cmd.Env = []string{"HOME=" + os.DevNull, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=dana", "GIT_AUTHOR_EMAIL=dana@example.com", "GIT_COMMITTER_NAME=dana", "GIT_COMMITTER_EMAIL=dana@example.com"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// make makes the bare repository, or takes it from the cache, and copies it to dir.
func (s shape) make(ctx context.Context, dir string) error {
	kept := filepath.Join(cache, fmt.Sprintf("shop-%dx%d.git", s.files, s.commits))
	if _, err := os.Stat(kept); err != nil {
		if err := s.generate(ctx, kept); err != nil {
			return err
		}
	}
	if _, err := git(ctx, ".", nil, "clone", "-q", "--bare", kept, dir); err != nil {
		return err
	}
	_, err := git(ctx, dir, nil, "config", "http.receivepack", "true")
	return err
}

func (s shape) generate(ctx context.Context, kept string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	half, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(half)
	if _, err := git(ctx, ".", nil, "init", "-q", "--bare", "-b", "main", half); err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() {
		s.history(w)
		w.Close()
	}()
	for _, step := range []struct {
		in   io.Reader
		args []string
	}{{r, []string{"fast-import", "--quiet"}}, {nil, []string{"update-ref", "-d", "refs/heads/topic"}}, {nil, []string{"gc", "-q"}}} {
		if _, err := git(ctx, half, step.in, step.args...); err != nil {
			return err
		}
	}
	return os.Rename(half, kept)
}

// serve offers the repositories below root over smart HTTP, by git's own backend, until ctx is over.
func serve(ctx context.Context, root string) (url string, err error) {
	execPath, err := git(ctx, ".", nil, "--exec-path")
	if err != nil {
		return "", err
	}
	program, err := exec.LookPath("git")
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &cgi.Handler{Path: filepath.Join(execPath, "git-http-backend"), Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "PATH=" + filepath.Dir(program), "REMOTE_USER=bench"}}}
	go func() { _ = srv.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	return "http://" + l.Addr().String(), nil
}
