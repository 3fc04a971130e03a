package intake

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// CloudEvents is one sender of CloudEvents 1.0 over HTTP, which posts to /webhooks/cloudevents/NAME.
type CloudEvents struct {
	Name    string   // of a source of its own: its secret, its bound, its metrics
	Secret  string   // a bearer token, or with HMAC the key of the HMAC-SHA256 in X-Signature: sha256=HEX
	HMAC    bool     // else bearer
	Sources []string // prefixes of the attribute source of events that it may send; none: of all
}

// Variable of the environment that holds the secret.
func (c CloudEvents) Variable() string {
	return "CORTEXOPS_CLOUDEVENTS_" + strings.ToUpper(strings.ReplaceAll(c.Name, "-", "_")) + "_SECRET"
}

var senderName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// cloudEvents takes events in the three modes that the HTTP binding has: binary, structured, and batched JSON.
func cloudEvents(o Options, c CloudEvents) source {
	s := source{name: "cloudevents/" + c.Name,
		decode: func(r *http.Request, body []byte, at time.Time) (accepted, error) {
			events, err := readCloudEvents(r.Header, body)
			if err != nil {
				return accepted{}, err
			}
			var out accepted
			for _, e := range events {
				if !c.allows(e.source()) {
					return accepted{}, &Forbidden{Pointer: e.pointer + "/source", Why: "this sender may not speak for this source"}
				}
				signal, err := e.signal(c.Name, o.Cluster, at)
				if err != nil {
					return accepted{}, err
				}
				out.signals = append(out.signals, signal)
			}
			return out, nil
		}}
	if c.HMAC {
		s.verify = func(r *http.Request, body []byte) bool { return signed(r.Header.Get("X-Signature"), c.Secret, body) }
	} else {
		s.admit = withToken(c.Secret)
	}
	return s
}

func (c CloudEvents) allows(source string) bool {
	for _, prefix := range c.Sources {
		if strings.HasPrefix(source, prefix) {
			return true
		}
	}
	return len(c.Sources) == 0
}

// cloudEvent is one event, by the names of the JSON format.
type cloudEvent struct {
	pointer    string
	attributes map[string]json.RawMessage // a member that is null is absent
	data       []byte
	kind       string // the media type of data, without parameters
}

const (
	ceVersion  = "1.0"
	maxEvents  = 1000
	maxContext = 50 // attributes
)

// attribute names, by the specification.
var attribute = regexp.MustCompile(`^[a-z0-9]{1,64}$`)

func readCloudEvents(h http.Header, body []byte) ([]cloudEvent, error) {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil && h.Get("Content-Type") != "" {
		return nil, &Invalid{Pointer: "/datacontenttype", Why: "the header Content-Type is no media type"}
	}
	switch {
	case kind == "application/cloudevents+json":
		e, err := structured("", body)
		return []cloudEvent{e}, err
	case kind == "application/cloudevents-batch+json":
		var list []json.RawMessage
		if err := Unmarshal("", body, &list); err != nil {
			return nil, err
		}
		if list == nil || len(list) > maxEvents {
			return nil, &Invalid{Why: fmt.Sprintf("must be an array of up to %d events", maxEvents)}
		}
		var all []cloudEvent
		for i, raw := range list {
			e, err := structured(fmt.Sprintf("/%d", i), raw)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
		return all, nil
	case strings.HasPrefix(kind, "application/cloudevents"):
		return nil, &Invalid{Why: "only the JSON format of CloudEvents is understood, not " + cut(kind, 64)}
	}
	e, err := binary(h, kind, body)
	return []cloudEvent{e}, err
}

// binary mode: the attributes are headers, the body is the data.
func binary(h http.Header, kind string, body []byte) (cloudEvent, error) {
	e := cloudEvent{attributes: map[string]json.RawMessage{}, data: body, kind: kind}
	for header, values := range h {
		name, ok := strings.CutPrefix(strings.ToLower(header), "ce-")
		if !ok {
			continue
		}
		text, err := url.PathUnescape(values[0])
		if err != nil || !utf8.ValidString(text) || len(values) > 1 {
			return e, &Invalid{Pointer: "/" + pointed(name), Why: "the header " + cut(header, 64) + " must be there once, percent-encoded"}
		}
		if e.attributes[name], err = json.Marshal(text); err != nil {
			return e, &Invalid{Pointer: "/" + pointed(name), Why: err.Error()}
		}
	}
	if len(e.attributes) == 0 {
		return e, &Invalid{Pointer: "/specversion", Why: "is required: in a header ce-specversion, or in the body with Content-Type: application/cloudevents+json"}
	}
	return e, e.valid()
}

// structured mode: everything is in one object.
func structured(pointer string, raw []byte) (cloudEvent, error) {
	e := cloudEvent{pointer: pointer}
	if err := Unmarshal(pointer, raw, &e.attributes); err != nil {
		return e, err
	}
	if !isObject(raw) {
		return e, &Invalid{Pointer: pointer, Why: "must be an object"}
	}
	maps.DeleteFunc(e.attributes, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	data, plain := e.attributes["data"]
	encoded, binary := e.attributes["data_base64"]
	if plain && binary {
		return e, &Invalid{Pointer: pointer + "/data_base64", Why: "cannot be there together with data"}
	}
	e.data = data
	delete(e.attributes, "data")
	delete(e.attributes, "data_base64")
	if err := e.valid(); err != nil {
		return e, err
	}
	kind, _, err := mime.ParseMediaType(e.text("datacontenttype"))
	if err != nil && e.text("datacontenttype") != "" {
		return e, &Invalid{Pointer: pointer + "/datacontenttype", Why: "is no media type"}
	}
	e.kind = kind
	if binary {
		var text string
		if err := Unmarshal(pointer+"/data_base64", encoded, &text); err != nil {
			return e, err
		}
		if e.data, err = base64.StdEncoding.DecodeString(text); err != nil {
			return e, &Invalid{Pointer: pointer + "/data_base64", Why: "is not Base64"}
		}
	} else if !isJSON(kind) { // then data is a JSON string of what it holds
		var text string
		if json.Unmarshal(data, &text) == nil {
			e.data = []byte(text)
		}
	}
	return e, nil
}

func isJSON(kind string) bool {
	return kind == "" || kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json")
}

// valid checks the context attributes.
func (e cloudEvent) valid() error {
	if len(e.attributes) > maxContext {
		return &Invalid{Pointer: e.pointer, Why: fmt.Sprintf("has more than %d attributes", maxContext)}
	}
	for _, name := range sortedNames(e.attributes) {
		if !attribute.MatchString(name) {
			return &Invalid{Pointer: e.pointer + "/" + pointed(cut(name, 64)), Why: "an attribute's name is of lower-case letters and digits"}
		}
		var text string
		switch raw := e.attributes[name]; {
		case json.Unmarshal(raw, &text) == nil:
			if len(text) > maxURL {
				return &Invalid{Pointer: e.pointer + "/" + name, Why: "is too long"}
			}
		case raw[0] == '{' || raw[0] == '[' || len(raw) > maxURL:
			return &Invalid{Pointer: e.pointer + "/" + name, Why: "must be a text, a number or a boolean"}
		}
	}
	for _, name := range []string{"specversion", "id", "source", "type"} {
		if e.text(name) == "" {
			return &Invalid{Pointer: e.pointer + "/" + name, Why: "is required, a text"}
		}
	}
	if v := e.text("specversion"); v != ceVersion {
		return &Invalid{Pointer: e.pointer + "/specversion", Why: fmt.Sprintf("must be %q, is %q", ceVersion, cut(v, 32))}
	}
	if _, err := url.Parse(e.source()); err != nil {
		return &Invalid{Pointer: e.pointer + "/source", Why: "must be a URI reference"}
	}
	return nil
}

// text of an attribute; "" where it is absent or no text.
func (e cloudEvent) text(name string) string {
	var s string
	_ = json.Unmarshal(e.attributes[name], &s)
	return s
}

func (e cloudEvent) source() string { return e.text("source") }
