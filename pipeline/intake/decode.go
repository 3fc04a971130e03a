package intake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Unmarshal is json.Unmarshal with errors that name the place: *Invalid.
func Unmarshal(pointer string, data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		if kind.Field != "" {
			pointer += "/" + strings.ReplaceAll(kind.Field, ".", "/")
		}
		return &Invalid{Pointer: pointer, Why: "must be " + article(kind.Type.String()) + ", is " + cut(kind.Value, 64)}
	case errors.As(err, &syntax):
		return &Invalid{Pointer: pointer, Why: fmt.Sprintf("not JSON at byte %d: %s", syntax.Offset, syntax)}
	default: // a value that its own type refuses, such as a time
		return &Invalid{Pointer: pointer, Why: cut(err.Error(), 256)}
	}
}

// article names a Go type as a writer of JSON knows it.
func article(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "an array"
	case strings.HasPrefix(goType, "map"), strings.Contains(goType, "."):
		return "an object"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number"
	case goType == "bool":
		return "true or false"
	default:
		return "a string"
	}
}

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
