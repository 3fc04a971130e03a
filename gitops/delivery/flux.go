package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// FollowOptions are what is to be known of git to follow a tool that delivers from it.
type FollowOptions struct {
	// Ours reports whether the address is that of the repository whose commits are followed.
	Ours func(url string) bool
	// Contains reports whether the revision, a SHA, is the commit or comes after it. One that is not known does not.
	Contains func(ctx context.Context, commit, revision string) (bool, error)
}

// Flux brings a merged revision to the cluster by asking Flux for it, and follows it there. What is dry-run is so as Flux
// would apply it. It is safe for concurrent use.
type Flux struct {
	*Direct
	o FollowOptions
}

// NewFlux calls nothing.
func NewFlux(rc *rest.Config, o FollowOptions) (*Flux, error) {
	if o.Ours == nil || o.Contains == nil {
		return nil, errors.New("to follow Flux, somebody must know the repository")
	}
	d, err := connect(rc)
	if err != nil {
		return nil, err
	}
	d.mode = ByFlux
	return &Flux{d, o}, nil
}

// Preview is that of Direct, and asks whether Flux would deliver the object, and we may ask it to.
func (f *Flux) Preview(ctx context.Context, before, after []byte) (Change, error) {
	change, err := f.Direct.Preview(ctx, before, after)
	if err != nil {
		return change, err
	}
	way, err := f.way(ctx, []Ref{change.Ref})
	if err != nil {
		return change, err
	}
	for _, u := range way {
		for _, r := range u.asked() {
			if err := f.annotate(ctx, r, fluxmeta.ReconcileRequestAnnotation, "", Watch{}, dry); err != nil {
				return change, err
			}
		}
	}
	return change, nil
}

// Request asks Flux to bring the commit to the objects, and returns whom it has asked: the sources, and the first of the
// Kustomizations on the way. Follow asks the others, each once what is before it is done. Asked again, it asks nobody.
// Errors: *Mismanaged, *NotDelivered, *Forbidden, *Unauthorized, *Invalid; any other may be retried.
func (f *Flux) Request(ctx context.Context, objects []Ref, commit string) (asked []string, err error) {
	way, err := f.way(ctx, objects)
	if err != nil {
		return nil, err
	}
	for _, r := range way[0].asked() {
		if err := f.ask(ctx, r, commit, Watch{}); err != nil {
			return asked, err
		}
		asked = append(asked, r.String())
	}
	return asked, nil
}

// Follow waits until Flux has brought the commit, or one that comes after it, to the objects. *Stuck carries Flux's own
// word of why it could not apply it; other errors as Request's.
func (f *Flux) Follow(ctx context.Context, objects []Ref, commit string, w Watch) error {
	way, err := f.way(ctx, objects)
	if err != nil {
		return err
	}
	for _, u := range way {
		if err := f.bring(ctx, u, commit, w); err != nil {
			return err
		}
	}
	return nil
}

// bring follows the commit through one unit, whose source has to have it first.
func (f *Flux) bring(ctx context.Context, u fluxUnit, commit string, w Watch) error {
	artifact := ""
	if u.ours {
		if err := f.ask(ctx, u.source, commit, w); err != nil {
			return err
		}
		err := f.poll(ctx, u.source, w.Progress, func(live *unstructured.Unstructured) (now string, done bool, err error) {
			now, artifact, err = f.fetched(ctx, u.source, live, commit)
			return now, artifact != "", err
		})
		if err != nil {
			return err
		}
		if u.chart != (Ref{}) {
			err := f.poll(ctx, u.chart, w.Progress, func(live *unstructured.Unstructured) (string, bool, error) {
				return f.packed(ctx, u.chart, live, commit)
			})
			if err != nil {
				return err
			}
		}
	}
	if err := f.ask(ctx, u.ref, commit, w); err != nil {
		return err
	}
	return f.poll(ctx, u.ref, w.Progress, func(live *unstructured.Unstructured) (string, bool, error) {
		return f.applied(ctx, u, live, commit, artifact)
	})
}

// ask requests a reconciliation with a token that is derived from the commit, so that asking again changes nothing, but for what has
// failed since: that is tried again.
func (f *Flux) ask(ctx context.Context, r Ref, commit string, w Watch) error {
	token := "cortexops-" + commit
	live, err := f.get(ctx, r)
	if err != nil {
		return err
	}
	if live != nil && strings.HasPrefix(live.GetAnnotations()[fluxmeta.ReconcileRequestAnnotation], token) {
		if !handled(live) || failure(live) == "" {
			return nil
		}
		token += "-" + strconv.FormatInt(time.Now().Unix(), 10)
	}
	return f.annotate(ctx, r, fluxmeta.ReconcileRequestAnnotation, token, w, nil)
}

// fluxUnit is a Kustomization or a HelmRelease on the way to an object.
type fluxUnit struct {
	ref    Ref
	source Ref  // where it takes what it applies from, where that is a GitRepository or an OCIRepository
	ours   bool // that is the repository whose commits are followed
	chart  Ref  // the HelmChart that is made of the source, where there is one
}

// asked are the objects that are annotated for it, in order.
func (u fluxUnit) asked() []Ref {
	if u.ours {
		return []Ref{u.source, u.ref}
	}
	return []Ref{u.ref}
}

// way are the units that deliver the objects, from the first that takes from our repository on: each is delivered by one
// before it. An object that is a unit itself is on the way too.
func (f *Flux) way(ctx context.Context, objects []Ref) ([]fluxUnit, error) {
	var way []fluxUnit
	for _, r := range objects {
		var of []fluxUnit // this object's, the nearest first
		for next, first := r, true; ; first = false {
			live, err := f.get(ctx, next)
			if err != nil {
				return nil, err
			}
			if live == nil {
				return nil, &NotDelivered{next, "it is not there, so that nothing brings it what was merged"}
			}
			by := ownerOf(live)
			if first {
				if by, err = f.charge(r, live); err != nil {
					return nil, err
				}
			}
			if why := halted(live); why != "" {
				return nil, &NotDelivered{next, why}
			}
			if isUnit(next) {
				u, err := f.unit(ctx, next, live)
				if err != nil {
					return nil, err
				}
				of = append(of, u)
			}
			if by.mode != ByFlux || slices.ContainsFunc(of, func(u fluxUnit) bool { return u.ref.same(by.unit) }) {
				break
			}
			next = by.unit
		}
		i := len(of) - 1
		for i >= 0 && !of[i].ours {
			i--
		}
		if i < 0 {
			return nil, &NotDelivered{of[len(of)-1].ref, fmt.Sprintf("neither it nor what it delivers takes %s from our repository: its source must be a GitRepository whose url is git.url in the configuration, or an OCIRepository whose artifact names that", r)}
		}
		for ; i >= 0; i-- {
			if !slices.ContainsFunc(way, func(u fluxUnit) bool { return u.ref.same(of[i].ref) }) {
				way = append(way, of[i])
			}
		}
	}
	return way, nil
}

func isUnit(r Ref) bool {
	return r.Group == kustomizeGroup && r.Kind == kustomizationKind || r.Group == helmGroup && r.Kind == helmReleaseKind
}

// same compares but for the version.
func (r Ref) same(other Ref) bool {
	r.Version, other.Version = "", ""
	return r == other
}
