package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/policies"
)

// policyConfig says where the policies are, and when nothing should be changed.
type policyConfig struct {
	// Directory of *.rego, followed while we run. Empty: the built-in policies, unless there is a bundle.
	Directory string `yaml:"directory"`
	// Bundle of OPA, signed, followed while we run.
	Bundle struct {
		URL string `yaml:"url"`
		// KeyFile holds the public key that it is signed with, in PEM.
		KeyFile string `yaml:"keyFile"`
		// Algorithm of the signature.
		Algorithm string `yaml:"algorithm"`
	} `yaml:"bundle"`
	// Freezes are what policies see as input.freezes.
	Freezes []policies.Freeze `yaml:"freezes"`
}

const (
	directoryEvery = 2 * time.Second
	bundleEvery    = 30 * time.Second
)

// check names every key that does not fit.
func (c policyConfig) check(path string) error {
	var errs []error
	if c.Bundle.URL != "" && c.Directory != "" {
		errs = append(errs, errors.New("the policies are named twice: by policies.directory and by policies.bundle.url; remove one"))
	}
	if (c.Bundle.URL == "") != (c.Bundle.KeyFile == "") {
		errs = append(errs, errors.New("policies.bundle needs both url and keyFile: a bundle is taken only if its signature fits"))
	}
	for _, f := range c.Freezes {
		if err := f.Check(); err != nil {
			errs = append(errs, fmt.Errorf("policies.freezes: %w", err))
		}
	}
	for i, err := range errs {
		errs[i] = fmt.Errorf("configuration %s: %w", path, err)
	}
	return errors.Join(errs...)
}

// source of the policies, and how often to look at it. The bundle's server may want a bearer token.
func (c policyConfig) source(token func() string) (policies.Source, time.Duration, error) {
	switch {
	case c.Bundle.URL != "":
		key, err := os.ReadFile(c.Bundle.KeyFile)
		if err != nil {
			return nil, 0, fmt.Errorf("policies.bundle.keyFile: %w", err)
		}
		source, err := policies.Bundle(policies.BundleOptions{URL: c.Bundle.URL, Key: string(key), Algorithm: c.Bundle.Algorithm, Token: token})
		if err != nil {
			return nil, 0, fmt.Errorf("policies.bundle: %w", err)
		}
		return source, bundleEvery, nil
	case c.Directory != "":
		return policies.Files(os.DirFS(c.Directory)), directoryEvery, nil
	}
	return policies.Files(policies.Default()), 0, nil
}

// bundleToken is read anew each time, where it is in a file.
func bundleToken() string {
	token, err := secret(os.Getenv, "CORTEXOPS_POLICY_BUNDLE_TOKEN")
	if err != nil {
		slog.Warn("the policy bundle is asked for without a token", "error", err)
	}
	return token
}

func (c policyConfig) open(ctx context.Context) (*policies.Live, error) {
	source, every, err := c.source(bundleToken)
	if err != nil {
		return nil, err
	}
	live, err := policies.Open(ctx, policies.LiveOptions{Source: source, Every: every, Metrics: prometheus.DefaultRegisterer, Log: slog.Default()})
	return live, inFolder("policies.directory", c.Directory, err)
}

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Test policies, and ask them", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error { // a typo in CI must not look like tests that pass
			return fmt.Errorf("%s: say policy test or policy eval", strings.Join(append([]string{"policy"}, args...), " "))
		}}
	cmd.AddCommand(policyTestCommand(), policyEvalCommand())
	return cmd
}
