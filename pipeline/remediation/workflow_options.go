package remediation

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

var retries = &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second}

// quick activities ask one component one thing.
var quick = workflow.ActivityOptions{StartToCloseTimeout: 20 * time.Second, ScheduleToCloseTimeout: 30 * time.Minute, RetryPolicy: retries}

// slow activities read or write several things. One that died with its worker is tried again when its heartbeats stop.
var slow = workflow.ActivityOptions{StartToCloseTimeout: 2 * time.Minute, HeartbeatTimeout: 5 * time.Second,
	ScheduleToCloseTimeout: 30 * time.Minute, RetryPolicy: retries}

// telling an ending outlasts the hour in which a forge that has counted too many calls takes none.
var telling = workflow.ActivityOptions{StartToCloseTimeout: slow.StartToCloseTimeout, HeartbeatTimeout: slow.HeartbeatTimeout,
	ScheduleToCloseTimeout: 2 * time.Hour, RetryPolicy: retries}

// watch activities wait for something outside, and go on from their heartbeat's details.
func watch(atMost time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{StartToCloseTimeout: atMost, HeartbeatTimeout: 10 * time.Second,
		ScheduleToCloseTimeout: 2 * atMost, RetryPolicy: retries}
}

// gate asks policy, which is in the worker's own process: a marker in the history instead of an activity's six events.
var gate = workflow.LocalActivityOptions{StartToCloseTimeout: quick.StartToCloseTimeout, ScheduleToCloseTimeout: quick.ScheduleToCloseTimeout,
	RetryPolicy: retries}

// run executes one activity of this flow.
func (f *flow) run(ctx workflow.Context, options workflow.ActivityOptions, activity string, in, out any) error {
	if activity == "Decide" && workflow.GetVersion(ctx, "local-gates", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
		return workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, gate), activity, in).Get(ctx, out)
	}
	return run(ctx, options, activity, in, out)
}

// run executes one activity. Cancelling waits for it, so that no write is left half-told.
func run(ctx workflow.Context, options workflow.ActivityOptions, activity string, in, out any) error {
	options.WaitForCancellation = true
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activity, in).Get(ctx, out)
}
