package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	pollEvery = 500 * time.Millisecond
	maxFailed = 20 // polls in a row that the API server may fail to answer
)

// Wait polls until every object is rolled out as kstatus reads it: seen by its controller, and for a Deployment with
// new replicas only, all available. *Stuck is one that failed or is gone. progress hears each change; it may be nil.
func (d *Direct) Wait(ctx context.Context, refs []Ref, progress func(string)) error {
	said := map[Ref]string{}
	failed := 0
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		waiting, last := false, ""
		for _, r := range refs {
			now, done, err := d.rollout(ctx, r)
			if err != nil {
				if failed++; final(err) || ctx.Err() != nil || failed > maxFailed {
					return err
				}
				now = fmt.Sprintf("%s: %v", r, err)
			} else {
				failed = 0
			}
			if !done {
				waiting, last = true, now
			}
			if said[r] != now && progress != nil {
				progress(now)
			}
			said[r] = now
		}
		if !waiting {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the rollout: %s: %w", last, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// rollout says how one object stands.
func (d *Direct) rollout(ctx context.Context, r Ref) (now string, done bool, err error) {
	t, err := d.of(r)
	if err != nil {
		return "", false, err
	}
	live, err := t.resource.Get(ctx, r.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", false, &Stuck{Ref: r, Message: "it is gone"}
	}
	if err != nil {
		return "", false, d.explain(ctx, err, t, "get")
	}
	s, err := status.Compute(live)
	if err != nil {
		return "", false, fmt.Errorf("read the status of %s: %w", r, err)
	}
	switch s.Status {
	case status.FailedStatus:
		return "", false, &Stuck{Ref: r, Message: s.Message}
	case status.TerminatingStatus:
		return "", false, &Stuck{Ref: r, Message: "it is being deleted"}
	}
	return fmt.Sprintf("%s: %s", r, s.Message), s.Status == status.CurrentStatus, nil
}
