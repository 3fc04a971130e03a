// Command cortexops turns production telemetry into remediation pull requests.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cortexops:", err)
		code := 1
		var said *exit
		if errors.As(err, &said) {
			code = said.code
		}
		os.Exit(code)
	}
}

// exit is an error with a code of its own.
type exit struct {
	code int
	error
}

func (e *exit) Unwrap() error { return e.error }

// run is the program; main only adds the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := &cobra.Command{Use: "cortexops", Short: "Telemetry in, remediation pull requests out", SilenceUsage: true, SilenceErrors: true}
	root.PersistentFlags().String("config", "cortexops.yaml", "the configuration file; manifests/cortexops.yaml is a commented one")
	root.AddCommand(serveCommand(), workCommand(), retryCommand(), pauseCommand(), resumeCommand(), replayCommand(), captureCommand(), migrateCommand(), ledgerCommand(), policyCommand(), backupCommand(),
		restoreCommand(), gitopsCommand(), renderChartCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// one argument, which is called by its name where it is missing.
func one(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s wants one %s, not %d", cmd.CommandPath(), name, len(args))
		}
		return nil
	}
}

// loaded reads the configuration that --config names.
func loaded(cmd *cobra.Command) (Config, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return Config{}, err
	}
	return loadConfig(path)
}
