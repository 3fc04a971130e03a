package edit

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Put is Set, or Add where the field is not there. The value is a string, an int or a bool, and is written as one.
func Put(file string, src []byte, sel Selector, p Path, v any) ([]byte, error) {
	e, err := newEditor(file, src, sel)
	if err != nil {
		return nil, err
	}
	object, err := e.object()
	if err != nil {
		return nil, err
	}
	tag := "!!str"
	switch v.(type) {
	case int:
		tag = "!!int"
	case bool:
		tag = "!!bool"
	case string:
	default:
		return nil, refuse(file, object, fmt.Sprintf("a value of type %T cannot be put anywhere", v))
	}
	there, err := e.seek(sel, p)
	switch {
	case err == nil && nothing(there.node()):
		out := e.replace(there.parent, there.i, scalarNode(tag, fmt.Sprint(v)))
		return done(e, e.took(out, there.node(), "no value can be put there without changing something else"))
	case err == nil:
		return Set(file, src, sel, p, fmt.Sprint(v))
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	return add(file, src, sel, p, scalarNode(tag, fmt.Sprint(v)))
}

// done is what an editor has made, or nothing.
func done(e *editor, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return e.src, nil
}

var (
	imageTag    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	imageDigest = regexp.MustCompile(`^[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$`)
)

// Image is a reference with another tag, digest or both; either may be empty. A digest alone takes the tag away, which
// would say nothing any more; a tag alone is an error where a digest decides what runs.
func Image(current, tag, digest string) (string, error) {
	name, pinned, _ := strings.Cut(current, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	switch {
	case name == "" || strings.ContainsAny(name, " \t\r\n"):
		return "", fmt.Errorf("%q is no image", current)
	case tag == "" && digest == "":
		return "", fmt.Errorf("an image needs a tag or a digest")
	case tag != "" && !imageTag.MatchString(tag):
		return "", fmt.Errorf("%q is no tag of an image", tag)
	case digest != "" && !imageDigest.MatchString(digest):
		return "", fmt.Errorf("%q is no digest of an image", digest)
	case digest == "" && pinned != "":
		return "", fmt.Errorf("%s is pinned by its digest, which decides what runs: give the digest too", current)
	}
	if tag != "" {
		name += ":" + tag
	}
	if digest != "" {
		name += "@" + digest
	}
	return name, nil
}

// Replicas sets how many pods a workload wants. Where an autoscaler owns them (Autoscales), Bounds is the edit.
func Replicas(file string, src []byte, sel Selector, n int) ([]byte, error) {
	if n < 0 {
		return nil, fmt.Errorf("%d is no number of replicas", n)
	}
	return Put(file, src, sel, Path{{Key: "spec"}, {Key: "replicas"}}, n)
}

// Bounds sets between how many replicas a HorizontalPodAutoscaler chooses; a nil bound stays as it is.
func Bounds(file string, src []byte, hpa Selector, low, high *int) ([]byte, error) {
	if hpa.Kind != "HorizontalPodAutoscaler" {
		return nil, fmt.Errorf("%s is no HorizontalPodAutoscaler", hpa)
	}
	for _, b := range []struct {
		key string
		to  *int
	}{{"minReplicas", low}, {"maxReplicas", high}} {
		if b.to == nil {
			continue
		}
		if *b.to < 1 {
			return nil, fmt.Errorf("%s must be at least 1, not %d", b.key, *b.to)
		}
		var err error
		if src, err = Put(file, src, hpa, Path{{Key: "spec"}, {Key: b.key}}, *b.to); err != nil {
			return nil, err
		}
	}
	if err := ordered(file, src, hpa); err != nil {
		return nil, err
	}
	return src, nil
}

// ordered refuses bounds that the API server would refuse.
func ordered(file string, src []byte, hpa Selector) error {
	low, err := Find(file, src, hpa, Path{{Key: "spec"}, {Key: "minReplicas"}})
	if err != nil {
		return nil // the default of 1 is below any
	}
	high, err := Find(file, src, hpa, Path{{Key: "spec"}, {Key: "maxReplicas"}})
	if err != nil {
		return nil // in another file
	}
	a, errA := strconv.Atoi(low.Value)
	b, errB := strconv.Atoi(high.Value)
	if errA == nil && errB == nil && a > b {
		return &Refusal{File: file, Line: low.Line, Column: low.Column, Why: fmt.Sprintf("minReplicas %d would be above maxReplicas %d", a, b)}
	}
	return nil
}

// Autoscales reports whether a decoded object is a HorizontalPodAutoscaler of the workload, so that replicas are not for
// git to say.
func Autoscales(object any, workload Selector) bool {
	get := func(path ...string) string {
		var p Path
		for _, k := range path {
			p = append(p, Step{Key: k})
		}
		v, _ := p.Get(object)
		s, _ := v.(string)
		return s
	}
	group, _, found := strings.Cut(get("spec", "scaleTargetRef", "apiVersion"), "/")
	space := get("metadata", "namespace")
	return get("kind") == "HorizontalPodAutoscaler" && get("spec", "scaleTargetRef", "kind") == workload.Kind &&
		get("spec", "scaleTargetRef", "name") == workload.Name && (!found || group == workload.Group) &&
		(space == "" || workload.Namespace == "" || space == workload.Namespace)
}

// SetEnv sets the variable of a container, which p leads to, or adds it. One that takes its value from elsewhere is
// refused.
func SetEnv(file string, src []byte, sel Selector, container Path, name, to string) ([]byte, error) {
	if name == "" || strings.ContainsAny(name, "= \t\r\n") {
		return nil, fmt.Errorf("%q is no name of a variable", name)
	}
	e, err := newEditor(file, src, sel)
	if err != nil {
		return nil, err
	}
	s, err := e.seek(sel, container)
	if err != nil {
		return nil, err
	}
	if variable(to) {
		return nil, refuse(file, s.node(), "the new value would be read as a template variable")
	}
	item := mappingNode(scalarNode("!!str", "name"), scalarNode("!!str", name), scalarNode("!!str", "value"), scalarNode("!!str", to))
	env := child(container, Step{Key: "env"})
	list := value(s.node(), "env")
	switch {
	case list == nil:
		return done(e, e.put(s.node(), Step{Key: "env"}, sequenceNode(item)))
	case nothing(list):
		return done(e, e.took(e.replace(s.node(), member(s.node(), Step{Key: "env"}), sequenceNode(item)), list, "no variable can be added there"))
	}
	entry, err := step(file, list, Step{By: "name", Value: name})
	if errors.Is(err, ErrNotFound) && list.Kind == yaml.SequenceNode {
		if why := shared(list); why != "" {
			return nil, refuse(file, list, why)
		}
		return done(e, e.put(list, Step{Index: len(list.Content)}, item))
	}
	if err != nil {
		return nil, err
	}
	if from := value(entry, "valueFrom"); from != nil {
		return nil, refuse(file, from, "the variable "+name+" takes its value from elsewhere")
	}
	return Put(file, src, sel, append(slices.Clone(env), Step{By: "name", Value: name}, Step{Key: "value"}), to)
}

// AddEnv adds the variable whose value p leads to. What is no such path is ErrNotFound.
func AddEnv(file string, src []byte, sel Selector, p Path, to string) ([]byte, error) {
	n := p.variable()
	if n < 0 {
		return nil, fmt.Errorf("%s of %s is no variable: %w", p, sel, ErrNotFound)
	}
	return SetEnv(file, src, sel, p[:n], p[n+1].Value, to)
}

// Annotate sets an annotation, or adds it; meta leads to the metadata that it belongs to.
func Annotate(file string, src []byte, sel Selector, meta Path, name, to string) ([]byte, error) {
	return Put(file, src, sel, append(slices.Clone(meta), Step{Key: "annotations"}, Step{Key: name}), to)
}

// suspendable are the kinds that know spec.suspend.
var suspendable = map[string][]string{
	"batch":                          {"CronJob", "Job"},
	"kustomize.toolkit.fluxcd.io":    {"Kustomization"},
	"helm.toolkit.fluxcd.io":         {"HelmRelease"},
	"source.toolkit.fluxcd.io":       {"GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket"},
	"image.toolkit.fluxcd.io":        {"ImageRepository", "ImageUpdateAutomation"},
	"notification.toolkit.fluxcd.io": {"Alert", "Receiver", "Provider"},
}

// Suspend stops or resumes a CronJob, a Job, or an object of Flux.
func Suspend(file string, src []byte, sel Selector, on bool) ([]byte, error) {
	if !slices.Contains(suspendable[sel.Group], sel.Kind) {
		return nil, fmt.Errorf("%s cannot be suspended", sel)
	}
	return Put(file, src, sel, Path{{Key: "spec"}, {Key: "suspend"}}, on)
}
