// Package delivery brings rendered objects to a cluster: by server-side apply of single objects under the identity of the
// kubeconfig it is given (`direct`), or by asking Flux or Argo CD and following them. It never takes a field from another
// owner, and what it applies are the very bytes that it can dry-run.
package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Ref names an object. Namespace is empty for cluster-scoped kinds, Version where any will do.
type Ref struct{ Group, Version, Kind, Namespace, Name string }

func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Change is what the API server would store, compared with what it stores.
type Change struct {
	User   string // who asked, as the API server sees it
	Ref    Ref
	Diff   string // unified, of YAML without the server's bookkeeping; empty where no field differs
	Fields []Field
	InSync bool // what is live is what would be stored

	// Of a Preview only.
	Server    []Field // those of Fields that nobody asked for: defaults and admission
	Drift     []Field // From is live, To is git before the edit
	DriftDiff string
}

// Direct applies objects. It is safe for concurrent use.
type Direct struct {
	client  dynamic.Interface
	kube    kubernetes.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	mode    Mode
	manager string // of ByUs

	mu   sync.Mutex
	user string // once known
}

// NewDirect uses the field manager that the team's own applier uses, since that one owns the fields that we edit. It
// calls nothing.
func NewDirect(rc *rest.Config, fieldManager string) (*Direct, error) {
	if fieldManager == "" {
		return nil, errors.New("delivery needs the field manager that the team's own applier uses")
	}
	d, err := connect(rc)
	if err != nil {
		return nil, err
	}
	d.mode, d.manager = ByUs, fieldManager
	return d, nil
}

func connect(rc *rest.Config) (*Direct, error) {
	client, err := dynamic.NewForConfig(rc)
	if err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kube.Discovery()))
	return &Direct{client: client, kube: kube, mapper: mapper}, nil
}

// Ping tells whether the API server answers us.
func (d *Direct) Ping(ctx context.Context) error {
	if _, err := d.kube.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err != nil {
		return typed(err, Ref{Kind: "API server", Name: "readyz"}, "read")
	}
	_, err := d.whoAmI(ctx)
	return err
}

// DryRun asks what Apply would store: the same request, but for dryRun=All. Errors: *Conflict, *Forbidden,
// *Unauthorized, *Invalid, *Mismanaged; any other may be retried. Where a tool delivers, it is the request of that.
func (d *Direct) DryRun(ctx context.Context, object []byte) (Change, error) {
	user, err := d.whoAmI(ctx)
	if err != nil {
		return Change{}, err
	}
	t, err := d.target(object)
	if err != nil {
		return Change{}, err
	}
	live, by, err := d.live(ctx, t)
	if err != nil {
		return Change{}, err
	}
	if object, err = by.marked(object, live); err != nil {
		return Change{}, err
	}
	would, err := d.rehearse(ctx, t, object, by)
	if err != nil {
		return Change{}, err
	}
	change, err := compare(live, would, saltOf(live, t.ref))
	change.User, change.Ref = user, t.ref
	return change, err
}

// Apply applies the object by server-side apply, unforced. Errors as DryRun's.
func (d *Direct) Apply(ctx context.Context, object []byte) error {
	t, err := d.target(object)
	if err != nil {
		return err
	}
	if d.mode != ByUs {
		return &Invalid{Ref: t.ref, Message: fmt.Sprintf("delivery.mode is %s, and what it delivers we do not apply", d.mode)}
	}
	if _, _, err := d.live(ctx, t); err != nil {
		return err
	}
	_, err = d.patch(ctx, t, object, metav1.PatchOptions{FieldManager: d.manager})
	return err
}

// live is the object as it is, or nil where there is none, and who delivers it.
func (d *Direct) live(ctx context.Context, t target) (*unstructured.Unstructured, owner, error) {
	live, err := t.resource.Get(ctx, t.ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		live, err = nil, nil
	}
	if err != nil {
		return nil, owner{}, d.explain(ctx, err, t, "get")
	}
	by, err := d.charge(t.ref, live)
	if by.manager == "" {
		by.manager = d.manager
	}
	return live, by, err
}

// rehearse is a dry-run as whoever delivers the object. A tool that once applied another way is in its own way then.
func (d *Direct) rehearse(ctx context.Context, t target, object []byte, by owner) (*unstructured.Unstructured, error) {
	as := metav1.PatchOptions{FieldManager: by.manager, DryRun: dry}
	would, err := d.patch(ctx, t, object, as)
	var c *Conflict
	if by.mode != ByUs && errors.As(err, &c) && c.onlyBy(by.manager) {
		as.Force = new(true)
		return d.patch(ctx, t, object, as)
	}
	return would, err
}

func (d *Direct) patch(ctx context.Context, t target, object []byte, as metav1.PatchOptions) (*unstructured.Unstructured, error) {
	if as.Force == nil {
		as.Force = new(false)
	}
	out, err := t.resource.Patch(ctx, t.ref.Name, types.ApplyPatchType, object, as)
	if err != nil {
		err = d.explain(ctx, err, t, "patch")
		var c *Conflict
		if errors.As(err, &c) && c.Scaled {
			if hpa := d.autoscaler(ctx, t.ref); hpa != nil {
				c.Autoscaler, c.By = hpa.GetName(), managedBy(hpa)
			}
		}
		return nil, err
	}
	return out, nil
}

// target is where the requests for one object go.
type target struct {
	ref      Ref
	gvr      schema.GroupVersionResource
	resource dynamic.ResourceInterface
}

func (d *Direct) target(object []byte) (target, error) {
	var u unstructured.Unstructured
	if err := json.Unmarshal(object, &u.Object); err != nil {
		return target{}, &Invalid{Message: fmt.Sprintf("the object to apply is no JSON: %v", err)}
	}
	gvk := u.GroupVersionKind()
	r := Ref{gvk.Group, gvk.Version, gvk.Kind, u.GetNamespace(), u.GetName()}
	if r.Version == "" || r.Kind == "" || r.Name == "" {
		return target{}, &Invalid{Ref: r, Message: "it lacks an apiVersion, a kind or a name"}
	}
	return d.of(r)
}

func (d *Direct) of(r Ref) (target, error) {
	var versions []string
	if r.Version != "" {
		versions = []string{r.Version}
	}
	kind := schema.GroupKind{Group: r.Group, Kind: r.Kind}
	mapping, err := d.mapper.RESTMapping(kind, versions...)
	if meta.IsNoMatchError(err) { // a CRD may have come since
		d.mapper.Reset()
		mapping, err = d.mapper.RESTMapping(kind, versions...)
	}
	if meta.IsNoMatchError(err) {
		return target{}, &Invalid{Ref: r, Message: "the API server does not know this kind"}
	}
	if err != nil {
		return target{}, typed(err, r, "discover")
	}
	t := target{ref: r, gvr: mapping.Resource, resource: d.client.Resource(mapping.Resource)}
	namespaced := mapping.Scope.Name() == meta.RESTScopeNameNamespace
	if namespaced != (r.Namespace != "") {
		return target{}, &Invalid{Ref: r, Message: map[bool]string{true: "it lacks a namespace", false: "its kind has no namespace"}[namespaced]}
	}
	if namespaced {
		t.resource = d.client.Resource(mapping.Resource).Namespace(r.Namespace)
	}
	return t, nil
}
