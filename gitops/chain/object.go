package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/edit"
	"github.com/cortexops/cortexops/gitops/locate"
)

// m is a decoded JSON object.
type m = map[string]any

func decode(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// canonical is JSON with sorted keys and without space.
func canonical(data []byte) ([]byte, error) {
	v, err := decode(data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// objectOf names the object that data is.
func objectOf(data []byte) (locate.Object, error) {
	var o struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return locate.Object{}, err
	}
	group, version, found := strings.Cut(o.APIVersion, "/")
	if !found {
		group, version = "", o.APIVersion
	}
	return locate.Object{Group: group, Version: version, Kind: o.Kind, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name, JSON: data}, nil
}

// at follows keys through decoded JSON; what is not there is nil.
func at(v any, keys ...string) any {
	for _, k := range keys {
		o, _ := v.(m)
		v = o[k]
	}
	return v
}

func text(v any, keys ...string) string {
	s, _ := at(v, keys...).(string)
	return s
}

func list(v any, keys ...string) []any {
	l, _ := at(v, keys...).([]any)
	return l
}

func truth(v any, keys ...string) bool {
	b, _ := at(v, keys...).(bool)
	return b
}

// texts are the members of a mapping that are text, numbers and booleans as people write them.
func texts(v any, keys ...string) map[string]string {
	out := map[string]string{}
	o, _ := at(v, keys...).(m)
	for k, member := range o {
		out[k] = edit.Text(member)
	}
	return out
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

func refuse(reason locate.Reason, format string, args ...any) *locate.Refusal {
	return &locate.Refusal{Reason: reason, Why: fmt.Sprintf(format, args...)}
}

func sortedKeys(o m) []string { return slices.Sorted(maps.Keys(o)) }

// marked gives the objects the labels and annotations that all have.
func marked(objects []locate.Object, common any) ([]locate.Object, error) {
	labels, annotations := texts(common, "labels"), texts(common, "annotations")
	if len(labels)+len(annotations) == 0 {
		return objects, nil
	}
	out := slices.Clone(objects)
	for i, o := range objects {
		v, err := decode(o.JSON)
		if err != nil {
			return nil, err
		}
		meta, ok := at(v, "metadata").(m)
		if !ok {
			continue
		}
		for key, more := range map[string]map[string]string{"labels": labels, "annotations": annotations} {
			have, ok := meta[key].(m)
			if !ok {
				have = m{}
			}
			for k, text := range more {
				have[k] = text
			}
			if len(have) > 0 {
				meta[key] = have
			}
		}
		if out[i].JSON, err = json.Marshal(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}
