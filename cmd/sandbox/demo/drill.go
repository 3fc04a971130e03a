package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// Faults are what can be done to a part of the sandbox.
type Faults interface {
	Kill(part string) error
	Restart(part string) error
	Pause(part string) error
	Resume(part string) error
}

// Drill tells the stories while things break, and returns nil only if all evidence then agrees that everything was done
// once. sent are the signals that it had accepted, beside Prometheus's own.
func Drill(ctx context.Context, s *stack.Stack, f Faults, t *Teller) (sent []string, err error) {
	began := time.Now()
	w, err := NewWorld(s)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	d := &drill{World: w, faults: f, tell: t, sender: newSender(w)}
	if err := w.Disorder(ctx, true); err != nil {
		return nil, err
	}
	fmt.Fprintln(t.Out, "\nThroughout, the forge delivers every webhook twice, and neighbours in the wrong order.")
	var story error
	for _, scenario := range []func(context.Context) error{d.natsOutage, d.podsDeleted, d.rollback} {
		if story = scenario(ctx); story != nil {
			fmt.Fprintf(t.Out, "        this did not go as told: %v\n", story)
			break // what is there is counted all the same
		}
	}
	t.title("The verdict, counted from outside")
	if ctx.Err() != nil {
		return d.sender.accepted, errors.Join(story, context.Cause(ctx))
	}
	err = w.verdict(ctx, d.sender.accepted, t)
	if story == nil && err == nil {
		fmt.Fprintf(t.Out, "\nEverything was done once, in %s.\n", time.Since(began).Round(time.Second))
	}
	return d.sender.accepted, errors.Join(story, err)
}

// Miscounted says which pieces of evidence disagree.
type Miscounted struct{ Wrong []string }

func (e *Miscounted) Error() string {
	return fmt.Sprintf("the evidence does not agree with \"once\" in %d place(s):\n  %s", len(e.Wrong), strings.Join(e.Wrong, "\n  "))
}

func (w *World) verdict(ctx context.Context, sent []string, t *Teller) error {
	e, err := w.Gather(ctx, sent)
	if err != nil {
		return fmt.Errorf("gather the evidence: %w", err)
	}
	counts, wrong := Check(e)
	table(t.Out, e, counts)
	if len(wrong) > 0 {
		return &Miscounted{wrong}
	}
	return nil
}

func table(out io.Writer, e Evidence, counts []Count) {
	var lines strings.Builder // in one piece
	tab := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "incident\ttarget\tended\tsignals\tworkflows\tpull requests\tmerges\tapplies\treverts\tledger rows")
	for _, c := range counts {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", c.Incident, c.Target, c.Phase, c.Signals, c.Runs, c.Pulls, c.Merges, c.Applies, c.Reverts, c.Rows)
	}
	tab.Flush()
	fmt.Fprintf(out, "%s%d signals in JetStream, %d of them the drill's own; %d dropped\n", lines.String(), len(e.Signals), len(e.Sent), e.Dropped)
}

type drill struct {
	*World
	faults Faults
	tell   *Teller
	sender *sender
}

// disturbance is done when at says so.
type disturbance struct {
	what string
	at   func(context.Context) (bool, error)
	do   func(context.Context) error
}

// during tells a story while disturbances happen, one after the other.
func (d *drill) during(ctx context.Context, story func(context.Context) error, all ...disturbance) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		for _, one := range all {
			if err := poll(ctx, one.what, 3*time.Minute, 20*time.Millisecond, one.at); err != nil {
				done <- err
				return
			}
			d.tell.say("! %s", one.what)
			if err := one.do(ctx); err != nil {
				done <- fmt.Errorf("%s: %w", one.what, err)
				return
			}
		}
		done <- nil
	}()
	err := story(ctx)
	if err != nil { // what was still to be disturbed is not to blame
		cancel()
		<-done
		return err
	}
	return <-done
}

func (d *drill) outOfMemory(ctx context.Context) error {
	_, err := OutOfMemory(ctx, d.World, d.tell)
	return err
}

// killed ends the product as a crash would, lets the forge's held answers go, and starts it again.
func (d *drill) killed(ctx context.Context) error {
	if err := d.faults.Kill("cortexops"); err != nil {
		return err
	}
	d.tell.say("! kill -9 of CortexOps")
	if err := d.Release(ctx); err != nil {
		return err
	}
	if err := d.faults.Restart("cortexops"); err != nil {
		return err
	}
	d.tell.say("! CortexOps is started again")
	return nil
}

// natsOutage kills NATS when an incident begins.
func (d *drill) natsOutage(ctx context.Context) error {
	fmt.Fprintln(d.tell.Out, "\n══ Scenario 1 of 3: NATS is away in the middle of an incident")
	d.sender.start(ctx)
	err := d.during(ctx, d.outOfMemory, disturbance{"NATS is killed: the alert fires and signals come in",
		func(ctx context.Context) (bool, error) {
			firing, err := d.Firing(ctx, "ContainerOOMKilled")
			return firing && d.sender.count() >= 3, err
		},
		func(ctx context.Context) (err error) {
			if err := d.faults.Kill("nats"); err != nil {
				return err
			}
			refused := wait(ctx, "the webhook to answer 503", 20*time.Second, func(context.Context) (bool, error) { return d.sender.refusals() >= 5, nil })
			d.tell.say("! the webhook has answered 503 to %d tries; their senders try again", d.sender.refusals())
			if err := errors.Join(refused, d.faults.Restart("nats")); err != nil {
				return err
			}
			before := d.sender.count()
			if err := wait(ctx, "signals to be accepted again", 30*time.Second, func(context.Context) (bool, error) { return d.sender.count() >= before+3, nil }); err != nil {
				return err
			}
			d.tell.say("! NATS is back, and so are 202s")
			return nil
		}})
	d.sender.end()
	d.tell.say("%d signals were accepted of the drill's own, each sent twice", d.sender.count())
	return errors.Join(err, d.sender.failed)
}

// podsDeleted kills the product where it is worst, and the workload's pods while they are rolled out and verified.
func (d *drill) podsDeleted(ctx context.Context) error {
	fmt.Fprintln(d.tell.Out, "\n══ Scenario 2 of 3: pods are deleted during the rollout, and CortexOps is killed")
	writes, err := WorkloadWrites(d.Stack.Kube.AuditLog)
	if err != nil {
		return err
	}
	queries, err := d.VerificationQueries("checkout")
	if err != nil {
		return err
	}
	if err := d.Hold(ctx, http.MethodPost, "/pulls"); err != nil {
		return err
	}
	return d.during(ctx, d.outOfMemory,
		disturbance{"the forge has stored the pull request and holds its answer", d.Holding, d.killed},
		disturbance{"the API server has our patch", func(context.Context) (bool, error) {
			now, err := WorkloadWrites(d.Stack.Kube.AuditLog)
			return Applied(now) > Applied(writes), err
		}, func(ctx context.Context) error { return errors.Join(d.deletePods(ctx, "checkout", 0), d.killed(ctx)) }},
		disturbance{"Prometheus has received a verification query", func(context.Context) (bool, error) {
			now, err := d.VerificationQueries("checkout")
			return now > queries, err
		}, func(ctx context.Context) error { return d.deletePods(ctx, "checkout", 1) }})
}

// deletePods deletes at most that many pods of a deployment; 0 is all of them.
func (d *drill) deletePods(ctx context.Context, deployment string, atMost int) error {
	live, err := d.Deployment(ctx, deployment)
	if err != nil {
		return err
	}
	list := metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(live.Spec.Selector)}
	pods, err := d.kube.CoreV1().Pods(Namespace).List(ctx, list)
	if err != nil {
		return err
	}
	for i, p := range pods.Items {
		if atMost > 0 && i >= atMost {
			break
		}
		if err := d.kube.CoreV1().Pods(Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{}); err != nil {
			return err
		}
		d.tell.say("! pod %s is deleted", p.Name)
	}
	return nil
}

// rollback kills the product when the revert is stored, and stops Temporal's time when it is merged.
func (d *drill) rollback(ctx context.Context) error {
	fmt.Fprintln(d.tell.Out, "\n══ Scenario 3 of 3: a rollback, with CortexOps killed and Temporal paused")
	before, err := d.Pulls(ctx)
	if err != nil {
		return err
	}
	return d.during(ctx, func(ctx context.Context) error { _, err := NoHelp(ctx, d.World, d.tell); return err },
		disturbance{"the fix is merged; the forge will hold the answer to the next pull request, the revert", func(ctx context.Context) (bool, error) {
			now, err := d.Pulls(ctx)
			return len(now) > len(before) && now[len(before)].MergedAt != nil, err
		}, func(ctx context.Context) error { return d.Hold(ctx, http.MethodPost, "/pulls") }},
		disturbance{"the forge has stored the revert and holds its answer", d.Holding, d.killed},
		disturbance{"the revert is merged: Temporal is paused for 5 s", func(ctx context.Context) (bool, error) {
			now, err := d.Pulls(ctx)
			return len(now) > len(before)+1 && now[len(before)+1].MergedAt != nil, err
		}, func(ctx context.Context) error {
			if err := d.faults.Pause("temporal"); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
			d.tell.say("! Temporal goes on")
			return d.faults.Resume("temporal")
		}})
}
