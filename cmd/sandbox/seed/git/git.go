// Package git calls the stock git client as one of the sandbox's people would, with that person's token. The token
// goes through the environment: never into a command line, a URL or a file.
package git

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// RunError is a git command that failed.
type RunError struct {
	Args   []string
	Output string // what git said
	Err    error
}

func (e *RunError) Error() string {
	return fmt.Sprintf("git %s: %v: %s", strings.Join(e.Args, " "), e.Err, strings.TrimSpace(e.Output))
}

func (e *RunError) Unwrap() error { return e.Err }

// killDelay is what git has to end by itself after its context did.
const killDelay = time.Second

// Client runs git in Dir.
type Client struct {
	Dir   string
	Login string // also the author of commits
	token string
}

// As makes a client for one of the forge's users.
func As(s *stack.Stack, login, dir string) *Client {
	return &Client{Dir: dir, Login: login, token: s.Forge.Users[login]}
}

// URL of the stack's repository.
func URL(s *stack.Stack) string {
	return s.Forge.URL + "/" + s.Forge.Owner + "/" + s.Forge.Repo + ".git"
}

// Run returns what git prints.
func (c *Client) Run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.Dir, c.env(), killDelay
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, &RunError{Args: args, Output: said.String(), Err: err}
	}
	return out.Bytes(), nil
}

// Line is Run for commands that print one line.
func (c *Client) Line(ctx context.Context, args ...string) (string, error) {
	out, err := c.Run(ctx, args...)
	return strings.TrimSpace(string(out)), err
}

// env leaves nothing of the machine's own git configuration, hooks or helpers.
func (c *Client) env() []string {
	mail := c.Login + "@shop.example"
	config := [][2]string{
		{"http.extraHeader", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+c.token))},
		{"init.defaultBranch", "main"}, {"core.hooksPath", os.DevNull}, {"commit.gpgSign", "false"}, {"gc.auto", "0"},
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=" + c.Login, "GIT_AUTHOR_EMAIL=" + mail,
		"GIT_COMMITTER_NAME=" + c.Login, "GIT_COMMITTER_EMAIL=" + mail,
		"GIT_CONFIG_COUNT=" + strconv.Itoa(len(config)),
	}
	for i, kv := range config {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+kv[0], "GIT_CONFIG_VALUE_"+n+"="+kv[1])
	}
	return env
}
