package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// Tell tells the three stories and then what anybody can count: it returns nil only if they ended as told.
func Tell(ctx context.Context, s *stack.Stack, t *Teller) error {
	began := time.Now()
	w, err := NewWorld(s)
	if err != nil {
		return err
	}
	defer w.Close()
	for _, story := range []func(context.Context, *World, *Teller) (Remediation, error){OutOfMemory, NoHelp, DatabaseRestart} {
		if _, err := story(ctx, w, t); err != nil {
			return err
		}
	}
	t.title("What can be counted from outside")
	pulls, err := w.Pulls(ctx)
	if err != nil {
		return err
	}
	writes, err := WorkloadWrites(s.Kube.AuditLog)
	if err != nil {
		return err
	}
	merges := Merges(pulls)
	t.say("%d pull requests, %d merged, %d applied to the cluster", len(pulls), len(merges), Applied(writes))
	if bad := Unrehearsed(writes, merges); len(bad) > 0 || Applied(writes) != len(merges) {
		return fmt.Errorf("%d writes for %d merges, of them without their dry-run: %v", Applied(writes), len(merges), bad)
	}
	t.say("every write was dry-run first: same user, verb, object and body (Kubernetes audit log)")
	fmt.Fprintf(t.Out, "\nAll three stories ended as told, in %s.\n", time.Since(began).Round(time.Second))
	return nil
}
