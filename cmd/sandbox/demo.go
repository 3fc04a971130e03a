package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/cmd/sandbox/demo"
	"github.com/cortexops/cortexops/cmd/sandbox/supervisor"
	"github.com/cortexops/cortexops/cmd/sandbox/testrun"
)

func demoCommand() *cobra.Command {
	var dir string
	var auto bool
	c := &cobra.Command{
		Use: "demo", Short: "Build, start the stack and tell three incidents from alert to verdict", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			auto = auto || !terminal(os.Stdin)
			return tell(c.Context(), dir, c.OutOrStdout(), func(ctx context.Context, s *supervisor.Supervisor) error {
				err := demo.Tell(ctx, s.Stack(), &demo.Teller{Out: c.OutOrStdout(), Auto: auto})
				switch {
				case err != nil:
					return err
				case auto:
					fmt.Fprintln(c.OutOrStdout(), "\nThe stack is stopped now. To look at what it left: bin/sandbox up --keep --dir", dir)
				default:
					stay(ctx, c.OutOrStdout())
				}
				return nil
			})
		},
	}
	dirFlag(c, &dir)
	c.Flags().BoolVar(&auto, "auto", false, "approve as a second forge user, and on Slack as two; without a terminal it is the default")
	return c
}

func demoFailureCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "demo-failure", Short: "Build, start the stack, break it in three scenarios and count that everything was done once", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return tell(c.Context(), dir, c.OutOrStdout(), func(ctx context.Context, s *supervisor.Supervisor) error {
				_, err := demo.Drill(ctx, s.Stack(), s, &demo.Teller{Out: c.OutOrStdout(), Auto: true})
				return err
			})
		},
	}
	dirFlag(c, &dir)
	return c
}

func testCommand() *cobra.Command {
	return &cobra.Command{
		Use: "test", Short: "Run the tests of both modules on a stack of their own", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := supervisor.Build(c.Context(), c.OutOrStdout(), root()); err != nil {
				return err
			}
			return testrun.Run(c.Context(), root(), c.OutOrStdout())
		},
	}
}

func operationsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "operations", Short: "Run the proofs that docs/operations.md names, and print what each of its sections is worth", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := supervisor.Build(c.Context(), c.OutOrStdout(), root()); err != nil {
				return err
			}
			return testrun.Operations(c.Context(), root(), c.OutOrStdout())
		},
	}
}

// tell builds and starts everything, and returns nil only if the story ended as told.
func tell(ctx context.Context, dir string, out io.Writer, story func(context.Context, *supervisor.Supervisor) error) (err error) {
	if err := supervisor.Build(ctx, out, root()); err != nil {
		return err
	}
	began := time.Now()
	s, err := supervisor.Start(ctx, supervisor.Options{Dir: dir, Progress: func(line string) { fmt.Fprintln(out, line) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fmt.Fprintf(out, "\nThe sandbox is up after %s.\n", time.Since(began).Round(100*time.Millisecond))
	whatToTry(out, s.Stack())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case d := <-s.Died():
			cancel(d)
		case <-ctx.Done():
		}
	}()
	err = story(ctx, s)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return cause
	}
	return err
}

// stay keeps the stack up for whoever wants to look at what the stories left.
func stay(ctx context.Context, out io.Writer) {
	fmt.Fprint(out, "\nThe stack stays up for you to look at: the pull requests, the workflows. Press Enter to stop it.")
	enter := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		close(enter)
	}()
	select {
	case <-enter:
	case <-ctx.Done():
	}
	fmt.Fprintln(out)
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
