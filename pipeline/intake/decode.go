package intake

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Unmarshal is json.Unmarshal with errors that name the place: *Invalid.
func Unmarshal(pointer string, data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case marked(data):
		return &Invalid{Pointer: pointer, Why: "begins with a byte order mark (EF BB BF), which JSON must not: send UTF-8 without it"}
	case errors.As(err, &syntax):
		return &Invalid{Pointer: pointer, Why: fmt.Sprintf("not JSON at byte %d: %s", syntax.Offset, syntax)}
	}
	return innermost(pointer, data, reflect.TypeOf(v), err)
}

// innermost finds the value that its own type refuses: encoding/json names no member of a map, no element of an array, and no
// place at all of a time. It is only called for what was refused as a whole, for the reason err.
func innermost(pointer string, data []byte, t reflect.Type, err error) *Invalid {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() == "Time" { // of the standard library, or of Kubernetes
		return &Invalid{Pointer: pointer, Why: "must be a time such as 2026-03-02T10:00:00Z, is " + cut(string(data), 64)}
	}
	var members map[string]json.RawMessage // of what is an object
	var items []json.RawMessage
	var fields []reflect.StructField
	switch t.Kind() {
	case reflect.Struct:
		fields = reflect.VisibleFields(t)
		_ = json.Unmarshal(data, &members)
	case reflect.Map:
		_ = json.Unmarshal(data, &members)
	case reflect.Slice:
		_ = json.Unmarshal(data, &items)
	}
	inner := func(name string, raw []byte, of reflect.Type) *Invalid {
		if err := json.Unmarshal(raw, reflect.New(of).Interface()); err != nil {
			return innermost(pointer+"/"+pointed(cut(name, 64)), raw, of, err)
		}
		return nil
	}
	for _, name := range sortedNames(members) {
		if of := member(t, fields, name); of != nil {
			if wrong := inner(name, members[name], of); wrong != nil {
				return wrong
			}
		}
	}
	for i, raw := range items {
		if wrong := inner(strconv.Itoa(i), raw, t.Elem()); wrong != nil {
			return wrong
		}
	}
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) {
		return &Invalid{Pointer: pointer, Why: "must be " + article(kind.Type.Kind()) + ", is " + cut(kind.Value, 64)}
	}
	return &Invalid{Pointer: pointer, Why: cut(err.Error(), 256)}
}

// member is the type of what has a name in a map or a struct, nil where that has no such field.
func member(t reflect.Type, fields []reflect.StructField, name string) (of reflect.Type) {
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	for _, f := range fields {
		known, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if known = cmp.Or(known, f.Name); !f.IsExported() || !strings.EqualFold(known, name) {
			continue
		}
		if of = f.Type; known == name { // else encoding/json does not mind the case either
			break
		}
	}
	return of
}

// article names a kind of Go's as a writer of JSON knows it.
func article(k reflect.Kind) string {
	switch k {
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// marked tells a byte order mark at the start, as some editors and Windows PowerShell write.
func marked(data []byte) bool { return bytes.HasPrefix(data, []byte("\ufeff")) }

// isObject tells a JSON object from what Go would also take for an empty one, such as null.
func isObject(data []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) }

func sortedNames(m map[string]json.RawMessage) []string { return slices.Sorted(maps.Keys(m)) }

// pointed is a name as a part of a JSON pointer.
func pointed(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// same compares in a time that tells nothing about either, not even a length.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// withToken admits who brings the token.
func withToken(token string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		return strings.EqualFold(scheme, "Bearer") && same(given, token)
	}
}

// signed checks a header of the form sha256=HEX.
func signed(header, key string, body []byte) bool {
	given, ok := strings.CutPrefix(header, "sha256=")
	if !ok {
		return false
	}
	sum, err := hex.DecodeString(given)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hmac.Equal(sum, mac.Sum(nil))
}
