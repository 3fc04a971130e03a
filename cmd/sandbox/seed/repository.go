package seed

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cortexops/cortexops/cmd/sandbox/seed/git"
	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

//go:embed repository
var repository embed.FS

// author is the developer of the shop who commits to main.
const author = "dana"

// errNotThere means that the file is not as the story needs it.
var errNotThere = errors.New("the demo's repository is not as it was seeded: start the sandbox with an empty data folder")

const firstMessage = `Move the shop's manifests into one repository

A base, what staging and production want otherwise, and the alert rules. From
here on main is what runs.
`

// Repository pushes the seeded repository as the first commit of main, if there is no main yet, and returns that first
// commit's SHA in either case.
func Repository(ctx context.Context, s *stack.Stack) (firstSHA string, err error) {
	err = inClone(ctx, s, func(c *git.Client) error {
		head, err := c.Line(ctx, "ls-remote", git.URL(s), "refs/heads/main")
		if err != nil {
			return err
		}
		if head == "" {
			if err := push(ctx, c); err != nil {
				return err
			}
		}
		firstSHA, err = c.Line(ctx, "rev-list", "--max-parents=0", "--first-parent", "HEAD")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("seed the repository: %w", err)
	}
	return firstSHA, nil
}

func push(ctx context.Context, c *git.Client) error {
	root, err := fs.Sub(repository, "repository")
	if err != nil {
		return err
	}
	if err := copyTree(c.Dir, root); err != nil {
		return err
	}
	return commit(ctx, c, "main", firstMessage)
}

// LowerMemory begins story 1: a person lowers checkout's limit below what it needs. It returns the commit's SHA.
func LowerMemory(ctx context.Context, s *stack.Stack) (string, error) {
	return edit(ctx, s, change{
		file: "overlays/production/checkout-memory.yaml", from: "memory: 512Mi", to: "memory: 256Mi",
		message: `checkout: halve the memory limit in production

The cost report has checkout at the top of the list of what we reserve and do
not use. It idles at well below 256Mi, and the difference is a node a month.

Reviewed-by: lee <lee@shop.example>
`,
	})
}

// RestoreMemory is what a person does where CortexOps was not let: the limit goes back up. It returns the commit's SHA.
func RestoreMemory(ctx context.Context, s *stack.Stack) (string, error) {
	return edit(ctx, s, change{
		file: "overlays/production/checkout-memory.yaml", from: "memory: 256Mi", to: "memory: 512Mi",
		message: "checkout: give it back the memory that it needs\n",
	})
}

// ExplainMemory is what a person writes beside the limit: nothing that is rendered changes. It returns the commit's SHA.
func ExplainMemory(ctx context.Context, s *stack.Stack) (string, error) {
	return edit(ctx, s, change{
		file: "overlays/production/checkout-memory.yaml", from: "larger there than in staging.", to: "larger there than in staging:\n# eight gateways ask it there, and one here.",
		message: "checkout: say why its caches are larger in production\n",
	})
}

// RaiseMemory is what a person proposes on a branch while the limit is too low. It returns the commit's SHA.
func RaiseMemory(ctx context.Context, s *stack.Stack, branch string) (string, error) {
	return edit(ctx, s, change{branch: branch,
		file: "overlays/production/checkout-memory.yaml", from: "memory: 256Mi", to: "memory: 1Gi",
		message: "checkout: as much memory as it can ever need\n",
	})
}

// ShipFaultyCart begins story 2: a person ships a version of cart that answers with errors. It returns the commit's SHA.
func ShipFaultyCart(ctx context.Context, s *stack.Stack) (string, error) {
	return edit(ctx, s, change{
		file: "overlays/production/kustomization.yaml", from: "newTag: 1.8.0", to: "newTag: 1.9.0",
		message: `cart: ship 1.9.0 to production

New in it: carts are merged when somebody logs in. It has been on a laptop since
Friday, with no complaints. Changelog: https://git.shop.example/cart/releases/1.9.0

Reviewed-by: lee <lee@shop.example>
`,
	})
}

// ShipLeakyCheckout begins story 3: a person ships a version of checkout that takes connections to the database and never
// gives them back. It returns the commit's SHA.
func ShipLeakyCheckout(ctx context.Context, s *stack.Stack) (string, error) {
	return edit(ctx, s, change{
		file: "overlays/production/kustomization.yaml", from: "newTag: 3.4.1", to: "newTag: 3.5.0",
		message: `checkout: ship 3.5.0 to production

It asks the database itself instead of the cache. Faster in every benchmark.

Reviewed-by: lee <lee@shop.example>
`,
	})
}

// RollBackCheckout is what a person does about it: the leak ends, and what has leaked stays. It returns the commit's SHA.
func RollBackCheckout(ctx context.Context, s *stack.Stack) (string, error) {
	return edit(ctx, s, change{
		file: "overlays/production/kustomization.yaml", from: "newTag: 3.5.0", to: "newTag: 3.4.1",
		message: "checkout: back to 3.4.1, 3.5.0 eats up the database's connections\n",
	})
}

// MoreMemory is what a person pushes to the branch of an open pull request. It returns the commit's SHA.
func MoreMemory(ctx context.Context, s *stack.Stack, branch string) (string, error) {
	return edit(ctx, s, change{base: branch, branch: branch,
		file: "overlays/production/checkout-memory.yaml", from: "memory: 512Mi", to: "memory: 768Mi",
		message: "checkout: rather a bit more\n",
	})
}

// MoveBase is what a person does in a file that no remediation of checkout reads. It returns the commit's SHA.
func MoveBase(ctx context.Context, s *stack.Stack) (string, error) {
	return edit(ctx, s, change{file: "README.md", from: "within a second or two.", to: "within a second or two. Ask in #shop.", message: "Say where to ask\n"})
}

// change replaces one text by another in one file, where it must be exactly once. No branch: main, and no base: as main is.
type change struct{ base, branch, file, from, to, message string }

func edit(ctx context.Context, s *stack.Stack, ch change) (sha string, err error) {
	err = inClone(ctx, s, func(c *git.Client) error {
		if _, err := c.Run(ctx, "checkout", "--quiet", cmp.Or(ch.base, "main")); err != nil {
			return err
		}
		path := filepath.Join(c.Dir, filepath.FromSlash(ch.file))
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Count(b, []byte(ch.from)) != 1 {
			return fmt.Errorf("%s does not say %q once: %w", ch.file, ch.from, errNotThere)
		}
		if err := os.WriteFile(path, bytes.Replace(b, []byte(ch.from), []byte(ch.to), 1), 0o644); err != nil {
			return err
		}
		if err := commit(ctx, c, cmp.Or(ch.branch, "main"), ch.message); err != nil {
			return err
		}
		sha, err = c.Line(ctx, "rev-parse", "HEAD")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("commit to %s as %s: %w", ch.file, author, err)
	}
	return sha, nil
}

func commit(ctx context.Context, c *git.Client, branch, message string) error {
	for _, args := range [][]string{
		{"add", "--all"},
		{"commit", "--quiet", "--message", message},
		{"push", "--quiet", "origin", "HEAD:refs/heads/" + branch},
	} {
		if _, err := c.Run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// inClone gives a new clone of main, which is removed afterwards.
func inClone(ctx context.Context, s *stack.Stack, do func(*git.Client) error) error {
	dir, err := os.MkdirTemp(s.Dir, "clone-")
	if err != nil {
		return fmt.Errorf("make a folder to clone into: %w", err)
	}
	defer os.RemoveAll(dir)
	c := git.As(s, author, dir)
	if _, err := c.Run(ctx, "clone", "--quiet", git.URL(s), "."); err != nil {
		return err
	}
	return do(c)
}

// Declare is what people do to have a tool deliver production: its objects are in a file of the repository. It returns the commit's SHA.
func Declare(ctx context.Context, s *stack.Stack, file, content, message string) (sha string, err error) {
	err = inClone(ctx, s, func(c *git.Client) error {
		path := filepath.Join(c.Dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
		if err := commit(ctx, c, "main", message); err != nil {
			return err
		}
		sha, err = c.Line(ctx, "rev-parse", "HEAD")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("commit %s as %s: %w", file, author, err)
	}
	return sha, nil
}
