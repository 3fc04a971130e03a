package main

import (
	"context"
	"slices"

	"github.com/cortexops/cortexops/gitops/chain"
	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/locate"
)

// ways follow what Flux and Argo CD deliver.
type ways struct {
	overlays []string // of the configuration
	charts   *helm.Renderer
}

func (w ways) open(ctx context.Context, files locate.Files) (*chain.Chain, error) {
	return chain.Open(ctx, files, chain.Options{Charts: w.charts})
}

// render renders an overlay of the configuration, or a unit by the name that chain gives it.
func (w ways) render(ctx context.Context, files locate.Files, overlay string) ([]locate.Object, error) {
	if slices.Contains(w.overlays, overlay) {
		return locate.Render(files, overlay)
	}
	way, err := w.open(ctx, files)
	if err != nil {
		return nil, err
	}
	return way.Render(overlay)
}
