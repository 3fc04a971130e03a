package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
)

// Gather reads all evidence, when every remediation has ended. sent are the signals that the caller had accepted.
func (w *World) Gather(ctx context.Context, sent []string) (e Evidence, err error) {
	e.Sent = sent
	runs := wait(ctx, "every remediation to end", time.Minute, func(ctx context.Context) (bool, error) {
		now, err := w.runs(ctx)
		if err != nil {
			return false, err
		}
		e.Runs = now
		for _, r := range now {
			if r.Over.IsZero() {
				return false, fmt.Errorf("%s has not ended", r.Workflow)
			}
		}
		return true, nil
	})
	if len(e.Runs) == 0 && runs != nil {
		return e, runs
	} // one that goes on is for the checker to name
	if err := w.jetStream(ctx, &e); err != nil {
		return e, err
	}
	if e.Pulls, err = w.Pulls(ctx); err != nil {
		return e, err
	}
	if e.Commits, e.Refs, err = w.repository(ctx); err != nil {
		return e, err
	}
	if e.Writes, err = WorkloadWrites(w.Stack.Kube.AuditLog); err != nil {
		return e, err
	}
	return e, w.ledger(ctx, &e)
}

// jetStream reads the streams to their ends, as anybody who may read them.
func (w *World) jetStream(ctx context.Context, e *Evidence) error {
	nc, err := nats.Connect(w.Stack.NATS.URL)
	if err != nil {
		return fmt.Errorf("reach NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Minute)) // it may have much to do at the moment
	if err != nil {
		return err
	}
	streams := js.ListStreams(ctx)
	for info := range streams.Info() {
		switch name := info.Config.Name; {
		case strings.Contains(name, "-SIGNALS-"): // one of its partitions
			e.Dropped += max(info.State.FirstSeq, 1) - 1
			var part [][]StoredSignal
			part, err = messages[[]StoredSignal](ctx, js, info)
			for _, parcel := range part {
				e.Signals = append(e.Signals, together(parcel)...)
			}
		case strings.HasSuffix(name, "-INCIDENTS"):
			var revisions []StoredIncident
			revisions, err = messages[StoredIncident](ctx, js, info)
			e.Incidents = last(revisions)
		}
		if err != nil {
			return err
		}
	}
	return streams.Err()
}

// together notes which signals a message holds beside each.
func together(parcel []StoredSignal) []StoredSignal {
	var ids []string
	for _, s := range parcel {
		ids = append(ids, s.ID)
	}
	for i := range parcel {
		parcel[i].Message = strings.Join(ids, " ")
	}
	return parcel
}

func messages[T any](ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo) (out []T, err error) {
	s, err := js.Stream(ctx, info.Config.Name)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", info.Config.Name, err)
	}
	for seq := info.State.FirstSeq; seq > 0 && seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // an old revision
		}
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", info.Config.Name, err)
		}
		if strings.HasSuffix(m.Subject, ".claim") { // of a partition's owner
			continue
		}
		if m.Header.Get("Content-Encoding") == "s2" {
			if m.Data, err = s2.Decode(nil, m.Data); err != nil {
				return nil, fmt.Errorf("message %d of %s: %w", seq, info.Config.Name, err)
			}
		}
		var v T
		if err := json.Unmarshal(m.Data, &v); err != nil {
			return nil, fmt.Errorf("message %d of %s: %w", seq, info.Config.Name, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// last keeps the newest revision of each incident: it holds all that those before held.
func last(revisions []StoredIncident) (out []StoredIncident) {
	at := map[string]int{}
	for _, r := range revisions {
		if n, ok := at[r.ID]; ok {
			out[n] = r
			continue
		}
		at[r.ID] = len(out)
		out = append(out, r)
	}
	return out
}

func (w *World) runs(ctx context.Context) (runs []Run, err error) {
	list, err := w.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: w.Stack.Temporal.Namespace,
		Query: `WorkflowType="Remediate"`})
	if err != nil {
		return nil, fmt.Errorf("list the workflows: %w", err)
	}
	for _, x := range list.GetExecutions() {
		r := Run{Workflow: x.GetExecution().GetWorkflowId(), Done: map[string]int{}}
		if err := w.history(ctx, x.GetExecution().GetRunId(), &r); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", r.Workflow, err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// history counts in r the activities that were completed.
func (w *World) history(ctx context.Context, runID string, r *Run) error {
	scheduled := map[int64]string{}
	events := w.temporal.GetWorkflowHistory(ctx, r.Workflow, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return err
		}
		at := e.GetEventTime().AsTime()
		if e.GetEventId() == 1 {
			r.Began = at
		}
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			var in struct{ Revert any }
			name := a.GetActivityType().GetName()
			if name == "Apply" {
				if err := converter.GetDefaultDataConverter().FromPayloads(a.GetInput(), &in); err != nil {
					return err
				}
				if in.Revert == true {
					name = "Apply revert"
				}
			}
			scheduled[e.GetEventId()] = name
		}
		if a := e.GetActivityTaskCompletedEventAttributes(); a != nil {
			r.Done[scheduled[a.GetScheduledEventId()]]++
		}
		if a := e.GetWorkflowExecutionCompletedEventAttributes(); a != nil {
			var o Outcome
			if err := converter.GetDefaultDataConverter().FromPayloads(a.GetResult(), &o); err != nil {
				return err
			}
			r.Phase = o.Phase
		}
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
			enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
			r.Over = at
		}
	}
	return nil
}

// ledger asks the program that keeps it; that its chain is broken is evidence, and no error.
func (w *World) ledger(ctx context.Context, e *Evidence) error {
	p := w.Stack.Product
	run := func(args ...string) ([]byte, []byte, error) {
		cmd := exec.CommandContext(ctx, p.Binary, append(args, "--config", p.Config)...)
		cmd.Env = os.Environ()
		for k, v := range p.Env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		var says bytes.Buffer
		cmd.Stderr = &says
		out, err := cmd.Output()
		return out, says.Bytes(), err
	}
	if out, says, err := run("ledger", "verify"); err != nil || !bytes.Contains(out, []byte("chain intact")) {
		e.Broken = fmt.Sprintf("verify: %v %s %s", err, out, says)
	}
	out, says, err := run("ledger", "show")
	if err != nil {
		return fmt.Errorf("cortexops ledger show: %w: %s", err, says)
	}
	for line := range bytes.Lines(out) {
		var r LedgerRow
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("cortexops ledger show: %w", err)
		}
		e.Rows = append(e.Rows, r)
	}
	return nil
}
