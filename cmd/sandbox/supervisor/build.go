package supervisor

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// ErrNoTool means that a program which only the system's packages can bring is missing.
var ErrNoTool = errors.New("is missing")

// target is one program under ROOT/bin. Those of others are pinned.
type target struct {
	name    string
	module  string // empty: the product, in root
	version string
	pkg     string
	tags    string
	minutes int // a first build on 2 cores, roughly
}

var targets = []target{
	{name: "cortexops", pkg: "./cmd/cortexops", minutes: 5},
	{
		name: "prometheus", module: "github.com/prometheus/prometheus", version: "v0.316.0", pkg: "./cmd/prometheus",
		tags: "remove_all_sd", minutes: 2, // no cloud's service discovery: a third fewer packages
	},
	{name: "alertmanager", module: "github.com/prometheus/alertmanager", version: "v0.31.1", pkg: "./cmd/alertmanager", minutes: 2},
}

// Build brings cortexops, prometheus and alertmanager in ROOT/bin up to date, or
// those of them among parts, and tells on progress how far it is. What is already
// there costs little.
func Build(ctx context.Context, progress io.Writer, root string, parts ...string) error {
	for _, tool := range []string{"go", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s %w: install it (Debian: apt-get install %s; Go: https://go.dev/dl) and run this again", tool, ErrNoTool, tool)
		}
	}
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return fmt.Errorf("make the folder for programs: %w", err)
	}
	// One after the other: side by side they took 5 min 16 s on 2 cores instead of 3 min 18 s.
	for _, t := range targets {
		if len(parts) > 0 && !slices.Contains(parts, t.name) || t.installed(bin) {
			continue
		}
		if err := t.build(ctx, progress, root, bin); err != nil {
			return fmt.Errorf("build %s: %w", t.name, err)
		}
	}
	return nil
}

// installed asks the program itself; the product is always built anew.
func (t target) installed(bin string) bool {
	info, err := buildinfo.ReadFile(filepath.Join(bin, t.name))
	return err == nil && t.module != "" && info.Main.Path == t.module && info.Main.Version == t.version
}

func (t target) build(ctx context.Context, progress io.Writer, root, bin string) error {
	source := root
	args := []string{"build", "-v", "-o", filepath.Join(bin, t.name), t.pkg}
	if t.module != "" {
		dir, err := t.download(ctx)
		if err != nil {
			return err
		}
		source = dir
		args = []string{"install", "-v", "-tags", t.tags, t.module + strings.TrimPrefix(t.pkg, ".") + "@" + t.version}
	}
	total, err := run(goCommand(ctx, source, bin, "list", "-deps", "-tags", t.tags, t.pkg))
	if err != nil {
		return err
	}
	cmd := goCommand(ctx, root, bin, args...)
	return t.watch(cmd, progress, bytes.Count(total, []byte("\n")))
}

// download is where the module's source is, which is how its packages are counted.
func (t target) download(ctx context.Context) (dir string, err error) {
	out, err := run(goCommand(ctx, os.TempDir(), "", "mod", "download", "-json", t.module+"@"+t.version))
	if err != nil {
		return "", err
	}
	var m struct{ Dir string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", fmt.Errorf("read what go mod download says: %w", err)
	}
	return m.Dir, nil
}

// goCommand builds with the flags that this program was built with, so that all share one build cache. A workspace, ours
// or the module's, has no say in it.
func goCommand(ctx context.Context, dir, bin string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(GoEnv(), "GOWORK=off", "GOBIN="+bin)
	cmd.WaitDelay = time.Second
	return cmd
}

// GoEnv is the environment in which the sandbox builds and tests: ours and, where make did not set them there, the flags
// of our own build.
func GoEnv() []string {
	env := os.Environ()
	flags := os.Getenv("GOFLAGS")
	info, ok := debug.ReadBuildInfo()
	if !ok || strings.Contains(flags, "-gcflags") {
		return env
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "-gcflags", "-ldflags":
			flags += fmt.Sprintf(" '%s=%s'", s.Key, s.Value)
		case "CGO_ENABLED":
			env = append(env, "CGO_ENABLED="+s.Value)
		}
	}
	return append(env, "GOFLAGS="+strings.TrimSpace(flags))
}

func run(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	return out, nil
}

const (
	sayEvery  = 5 * time.Second
	keepLines = 40
)

// watch counts the packages that the go command names on stderr as it compiles
// them; what it does not name was in the cache. Everything else is kept for the error.
func (t target) watch(cmd *exec.Cmd, progress io.Writer, total int) error {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	began, said := time.Now(), time.Now()
	compiled := 0
	var other []string
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		line := lines.Text()
		if strings.ContainsAny(line, " \t") || line == "" {
			other = append(other, line)
			other = other[max(0, len(other)-keepLines):]
			continue
		}
		if compiled++; compiled == 1 {
			fmt.Fprintf(progress, "%s: building; the first time this takes about %d minutes on 2 cores, seconds after that\n", t.name, t.minutes)
		}
		if time.Since(said) > sayEvery {
			said = time.Now()
			fmt.Fprintf(progress, "%s: compiled %d packages (of at most %d)\n", t.name, compiled, total)
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, strings.Join(other, "\n"))
	}
	if compiled > 0 {
		fmt.Fprintf(progress, "%s: built in %s, compiled %d packages (of at most %d)\n", t.name, since(began), compiled, total)
	}
	return lines.Err()
}
