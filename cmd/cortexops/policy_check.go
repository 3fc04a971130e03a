package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/policies"
)

func policyTestCommand() *cobra.Command {
	return &cobra.Command{Use: "test [FOLDER]", Args: cobra.MaximumNArgs(1),
		Short: "Run the tests in *_test.rego, and tell what they do not reach; exit 1 where one fails or there is none",
		Long: "Run the rules test_* of *_test.rego, and tell which lines of the policies they do not reach. Exit 1 where one fails or is skipped, " +
			"where there is none, and where cortexops would refuse the policies.\nWithout a FOLDER the built-in policies are tested.",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := ""
			if len(args) == 1 {
				dir = args[0]
			}
			report, err := policies.Test(cmd.Context(), folder(dir, policies.Default()))
			if err != nil {
				return inFolder("policies in", dir, err)
			}
			return showTests(cmd.OutOrStdout(), report)
		}}
}

func showTests(out io.Writer, report policies.TestReport) error {
	for _, t := range report.Tests {
		if t.Fail == "" {
			continue
		}
		fmt.Fprintf(out, "FAIL %s (%s): %s\n", t.Name, t.Location, t.Fail)
		for line := range strings.Lines(t.Output) {
			fmt.Fprintf(out, "     %s\n", strings.TrimRight(line, "\n"))
		}
	}
	for _, f := range report.Files {
		fmt.Fprintf(out, "%5.1f %% %s", f.Percent, f.File)
		if len(f.Uncovered) > 0 {
			fmt.Fprintf(out, ", not reached: %s", rows(f.Uncovered))
		}
		fmt.Fprintln(out)
	}
	failed := report.Failed()
	fmt.Fprintf(out, "%d passed, %d failed, %.1f %% of the lines reached\n", len(report.Tests)-failed, failed, report.Coverage)
	switch {
	case failed > 0:
		return fmt.Errorf("%d test(s) of the policies failed", failed)
	case len(report.Tests) == 0:
		return errors.New("the policies have no tests: write rules test_* in files *_test.rego")
	}
	return nil
}

func rows(of []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(of), " ", ", "), "[]")
}
