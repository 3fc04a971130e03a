package plan

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/playbooks"
)

// autoscaler is the one that sets the root's replicas, as git has it. One that only the cluster has is *incident.NoPlan:
// what it sets is not for git to say, and its bounds are elsewhere.
func (w *work) autoscaler() (hpa incident.Resource, there bool, err error) {
	sel, there, err := w.now.autoscaler(w.query(w.root, nil, false))
	if err != nil || there {
		return w.resource(sel), there, err
	}
	live := w.Live.Autoscaler
	if live.IsZero() {
		return live, false, nil
	}
	_, err = w.now.renderedBy(w.query(live, nil, false))
	var refusal *locate.Refusal
	switch {
	case err == nil:
		return live, true, nil
	case !errors.As(err, &refusal) || refusal.Reason != locate.NotFound:
		return live, false, err
	}
	by := "whoever made it"
	if w.Live.By != "" {
		by = w.Live.By + ", which manages it,"
	}
	return live, false, &incident.NoPlan{Why: fmt.Sprintf("%s sets the replicas of %s, and is in the cluster only: nothing that git delivers there renders it. "+
		"Raise its minReplicas or maxReplicas where %s has them, or bring it into git", live, w.root, by)}
}

// autoscaled gives an autoscaler the bounds that bring the number of pods that an edit of replicas asks for.
func (w *work) autoscaled(ctx context.Context, hpa incident.Resource, e playbooks.Edit) error {
	w.why = append(w.why, fmt.Sprintf("%s sets the replicas of %s: its bounds are what git says of them", hpa, w.root))
	return w.bound(ctx, hpa, playbooks.Autoscaler{MinReplicas: e.Scale}, e.Base, e.Set)
}

// bounds scales those of the root, if that is an autoscaler, or of its autoscaler.
func (w *work) bounds(ctx context.Context, a playbooks.Autoscaler, base bool) error {
	hpa := w.root
	if hpa.Kind != "HorizontalPodAutoscaler" {
		its, there, err := w.autoscaler()
		if err != nil {
			return err
		}
		if !there {
			return &incident.NoPlan{Why: fmt.Sprintf("%s has no HorizontalPodAutoscaler in git whose bounds could be edited", w.root)}
		}
		hpa = its
	}
	return w.bound(ctx, hpa, a, base, nil)
}

// bound scales the bounds of one autoscaler; exactly, where it is given, is what the lower one becomes. A maximum below the
// minimum goes up with that.
func (w *work) bound(ctx context.Context, hpa incident.Resource, a playbooks.Autoscaler, base bool, exactly *string) error {
	low, high := edit.Path{{Key: "spec"}, {Key: "minReplicas"}}, edit.Path{{Key: "spec"}, {Key: "maxReplicas"}}
	minimum, lower, err := w.scaled(hpa, low, a.MinReplicas, exactly)
	if err != nil {
		return err
	}
	maximum, upper, err := w.scaled(hpa, high, a.MaxReplicas, nil)
	if err != nil {
		return err
	}
	if lower > upper && a.MaxReplicas == nil {
		upper = lower
	}
	switch {
	case lower > upper:
		return &incident.NoPlan{Why: fmt.Sprintf("%s would have minReplicas %d above maxReplicas %d", hpa, lower, upper)}
	case lower == minimum && upper == maximum:
		return fmt.Errorf("%s: from %d to %d replicas: %w", hpa, lower, upper, errNothingToDo)
	}
	if upper != maximum {
		if err := w.set(ctx, hpa, high, base, strconv.Itoa(upper)); err != nil {
			return err
		}
	}
	if lower != minimum {
		return w.set(ctx, hpa, low, base, strconv.Itoa(lower))
	}
	return nil
}

// scaled is a bound as it is, and as it is to be.
func (w *work) scaled(hpa incident.Resource, path edit.Path, by *playbooks.Scale, exactly *string) (was, is int, err error) {
	text, there, err := w.now.current(w.query(hpa, path, false))
	if err != nil {
		return 0, 0, err
	}
	if !there {
		text = "1" // the default of minReplicas; there is none of maxReplicas, without which it is no autoscaler
	}
	to := text
	switch {
	case exactly != nil:
		to = *exactly
	case by != nil:
		if to, err = w.scale(hpa, path, *by, text); err != nil {
			return 0, 0, &incident.NoPlan{Why: fmt.Sprintf("%s: %s: %v", hpa, path, err)}
		}
	}
	was, err = strconv.Atoi(text)
	if err == nil {
		is, err = strconv.Atoi(to)
	}
	if err != nil || is < 1 {
		return 0, 0, &incident.NoPlan{Why: fmt.Sprintf("%s: %s is %s and would be %s: neither of these may be anything but a number of pods, from 1", hpa, path, text, to)}
	}
	return was, is, nil
}

func (w *work) resource(sel edit.Selector) incident.Resource {
	return incident.Resource{Cluster: w.root.Cluster, Group: sel.Group, Kind: sel.Kind, Namespace: sel.Namespace, Name: sel.Name}
}
