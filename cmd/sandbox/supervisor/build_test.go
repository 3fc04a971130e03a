package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// module writes a product of one main package.
func module(t *testing.T, main string) (root string) {
	t.Helper()
	root = t.TempDir()
	pkg := filepath.Join(root, "cmd", "cortexops")
	if err := os.MkdirAll(pkg, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		filepath.Join(root, "go.mod"): "module example.test/product\n\ngo 1.26\n",
		filepath.Join(pkg, "main.go"): main,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestBuild(t *testing.T) {
	t.Parallel()
	root := module(t, "package main\n\nfunc main() { print(\"built\") }\n")
	var said strings.Builder
	if err := Build(t.Context(), &said, root, "cortexops"); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "cortexops")).CombinedOutput()
	if err != nil || string(out) != "built" {
		t.Errorf("the program said %q, %v", out, err)
	}
	if !strings.Contains(said.String(), "packages (of at most ") {
		t.Errorf("progress: %q", said.String())
	}
	if err := Build(t.Context(), &said, root, "kube"); err != nil {
		t.Errorf("nothing to build: %v", err)
	}
}

func TestBuildErrorNamesTheLine(t *testing.T) {
	t.Parallel()
	root := module(t, "package main\n\nfunc main() { misspelt() }\n")
	err := Build(t.Context(), &strings.Builder{}, root, "cortexops")
	if err == nil || !strings.Contains(err.Error(), "main.go:3:15: undefined: misspelt") {
		t.Errorf("Build: %v", err)
	}
}

func TestMissingToolIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := Build(t.Context(), &strings.Builder{}, t.TempDir()); !errors.Is(err, ErrNoTool) {
		t.Errorf("Build without tools: %v", err)
	}
}

func TestInstalledAsksTheProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "prometheus")); err != nil {
		t.Fatal(err)
	}
	if (target{name: "prometheus", module: "github.com/prometheus/prometheus", version: "v0.316.0"}).installed(bin) {
		t.Error("another program of that name was taken for prometheus")
	}
}
