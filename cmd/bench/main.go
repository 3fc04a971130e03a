// Command bench compares CortexOps with the tools that people have, in the same run on the same machine. Run it in the
// repository's root:
//
//	bench            every group, then the Go benchmarks
//	bench GROUP      one group: a table, and its lines in out/bench.jsonl
//	bench REGEXP     the Go benchmarks that the pattern picks
//
// It is a program of its own, and no Go benchmark, because what it measures is whole processes: their time, their memory,
// and those of others. What of ours is measured runs in a child of its own, started as bench child NAME.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
)

// groups are measured in the order of their names. Each is one file.
var groups = map[string]func(context.Context, *run) error{
	"gitops": gitops, "remediation": remediation, "signals": signals,
}

// children are what the groups measure of ours. What they return is printed as JSON.
var children = map[string]func(ctx context.Context, args []string) (any, error){
	"mirror": mirrorChild, "change": changeChild, "suspects": suspectsChild, "field": fieldChild, "render": renderChild,
	"correlate": correlateChild, "intake": intakeChild, "publish": publishChild, "graph": graphChild,
	"decide": decideChild,
}

// benchmarks are the packages that have some.
var benchmarks = []string{"./pipeline/correlate", "./policies"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := start(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string) error {
	if len(args) > 1 && args[0] == "child" {
		return answer(ctx, args[1], args[2:])
	}
	pattern := "."
	if len(args) > 0 {
		pattern = args[0]
	}
	names := slices.Sorted(maps.Keys(groups))
	if groups[pattern] != nil {
		names = []string{pattern}
	} else if pattern != "." {
		return goBenchmarks(ctx, pattern)
	}
	missed := 0
	for _, name := range names {
		n, err := measure(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		missed += n
	}
	if pattern == "." {
		if err := goBenchmarks(ctx, pattern); err != nil {
			return err
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d goal(s) missed", missed)
	}
	return nil
}

func goBenchmarks(ctx context.Context, pattern string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-run", "^$", "-bench", pattern, "-benchmem"}, benchmarks...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
