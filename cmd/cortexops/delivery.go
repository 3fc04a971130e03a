package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"k8s.io/client-go/rest"

	"github.com/cortexops/cortexops/gitops/chain"
	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/remediation"
)

// deliveryConfig is how what is merged reaches the cluster.
type deliveryConfig struct {
	// Mode is direct (we apply it), flux or argocd (we ask, and follow).
	Mode   string `yaml:"mode"`
	Direct struct {
		// FieldManager is the one that the team's own applier uses: it owns the fields that we edit.
		FieldManager string `yaml:"fieldManager"`
	} `yaml:"direct"`
	ArgoCD struct {
		// Namespace of the Applications that do not name theirs in what they track: Argo CD's own.
		Namespace string `yaml:"namespace"`
	} `yaml:"argocd"`
}

// check says what is missing, or of no use.
func (c deliveryConfig) check(path string) error {
	switch mode := delivery.Mode(c.Mode); {
	case mode == delivery.ByUs && c.Direct.FieldManager == "":
		return fmt.Errorf("configuration %s: delivery.direct.fieldManager is required", path)
	case mode == delivery.ByArgoCD && c.ArgoCD.Namespace == "":
		return fmt.Errorf("configuration %s: delivery.argocd.namespace is required", path)
	case mode == delivery.ByUs, (mode == delivery.ByFlux || mode == delivery.ByArgoCD) && c.Direct.FieldManager == "":
		return nil
	case mode == delivery.ByFlux, mode == delivery.ByArgoCD:
		return fmt.Errorf("configuration %s: delivery.direct.fieldManager is of no use where delivery.mode is %s", path, mode)
	}
	return fmt.Errorf("configuration %s: delivery.mode is %q, and must be direct, flux or argocd", path, c.Mode)
}

// clusterOf is the API server as the mode needs it. Its Ping is that of health.
type clusterOf interface {
	remediation.Cluster
	remediation.Rollouts
	Ping(ctx context.Context) error
	Look(ctx context.Context, r delivery.Ref) (delivery.Live, error)
}

// live is what the cluster says of the root. What it does not say is not known: the dry-run asks it again.
func (o outside) live(ctx context.Context, root incident.Resource) incident.Live {
	seen, err := o.cluster.Look(ctx, delivery.Ref{Group: root.Group, Version: root.Version, Kind: root.Kind, Namespace: root.Namespace, Name: root.Name})
	if err != nil {
		slog.WarnContext(ctx, "the live object was not read for the plan", "object", root.String(), "error", err)
		return incident.Live{}
	}
	out := incident.Live{Labels: seen.Labels, Annotations: seen.Annotations, By: seen.By}
	if hpa := seen.Autoscaler; hpa.Name != "" {
		out.Autoscaler = incident.Resource{Cluster: root.Cluster, Group: hpa.Group, Version: hpa.Version, Kind: hpa.Kind, Namespace: hpa.Namespace, Name: hpa.Name}
	}
	return out
}

// deliverer is nil where we apply by ourselves.
func (c Config) deliverer(rc *rest.Config, git *repo.Repo) (clusterOf, remediation.Tool, error) {
	follow := delivery.FollowOptions{
		Ours: func(url string) bool { return chain.SameURL(url, c.Git.URL) },
		Contains: func(ctx context.Context, commit, revision string) (bool, error) {
			in, err := git.IsAncestor(commit, revision)
			if !errors.Is(err, repo.ErrNoCommit) {
				return in, err
			}
			if err := git.Fetch(ctx); err != nil { // it came after the mirror was last fetched
				return false, err
			}
			in, err = git.IsAncestor(commit, revision)
			if errors.Is(err, repo.ErrNoCommit) {
				return false, nil
			}
			return in, err
		},
	}
	switch delivery.Mode(c.Delivery.Mode) {
	case delivery.ByFlux:
		f, err := delivery.NewFlux(rc, follow)
		return f, f, err
	case delivery.ByArgoCD:
		a, err := delivery.NewArgoCD(rc, c.Delivery.ArgoCD.Namespace, follow)
		return a, a, err
	}
	d, err := delivery.NewDirect(rc, c.Delivery.Direct.FieldManager)
	return d, nil, err
}

// tool is the name of what delivers for us, as the workflow knows it.
func (c deliveryConfig) tool() string {
	if delivery.Mode(c.Mode) == delivery.ByUs {
		return ""
	}
	return c.Mode
}
