package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/policies"
)

type evalFlags struct{ input, gate, directory, output string }

// gateAnswer is one gate's decision as it is printed.
type gateAnswer struct {
	Gate string `json:"gate"`
	policies.Decision
}

func policyEvalCommand() *cobra.Command {
	var f evalFlags
	cmd := &cobra.Command{Use: "eval --input FILE", Args: cobra.NoArgs,
		Short: "Ask the policies about an input (policies/input.schema.json): each gate, or one",
		Long: "Ask the policies about an input as policies/input.schema.json describes it: each gate, or the one of --gate. " +
			"The gate plan is asked without the dry-run, which comes after it.\n" +
			"The policies are those of --directory, or of the configuration where --config is given, else the built-in ones. " +
			"A denial is an answer: the exit code is 1 only where there is none.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.output != "text" && f.output != "json" {
				return fmt.Errorf("--output is %q: it must be text or json", f.output)
			}
			if f.gate != "" && !slices.Contains(policies.Gates(), f.gate) {
				return fmt.Errorf("--gate is %q: it must be one of %s", f.gate, strings.Join(policies.Gates(), ", "))
			}
			data, err := readAll(cmd.InOrStdin(), f.input)
			if err != nil {
				return fmt.Errorf("read the input: %w", err)
			}
			in, err := policyInput(f.input, data)
			if err != nil {
				return err
			}
			engine, err := f.engine(cmd)
			if err != nil {
				return err
			}
			all, err := f.ask(cmd.Context(), engine, in)
			if err != nil {
				return err
			}
			return f.show(cmd.OutOrStdout(), all)
		}}
	cmd.Flags().StringVar(&f.input, "input", "", "file with the input, in JSON; - for standard input")
	cmd.Flags().StringVar(&f.gate, "gate", "", "plan, approve or apply; empty: each of them")
	cmd.Flags().StringVar(&f.directory, "directory", "", "folder with the policies")
	cmd.Flags().StringVar(&f.output, "output", "text", "text or json")
	_ = cmd.MarkFlagRequired("input") // it is a flag: just defined
	return cmd
}

func (f evalFlags) engine(cmd *cobra.Command) (*policies.Engine, error) {
	c := policyConfig{Directory: f.directory}
	if f.directory == "" && cmd.Flags().Changed("config") {
		whole, err := loaded(cmd)
		if err != nil {
			return nil, err
		}
		c = whole.Policies
	}
	source, _, err := c.source(bundleToken)
	if err != nil {
		return nil, err
	}
	engine, err := policies.Compile(cmd.Context(), source)
	return engine, inFolder("policies in", c.Directory, err)
}

func (f evalFlags) ask(ctx context.Context, engine *policies.Engine, in policies.Input) (all []gateAnswer, err error) {
	for _, gate := range policies.Gates() {
		if f.gate != "" && gate != f.gate {
			continue
		}
		about := in
		if gate == policies.Plan {
			about.DryRun = nil
		}
		d, err := engine.Evaluate(ctx, gate, about)
		if err != nil {
			return nil, err
		}
		all = append(all, gateAnswer{gate, d})
	}
	return all, nil
}

func (f evalFlags) show(out io.Writer, all []gateAnswer) error {
	if f.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	for _, a := range all {
		word := "deny"
		if a.Allow {
			word = "allow"
		}
		fmt.Fprintf(out, "%-8s%s", a.Gate, word)
		if a.Approvals > 0 {
			fmt.Fprintf(out, " after %d approval(s)", a.Approvals)
		}
		if len(a.Approvers) > 0 {
			fmt.Fprintf(out, " by %s", strings.Join(a.Approvers, ", "))
		}
		if len(a.Rules) > 0 {
			fmt.Fprintf(out, " (%s)", strings.Join(a.Rules, ", "))
		}
		fmt.Fprintln(out)
		for _, r := range a.Reasons {
			fmt.Fprintf(out, "        %s\n", strings.Join(strings.Fields(r), " "))
		}
	}
	_, err := fmt.Fprintf(out, "revision %s\n", all[0].Revision)
	return err
}

// policyInput reads one input, strictly: a key that is misspelt would be a condition that does not hold.
func policyInput(name string, data []byte) (in policies.Input, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err = d.Decode(&in); err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the input")
		}
	}
	if err == nil {
		return in, nil
	}
	offset := d.InputOffset()
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		offset = syntax.Offset - 1 // it has read the character that is wrong
	} else if kind := new(json.UnmarshalTypeError); errors.As(err, &kind) {
		offset, err = kind.Offset, fmt.Errorf("%s is a %s: it must be a %s", kind.Field, kind.Value, kind.Type)
	}
	before := data[:min(offset, int64(len(data)))]
	row := bytes.Count(before, []byte("\n")) + 1
	return in, fmt.Errorf("%s:%d:%d: %w", name, row, len(before)-bytes.LastIndexByte(before, '\n'), err)
}

// readAll reads the file, or what comes in for "-".
func readAll(in io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(path)
}
