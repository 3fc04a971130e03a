package helm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/strvals"
	"sigs.k8s.io/yaml"
)

// Request is one chart with the values of one release.
type Request struct {
	Chart              map[string][]byte // the chart's files, by their path in it
	Defaults           []string          // values files in place of the chart's values.yaml; nil keeps that
	Values             []Layer           // later ones win
	Release, Namespace string
	AnyValues          bool // do not hold the values to the chart's schema
}

// Layer is one source of values. One of its fields is set.
type Layer struct {
	YAML string          `json:",omitempty"` // a values file
	JSON json.RawMessage `json:",omitempty"` // values in an object
	Set  string          `json:",omitempty"` // name=value, as helm --set reads it
	Text string          `json:",omitempty"` // name=value, as helm --set-string reads it
}

// render is what the chart becomes: objects as JSON, in the order of the template files. Test hooks are left out, since
// no release installs them.
func render(r Request) ([]json.RawMessage, error) {
	c, err := load(r.Chart)
	if err != nil {
		return nil, err
	}
	if r.Defaults != nil {
		c.Values = map[string]any{}
		for _, y := range r.Defaults {
			if err := mergeYAML(c.Values, y); err != nil {
				return nil, fmt.Errorf("values file: %w", err)
			}
		}
	}
	values, err := merged(r.Values)
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependencies(c, values); err != nil {
		return nil, fmt.Errorf("dependencies: %w", err)
	}
	closedSchemas(c)
	release := common.ReleaseOptions{Name: r.Release, Namespace: r.Namespace, Revision: 1, IsUpgrade: true}
	all, err := util.ToRenderValuesWithSchemaValidation(c, values, release, common.DefaultCapabilities, r.AnyValues)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{}.RenderWithContext(context.Background(), c, all) // no deadline would stop a loop: the process ends
	if err != nil {
		return nil, err
	}
	var out []json.RawMessage
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) == "NOTES.txt" {
			continue
		}
		objects, err := split(files[name])
		if err != nil {
			return nil, fmt.Errorf("%s renders no YAML: %w", name, err)
		}
		out = append(out, objects...)
	}
	return out, nil
}

func load(files map[string][]byte) (*chart.Chart, error) {
	var list []*archive.BufferedFile
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, &archive.BufferedFile{Name: name, Data: bytes.TrimPrefix(files[name], []byte("\xef\xbb\xbf"))})
	}
	return loader.LoadFiles(list)
}

func merged(layers []Layer) (map[string]any, error) {
	values := map[string]any{}
	for _, l := range layers {
		var err error
		switch {
		case l.Set != "":
			err = strvals.ParseInto(l.Set, values)
		case l.Text != "":
			err = strvals.ParseIntoString(l.Text, values)
		case l.JSON != nil:
			var m map[string]any
			if err = json.Unmarshal(l.JSON, &m); err == nil {
				merge(values, m)
			}
		default:
			err = mergeYAML(values, l.YAML)
		}
		if err != nil {
			return nil, fmt.Errorf("values: %w", err)
		}
	}
	return values, nil
}

func mergeYAML(into map[string]any, text string) error {
	var m map[string]any
	number := func(d *json.Decoder) *json.Decoder { d.UseNumber(); return d }
	if err := yaml.Unmarshal([]byte(text), &m, number); err != nil {
		return err
	}
	merge(into, m)
	return nil
}

// merge puts from over into: mappings are merged, everything else replaces what was there.
func merge(into, from map[string]any) {
	for k, v := range from {
		a, isMap := into[k].(map[string]any)
		b, alsoMap := v.(map[string]any)
		if isMap && alsoMap {
			a = maps.Clone(a)
			merge(a, b)
			into[k] = a
			continue
		}
		into[k] = v
	}
}

// closedSchemas drops the schemas that refer to anything outside themselves: it would be fetched.
func closedSchemas(c *chart.Chart) {
	var schema any
	if c.Schema != nil && (json.Unmarshal(c.Schema, &schema) != nil || opened(schema)) {
		c.Schema = nil
	}
	for _, d := range c.Dependencies() {
		closedSchemas(d)
	}
}

func opened(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, opened)
	case map[string]any:
		for k, member := range v {
			ref, _ := member.(string)
			switch {
			case (k == "$ref" || k == "$dynamicRef" || k == "$recursiveRef") && !strings.HasPrefix(ref, "#"):
				return true
			case k == "$schema" && !strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(ref, "https://"), "http://"), "json-schema.org/"):
				return true
			case opened(member):
				return true
			}
		}
	}
	return false
}

// split reads the documents of a rendered template.
func split(text string) ([]json.RawMessage, error) {
	var out []json.RawMessage
	for _, doc := range documents(text) {
		data, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			return nil, err
		}
		if out, err = appendObject(out, data); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// documents cuts a YAML stream at its separators, as Helm does.
func documents(text string) []string {
	var out []string
	start := 0
	for at := 0; at < len(text); {
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text)
		} else {
			end += at + 1
		}
		if line := strings.TrimRight(text[at:end], " \t\r\n"); line == "---" || strings.HasPrefix(line, "--- ") {
			out = append(out, text[start:at])
			start = at + 3
		}
		at = end
	}
	return append(out, text[start:])
}

func appendObject(out []json.RawMessage, data []byte) ([]json.RawMessage, error) {
	var o struct {
		Kind     string            `json:"kind"`
		Items    []json.RawMessage `json:"items"`
		Metadata struct {
			Annotations map[string]any `json:"annotations"`
		} `json:"metadata"`
	}
	if string(data) == "null" || string(data) == "{}" {
		return out, nil
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, err
	}
	if o.Kind == "List" {
		var err error
		for _, item := range o.Items {
			if out, err = appendObject(out, item); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if o.Kind == "" {
		return nil, errors.New("an object without a kind")
	}
	if hook, _ := o.Metadata.Annotations["helm.sh/hook"].(string); strings.HasPrefix(hook, "test") {
		return out, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	canonical, err := json.Marshal(v)
	return append(out, canonical), err
}
