// Command sandbox is the embedded default: the real stack that CortexOps needs,
// as processes on this machine, with nothing but Go and git. It imports nothing
// of the product: it starts its binary and judges it from outside.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends us at once, and our children with us
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	c := &cobra.Command{
		Use:           "sandbox",
		Short:         "The stack that CortexOps works on, on this machine alone",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.CompletionOptions.DisableDefaultCmd = true
	c.AddCommand(upCommand(), demoCommand(), demoFailureCommand(), testCommand(), operationsCommand(), runCommand())
	c.AddCommand(controlCommands()...)
	return c
}

// dirFlag is where the sandbox keeps all that it writes.
func dirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "dir", filepath.Join(root(), ".sandbox"), "folder of the sandbox's data")
}

// root is the product's source folder, when this program lies in its bin/.
func root() string {
	self, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(filepath.Dir(self))
}
