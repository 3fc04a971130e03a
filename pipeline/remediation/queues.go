package remediation

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Queues names the task queue of each cluster. Only the workers of a cluster poll its queue: what is done there is done under their
// identity, and by nobody else's.
type Queues struct {
	Base string // what all have in common, and once was the queue of all
	Own  string // our cluster: what is about no cluster is ours
}

// Of a cluster.
func (q Queues) Of(cluster string) string { return q.Base + "@" + cmp.Or(cluster, q.Own) }

// about the cluster of a target.
func (q Queues) about(target string) string { return q.Of(incident.ClusterOf(target)) }

// cluster whose queue it is.
func (q Queues) cluster(queue string) string { return strings.TrimPrefix(queue, q.Base+"@") }

// ours tells whether it is for the workers of our cluster. What Temporal does not know is everybody's.
func (q Queues) ours(w *workflowpb.WorkflowExecutionInfo) bool {
	if w.GetTaskQueue() != q.Base {
		return w == nil || w.GetTaskQueue() == q.Of("")
	}
	return cmp.Or(incident.ClusterOf(keyword(w, targetAttribute.GetName())), q.Own) == q.Own
}

// Former tells, whenever it is asked, whether something of our cluster still is on the queue that all clusters had in common: it goes
// on there. What it has found to be another's it does not look up again.
func (q Queues) Former(t client.Client) func(context.Context) (ours bool, err error) {
	theirs := map[string]bool{}
	return func(ctx context.Context) (ours bool, err error) {
		err = list(ctx, t, "ExecutionStatus = 'Running' AND TaskQueue = "+quoted(q.Base), func(w *workflowpb.WorkflowExecutionInfo) (bool, error) {
			id, target := w.GetExecution().GetWorkflowId(), keyword(w, targetAttribute.GetName())
			if theirs[id] {
				return true, nil
			}
			if w.GetType().GetName() == ExpiryName { // it shows none
				in, err := input[Lapse](ctx, t, id)
				if err != nil {
					return false, err
				}
				target = in.Target
			}
			ours = incident.ClusterOf(target) == q.Own
			theirs[id] = !ours
			return !ours, nil
		})
		return ours, err
	}
}

// list hands over what Temporal shows, until more says no.
func list(ctx context.Context, t client.Client, query string, more func(*workflowpb.WorkflowExecutionInfo) (bool, error)) error {
	for page := []byte(nil); ; {
		res, err := t.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000, NextPageToken: page})
		if err != nil {
			return fmt.Errorf("list the running remediations: %w", err)
		}
		for _, w := range res.GetExecutions() {
			if on, err := more(w); err != nil || !on {
				return err
			}
		}
		if page = res.GetNextPageToken(); len(page) == 0 {
			return nil
		}
	}
}

// quoted is a text in a query, for which Temporal has no quote within quotes.
func quoted(s string) string { return "'" + s + "'" }

// keyword is a search attribute, empty where there is none.
func keyword(w *workflowpb.WorkflowExecutionInfo, name string) (value string) {
	payload := w.GetSearchAttributes().GetIndexedFields()[name]
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &value); err != nil {
		return ""
	}
	return value
}
