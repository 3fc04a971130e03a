package delivery

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Mode is how what git says reaches the cluster.
type Mode string

// The modes. In Flux's and Argo CD's we apply nothing: we ask, and follow.
const (
	ByUs     Mode = "direct"
	ByFlux   Mode = "flux"
	ByArgoCD Mode = "argocd"
)

// The groups of their objects, and the kinds that deliver others.
const (
	kustomizeGroup = "kustomize.toolkit.fluxcd.io"
	helmGroup      = "helm.toolkit.fluxcd.io"
	sourceGroup    = "source.toolkit.fluxcd.io"
	argoGroup      = "argoproj.io"

	kustomizationKind = "Kustomization"
	helmReleaseKind   = "HelmRelease"
	applicationKind   = "Application"
)

const (
	// argoManager is the field manager that Argo CD applies with.
	argoManager = "argocd-controller"
	// argoTracking and, as the label of a cluster that is configured so, argoInstance name the Application of an object.
	argoTracking = "argocd.argoproj.io/tracking-id"
	argoInstance = "app.kubernetes.io/instance"
)

// owner is what delivers an object: nothing where the mode is ByUs.
type owner struct {
	mode    Mode
	unit    Ref    // the namespace of an Application may be left open
	manager string // its field manager
}

// ownerOf reads it from the live object, as Flux and Argo CD mark what they apply. One that is in its own charge, as the
// Kustomization that Flux is installed by, has that owner too.
func ownerOf(live *unstructured.Unstructured) owner {
	if live == nil {
		return owner{mode: ByUs}
	}
	labels := live.GetLabels()
	for _, by := range []owner{{ByFlux, Ref{Group: helmGroup, Kind: helmReleaseKind}, "helm-controller"},
		{ByFlux, Ref{Group: kustomizeGroup, Kind: kustomizationKind}, "kustomize-controller"}} {
		by.unit.Name, by.unit.Namespace = labels[by.unit.Group+"/name"], labels[by.unit.Group+"/namespace"]
		if by.unit.Name != "" && by.unit.Namespace != "" {
			return by
		}
	}
	if app := applicationOf(live); app != "" {
		by := owner{ByArgoCD, Ref{Group: argoGroup, Kind: applicationKind, Name: app}, argoManager}
		if ns, name, found := strings.Cut(app, "_"); found {
			by.unit.Namespace, by.unit.Name = ns, name
		}
		return by
	}
	return owner{mode: ByUs}
}

// applicationOf is the name of the Application that the live object is tracked by. The annotation of an object that was
// copied from another names that one; the label is Helm's too, and means Argo CD only where that has applied.
func applicationOf(live *unstructured.Unstructured) string {
	app, object, _ := strings.Cut(live.GetAnnotations()[argoTracking], ":")
	gvk := live.GroupVersionKind()
	if app != "" && object == fmt.Sprintf("%s/%s:%s/%s", gvk.Group, gvk.Kind, live.GetNamespace(), live.GetName()) {
		return app
	}
	for _, m := range live.GetManagedFields() {
		if m.Manager == argoManager {
			return live.GetLabels()[argoInstance]
		}
	}
	return ""
}

// marked is the object as its tool applies it: with the labels and annotations by which it knows its own, and which git does
// not say.
func (o owner) marked(object []byte, live *unstructured.Unstructured) ([]byte, error) {
	if o.mode == ByUs {
		return object, nil
	}
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(object); err != nil {
		return nil, err
	}
	mark := func(of string, was map[string]string, keys ...string) error {
		for _, key := range keys {
			if value, there := was[key]; there {
				if err := unstructured.SetNestedField(u.Object, value, "metadata", of, key); err != nil {
					return err
				}
			}
		}
		return nil
	}
	var err error
	switch {
	case o.mode == ByFlux:
		err = mark("labels", live.GetLabels(), o.unit.Group+"/name", o.unit.Group+"/namespace")
	case live.GetAnnotations()[argoTracking] != "":
		err = mark("annotations", live.GetAnnotations(), argoTracking)
	default:
		err = mark("labels", live.GetLabels(), argoInstance)
	}
	if err != nil {
		return nil, err
	}
	return u.MarshalJSON()
}

// charge refuses an object that is not delivered the way that we are configured for.
func (d *Direct) charge(r Ref, live *unstructured.Unstructured) (owner, error) {
	by := ownerOf(live)
	if by.mode != d.mode {
		return by, &Mismanaged{Ref: r, By: by.mode, Unit: by.unit, Mode: d.mode}
	}
	return by, nil
}

// Mismanaged means that the object is not delivered the way that we are configured for.
type Mismanaged struct {
	Ref  Ref
	By   Mode // who delivers it, as its labels and annotations say
	Unit Ref  // by what; empty where By is ByUs
	Mode Mode // that we are configured for
}

func (e *Mismanaged) Error() string {
	tool := map[Mode]string{ByFlux: "Flux", ByArgoCD: "Argo CD"}
	switch {
	case e.By == ByUs:
		return fmt.Sprintf("%s does not say that %s delivers it, and delivery.mode is %s: let that deliver it, or configure delivery.mode: direct", e.Ref, tool[e.Mode], e.Mode)
	case e.Mode == ByUs:
		return fmt.Sprintf("%s is delivered by %s's %s, which would take back what we apply: configure delivery.mode: %s", e.Ref, tool[e.By], e.Unit, e.By)
	}
	return fmt.Sprintf("%s is delivered by %s's %s, and delivery.mode is %s: configure delivery.mode: %s", e.Ref, tool[e.By], e.Unit, e.Mode, e.By)
}

// onlyBy reports whether the conflict is with nobody but the tool itself, which applied in another way before.
func (e *Conflict) onlyBy(manager string) bool {
	return !e.Scaled && len(e.Managers) > 0 && !slices.ContainsFunc(e.Managers, func(m string) bool { return m != manager })
}

// NotDelivered means that Flux or Argo CD will not bring what was merged to the cluster before a person helps.
type NotDelivered struct {
	Ref     Ref // of theirs
	Message string
}

func (e *NotDelivered) Error() string { return fmt.Sprintf("%s: %s", e.Ref, e.Message) }
