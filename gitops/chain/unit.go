package chain

import (
	"fmt"
	"path"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// Kinds of units.
const (
	kustomization = "Kustomization"
	helmRelease   = "HelmRelease"
	application   = "Application"

	applicationSet = "ApplicationSet"
	applied        = "folder" // that somebody applies with kubectl
)

var kindOf = map[string]string{
	"kustomize.toolkit.fluxcd.io/Kustomization": kustomization,
	"helm.toolkit.fluxcd.io/HelmRelease":        helmRelease,
	"argoproj.io/Application":                   application,
	"argoproj.io/ApplicationSet":                applicationSet,
}

// unit is one object that makes others.
type unit struct {
	kind, namespace, name string
	object                locate.Object
	spec                  any    // of the object
	file                  string // where a unit that nothing else renders is declared
	base                  string // the folder that its paths start at
	source                string // the source that stands for this repository
	up                    *unit

	objects  []locate.Object
	reads    *reads
	sources  []locate.Object // ConfigMaps and Secrets whose values it takes
	hidden   []string        // where more values come from, which cannot be seen
	vars     map[string]string
	defaults string // the namespace of objects that name none
	folder   string // what it renders
	charts   []chartFolder
	excluded []string // folders that a set makes no Application of
	named    []string // files of values that it names, the weakest first
	notes    []string
	err      error
}

func (u *unit) String() string { return u.kind + " " + path.Join(u.namespace, u.name) }

// id tells the units of one tree apart.
func (u *unit) id() string { return u.String() }

func newUnit(o locate.Object) (*unit, error) {
	v, err := decode(o.JSON)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", o, err)
	}
	return &unit{kind: kindOf[o.Group+"/"+o.Kind], namespace: o.Namespace, name: o.Name, object: o, spec: at(v, "spec")}, nil
}

func isUnit(o locate.Object) bool { return kindOf[o.Group+"/"+o.Kind] != "" }

// root is the unit of the tree that nothing renders but itself.
func (u *unit) root() *unit {
	for u.up != nil {
		u = u.up
	}
	return u
}

// has finds an object among those that u makes. An object that names no namespace is in the one that u works in.
func (u *unit) has(sel edit.Selector) int {
	for i, o := range u.objects {
		if o.Group == sel.Group && o.Kind == sel.Kind && o.Name == sel.Name &&
			(sel.Namespace == "" || o.Namespace == sel.Namespace || o.Namespace == "" && u.defaults == sel.Namespace) {
			return i
		}
	}
	return -1
}
