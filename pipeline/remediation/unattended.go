package remediation

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/cortexops/cortexops/pipeline/incident"
)

var unattended = promauto.NewGaugeVec(prometheus.GaugeOpts{Name: "cortexops_remediations_unattended",
	Help: "Remediations that run for another cluster whose queue no worker polls, by cluster."}, []string{"cluster"})

const (
	attendEvery = 30 * time.Second
	// tooOld is what nobody has looked at for so long: no plan is made of it any more.
	tooOld = 24 * time.Hour
)

// Unattended looks for remediations of other clusters that wait for a worker, and there is none. They cannot say so themselves.
type Unattended struct {
	Temporal client.Client
	Queues   Queues

	said []string // the queues that were counted last

	mu  sync.Mutex
	why error
}

// Run looks now and again until ctx ends.
func (u *Unattended) Run(ctx context.Context) {
	tick := time.NewTicker(attendEvery)
	defer tick.Stop()
	for {
		if err := u.look(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "whether every cluster has a worker cannot be told, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Check names the clusters that wait.
func (u *Unattended) Check(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.why
}

func (u *Unattended) look(ctx context.Context) error {
	waiting := map[string]int{}
	query := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND TaskQueue STARTS_WITH %s AND TaskQueue != %s",
		WorkflowName, quoted(u.Queues.Base+"@"), quoted(u.Queues.Of("")))
	err := list(ctx, u.Temporal, query, func(w *workflowpb.WorkflowExecutionInfo) (bool, error) { waiting[w.GetTaskQueue()]++; return true, nil })
	if err != nil {
		return err
	}
	for queue := range waiting {
		d, err := u.Temporal.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil {
			return fmt.Errorf("ask who polls %s: %w", queue, err)
		}
		if len(d.GetPollers()) > 0 {
			delete(waiting, queue)
		}
	}
	u.tell(ctx, waiting)
	return nil
}

func (u *Unattended) tell(ctx context.Context, waiting map[string]int) {
	var said []string
	for _, queue := range u.said {
		if waiting[queue] == 0 {
			unattended.DeleteLabelValues(u.Queues.cluster(queue))
		}
	}
	u.said = slices.Sorted(maps.Keys(waiting))
	for _, queue := range u.said {
		cluster := u.Queues.cluster(queue)
		unattended.WithLabelValues(cluster).Set(float64(waiting[queue]))
		said = append(said, fmt.Sprintf("%d of the cluster %q", waiting[queue], cluster))
	}
	var why error
	if len(said) > 0 {
		why = fmt.Errorf("remediations wait for a worker and there is none, %s: start `cortexops work` with that name as cluster", strings.Join(said, ", "))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if why != nil && (u.why == nil || u.why.Error() != why.Error()) {
		slog.WarnContext(ctx, "clusters have no worker", "error", why)
	}
	u.why = why
}

// overdue ends what no worker has looked at for so long that what was known then is no ground for a change.
func (f *flow) overdue(ctx workflow.Context) *incident.Outcome {
	late := workflow.Now(ctx).Sub(f.began)
	if late < tooOld || workflow.GetVersion(ctx, "overdue", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	return &incident.Outcome{Phase: incident.Advised, Reason: fmt.Sprintf("no worker of its cluster had looked at it for %s, and what was known then is old: %s plans it anew",
		late.Round(time.Minute), f.start.Key.Retry())}
}
