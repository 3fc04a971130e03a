package main

import (
	"context"
	"log/slog"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

// strangers are whoever else rolls out the target of a remediation, or what that depends on. What another remediation of ours has
// changed is told on its own pull request.
func (c Config) strangers(book *ledger.Ledger, o outside) *remediation.Strangers {
	return &remediation.Strangers{Rollouts: o.cluster, Near: o.near,
		Ours: func(ctx context.Context, r incident.Resource) (bool, error) {
			holder, err := book.Claims().Holder(ctx, r.Key())
			return holder.Incident != "", err
		}}
}

// dependencies looks up in the graph, as it was kept last, what of our cluster the root depends on directly. It never fails: what
// is not known of them confounds nothing.
func dependencies(newest func(context.Context) (*bus.GraphSnapshot, error), cluster string) func(context.Context, incident.Resource) []incident.Resource {
	return func(ctx context.Context, root incident.Resource) (list []incident.Resource) {
		kept, err := newest(ctx)
		if err != nil || kept == nil {
			slog.InfoContext(ctx, "the rollouts of what it depends on are not watched, since no graph is kept", "root", root.String(), "error", err)
			return nil
		}
		graph, _, _, err := unpacked(kept)
		if err != nil {
			slog.WarnContext(ctx, "the rollouts of what it depends on are not watched", "root", root.String(), "error", err)
			return nil
		}
		for _, n := range graph.Near(root) {
			if n.Upstream && n.Hops == 1 && n.Resource.Cluster == cluster && rolls[n.Resource.Kind] {
				list = append(list, n.Resource)
			}
		}
		return list
	}
}

// rolls are the kinds that roll out.
var rolls = map[string]bool{"Deployment": true, "StatefulSet": true, "DaemonSet": true}
