package remediation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.temporal.io/sdk/temporal"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Rendering renders one overlay of a snapshot, each object in its canonical form.
type Rendering func(ctx context.Context, files locate.Files, overlay string) ([]locate.Object, error)

// Applier is the activity of APPLYING, and of the apply of a revert.
type Applier struct {
	Book    Book
	Repo    Mirror
	Base    string // the branch that is deployed
	Render  Rendering
	Cluster Cluster
	// Tool delivers what is merged, and we only ask it to. Nil: we apply it.
	Tool Tool
	// Rollouts tell what our apply has left. Nil: nobody asks.
	Rollouts Rollouts
}

// Tool is Flux or Argo CD, as it brings a merged commit to the cluster.
type Tool interface {
	Request(ctx context.Context, objects []delivery.Ref, commit string) (asked []string, err error)
	Follow(ctx context.Context, objects []delivery.Ref, commit string, w delivery.Watch) error
}

// ApplyInput is what Apply and Wait are asked.
type ApplyInput struct {
	Key      incident.Key `json:"key"`
	Proposal string       `json:"proposal"`
	Merge    string       `json:"merge"` // the commit to apply
	Revert   bool         `json:"revert"`
	Restore  bool         `json:"restore,omitempty"` // what was there before a fix that has expired
}

func (in ApplyInput) phase() incident.Phase {
	if in.Revert {
		return incident.RollingBack
	}
	return incident.Applying
}

// approved are the objects as a person agreed to them, and the name of their step in the ledger.
func (in ApplyInput) approved(p incident.Proposal) ([]incident.RenderedObject, string) {
	if in.Revert {
		return p.Before, "apply-revert"
	}
	if in.Restore {
		return p.Objects, "apply-restore"
	}
	return p.Objects, "apply"
}

// Rehearse holds a commit that is not merged yet to the approved rendering, and dry-runs it: what would be refused
// after the merge is refused before it.
func (a *Applier) Rehearse(ctx context.Context, in ApplyInput) error {
	defer beat(ctx)()
	proposal, err := get[incident.Proposal](ctx, a.Book, in.Proposal)
	if err != nil {
		return err
	}
	approved, _ := in.approved(proposal)
	if err := a.Repo.Fetch(ctx); err != nil {
		return classify(err)
	}
	if err := a.same(ctx, in.Merge, proposal, approved); err != nil {
		return err
	}
	for _, o := range approved {
		if _, err := a.Cluster.DryRun(ctx, o.JSON); err != nil {
			return classify(err)
		}
	}
	return nil
}

// Applied is what an apply has left.
type Applied struct {
	Revisions map[string]string `json:"revisions,omitempty"` // of the objects, where we applied them
}

// Apply applies exactly the changed objects of the merged revision, or asks the tool that does, and only if they render as
// they were approved.
func (a *Applier) Apply(ctx context.Context, in ApplyInput) (Applied, error) {
	defer beat(ctx)()
	proposal, err := get[incident.Proposal](ctx, a.Book, in.Proposal)
	if err != nil {
		return Applied{}, err
	}
	approved, step := in.approved(proposal)
	if err := a.Repo.Fetch(ctx); err != nil {
		return Applied{}, classify(err)
	}
	head, err := a.Repo.Head(a.Base)
	if err != nil {
		return Applied{}, classify(err)
	}
	for _, sha := range slices.Compact([]string{in.Merge, head}) { // an apply that comes late must not undo what was merged after it
		if err := a.same(ctx, sha, proposal, approved); err != nil {
			return Applied{}, err
		}
	}
	if a.Tool != nil {
		return Applied{}, write(ctx, a.Book, in.Key, in.phase(), step, func() (any, error) {
			asked, err := a.Tool.Request(ctx, changed(proposal), in.Merge)
			return map[string]any{"commit": in.Merge, "asked": asked}, err
		})
	}
	// Look first: after a crash the API server may have it already. What it would refuse of one object, nothing of the others
	// is applied for.
	synced := make([]bool, len(approved))
	for i, o := range approved {
		seen, err := a.Cluster.DryRun(ctx, o.JSON)
		if err != nil {
			return Applied{}, classify(err)
		}
		synced[i] = seen.InSync
	}
	for i, o := range approved {
		err := write(ctx, a.Book, in.Key, in.phase(), fmt.Sprintf("%s-%d", step, i), func() (any, error) {
			detail := map[string]any{"object": o.Resource.String(), "digest": o.Digest, "commit": in.Merge, "inSync": synced[i]}
			if synced[i] {
				return detail, nil
			}
			return detail, a.Cluster.Apply(ctx, o.JSON)
		})
		if err != nil {
			return Applied{}, err
		}
	}
	return Applied{Revisions: revisions(ctx, a.Rollouts, changed(proposal))}, nil
}

// same refuses a revision that renders anything but what was approved.
func (a *Applier) same(ctx context.Context, sha string, p incident.Proposal, approved []incident.RenderedObject) error {
	files, err := a.Repo.Snapshot(sha)
	if err != nil {
		return err
	}
	return a.renders(ctx, files, sha, p, approved)
}

// Still holds the base branch to what was approved, before the merge: with the proposal's files in it, its head must render just
// that. A base that moved elsewhere is no matter; one that moved here was not in what people approved.
func (a *Applier) Still(ctx context.Context, p incident.Proposal) error {
	if err := a.Repo.Fetch(ctx); err != nil {
		return classify(err)
	}
	head, err := a.Repo.Head(a.Base)
	if err != nil || head == p.BaseSHA {
		return classify(err)
	}
	files, err := a.Repo.Snapshot(head)
	if err != nil {
		return err
	}
	return a.still(ctx, files, head, p)
}

func (a *Applier) still(ctx context.Context, files locate.Files, head string, p incident.Proposal) error {
	changed := map[string][]byte{}
	for _, f := range p.Files {
		now, err := files.ReadFile(f.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !bytes.Equal(now, f.Before) {
			return temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s is not at %s as it was when this was planned", f.Path, short(head)), typeMoved, nil)
		}
		changed[f.Path] = f.After
	}
	err := a.renders(ctx, locate.With(files, changed), head, p, p.Objects)
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("with this, %s at %s would not render what was approved: something that it is made of has changed", a.Base, short(head)), typeMoved, err)
	}
	return err
}

// renders refuses files that render anything but what was approved.
func (a *Applier) renders(ctx context.Context, files locate.Files, sha string, p incident.Proposal, approved []incident.RenderedObject) (err error) {
	overlays := map[string][]locate.Object{}
	for _, want := range approved {
		overlay := cmp.Or(want.Overlay, p.Overlay)
		rendered, there := overlays[overlay]
		if !there {
			if rendered, err = a.Render(ctx, files, overlay); err != nil {
				return temporal.NewNonRetryableApplicationError(fmt.Sprintf("render %s at %s: %v", overlay, sha, err), "Invalid", nil)
			}
			overlays[overlay] = rendered
		}
		found := false
		for _, o := range rendered {
			r := want.Resource
			if o.Group != r.Group || o.Kind != r.Kind || o.Namespace != r.Namespace || o.Name != r.Name {
				continue
			}
			found = incident.Rendered(r, o.JSON).Digest == want.Digest
		}
		if !found {
			return temporal.NewNonRetryableApplicationError(fmt.Sprintf(
				"%s at %s does not render as it was approved: something else was merged in between; %s", want.Resource, sha, a.untouched()),
				"Mismatch", nil)
		}
	}
	return nil
}

// untouched says what became of a revision that nobody approved.
func (a *Applier) untouched() string {
	if a.Tool != nil {
		return "nobody was asked to deliver it, which cannot be held back"
	}
	return "nothing was applied"
}

// changed are the objects that are approved, and those that become of them what the edits say: a workload of a release.
func changed(p incident.Proposal) []delivery.Ref {
	out := refs(p.Objects)
	for _, e := range p.Edits {
		r := e.Resource
		if ref := (delivery.Ref{Group: r.Group, Version: r.Version, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}); !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	return out
}

func refs(objects []incident.RenderedObject) (out []delivery.Ref) {
	for _, o := range objects {
		r := o.Resource
		out = append(out, delivery.Ref{Group: r.Group, Version: r.Version, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name})
	}
	return out
}
