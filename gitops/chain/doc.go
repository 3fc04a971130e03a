// Package chain answers which line of a repository sets one field of a live object that Flux or Argo CD delivers, and
// proves it. The way from the repository to the object leads over units: Flux Kustomizations and HelmReleases, Argo CD
// Applications, and the ApplicationSets that the repository alone answers. Each is found among the repository's own
// manifests, as the unit above it renders it, with its patches and variables, and each is rendered as its controller does
// it, in memory.
//
// A candidate value is changed in memory, and the whole way is rendered again: the change must land in the asked field
// and nowhere else. No server is asked, no program runs, no network is reached; charts are rendered by Charts.
package chain

import (
	"context"
	"encoding/json"

	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/locate"
)

// Charts renders a chart. helm.Renderer is one.
type Charts interface {
	Render(ctx context.Context, r helm.Request) ([]json.RawMessage, error)
}

// Options of a Chain.
type Options struct {
	URL    string // of the repository, to tell its own sources from others; "" takes a source whose folder is there
	Charts Charts // nil refuses charts
}

// Query is a question: which field of which object. Overlays are folders, that a unit renders or that its root is
// declared below, as that of one cluster; without any every unit is asked. Labels and annotations are those of the live
// object: they say who delivers it.
type Query struct {
	locate.Query
	Labels, Annotations map[string]string
}
