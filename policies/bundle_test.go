package policies

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// pair is a private and a public key, in PEM.
func pair(t *testing.T) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	private = of("PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(&key.PublicKey)
	return private, of("PUBLIC KEY", der, err)
}

// packed is the small policy as `opa build` packs it, signed where there is a key, and changed after that.
func packed(t *testing.T, plan, key string, change func(*bundle.Bundle)) []byte {
	t.Helper()
	b := bundle.Bundle{Manifest: bundle.Manifest{}, Data: map[string]any{"limits": map[string]any{"pods": 3}}}
	b.Manifest.Init()
	for name, f := range policy(map[string]string{"plan.rego": plan}).(fstest.MapFS) {
		if path.Ext(name) != ".rego" || test(name) {
			continue
		}
		m, err := ast.ParseModuleWithOpts(name, string(f.Data), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		b.Modules = append(b.Modules, bundle.ModuleFile{URL: "/" + name, Path: "/" + name, Raw: f.Data, Parsed: m})
	}
	if key != "" {
		if err := b.GenerateSignature(bundle.NewSigningConfig(key, "ES256", ""), "whatever", true); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(&b)
	}
	var out bytes.Buffer
	if err := bundle.NewWriter(&out).UseModulePath(true).DisableFormat(true).Write(b); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const limited = "package cortexops.plan\nallow if input.blast.pods <= data.limits.pods\ndefault allow := false\nreasons := []"

// shelf is a server of one bundle.
type shelf struct {
	*httptest.Server
	content []byte
	sent    int
	token   string
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.token = r.Header.Get("Authorization")
		sum := sha256.Sum256(s.content)
		tag := `"` + hex.EncodeToString(sum[:]) + `"`
		switch {
		case s.content == nil:
			http.Error(w, "none", http.StatusNotFound)
		case r.Header.Get("If-None-Match") == tag:
			w.WriteHeader(http.StatusNotModified)
		default:
			s.sent++
			w.Header().Set("ETag", tag)
			_, _ = w.Write(s.content)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// A bundle is taken if its signature fits, with its data; anything else is refused, and what was there before goes on.
func TestLiveFollowsASignedBundle(t *testing.T) {
	t.Parallel()
	private, public := pair(t)
	stranger, _ := pair(t)
	s := newShelf(t)
	source, err := Bundle(BundleOptions{URL: s.URL, Key: public, Algorithm: "ES256", Token: func() string { return "s3cret" }})
	if err != nil {
		t.Fatal(err)
	}
	s.content = packed(t, limited, private, nil)
	l := live(t, source)
	if !l.plan(t) || s.token != "Bearer s3cret" {
		t.Errorf("it does not read the bundle's data, or sends %q", s.token)
	}
	l.look(t.Context())
	if s.sent != 1 {
		t.Errorf("it was sent %d times", s.sent)
	}
	first := l.Revision()
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"unsigned", packed(t, denies, "", nil), "signatures"},
		{"signed by another", packed(t, denies, stranger, nil), "verify"},
		{"changed after it was signed", packed(t, denies, private, func(b *bundle.Bundle) {
			for i := range b.Modules {
				b.Modules[i].Raw = bytes.Replace(b.Modules[i].Raw, []byte("false"), []byte("true "), 1)
			}
		}), "digest"},
		{"with a file that was not signed", packed(t, denies, private, func(b *bundle.Bundle) {
			b.Modules = append(b.Modules, bundle.ModuleFile{URL: "/x.rego", Path: "/x.rego", Raw: []byte("package x"), Parsed: ast.MustParseModule("package x")})
		}), "not included in bundle signature"},
		{"without a file that was signed", packed(t, denies, private, func(b *bundle.Bundle) { b.Modules = b.Modules[1:] }), "not found"},
		{"broken", packed(t, "package cortexops.plan\nallow := input.nothing\nreasons := []", private, nil), "undefined ref"},
		{"no bundle", []byte("<html>"), "read the policy bundle"},
		{"too large", bytes.Repeat([]byte("x"), maxPolicy+1), "larger than"},
		{"away", nil, "404"},
	} {
		s.content = c.content
		l.look(t.Context())
		if err := l.Current(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || !l.plan(t) || l.Revision() != first {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	s.content = packed(t, denies, private, nil)
	l.look(t.Context())
	if l.plan(t) || l.Current(t.Context()) != nil || l.Revision() == first {
		t.Errorf("the next good one is not taken: %v", l.Current(t.Context()))
	}
}

// The revision covers the data.
func TestBundleRevision(t *testing.T) {
	t.Parallel()
	private, public := pair(t)
	source, err := Bundle(BundleOptions{Key: public, Algorithm: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	revision := func(key string, pods int) string {
		set, err := source.(*remote).unpack(packed(t, limited, "", func(b *bundle.Bundle) {
			b.Data["limits"] = map[string]any{"pods": pods}
			if err := b.GenerateSignature(bundle.NewSigningConfig(key, "ES256", ""), "", true); err != nil {
				t.Fatal(err)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		return set.revision
	}
	if revision(private, 3) == revision(private, 4) {
		t.Error("other data, the same revision")
	}
	if first, again := revision(private, 3), revision(private, 3); first != again {
		t.Error("the same data, another revision")
	}
}

func TestBundleRefuses(t *testing.T) {
	t.Parallel()
	_, public := pair(t)
	for name, o := range map[string]BundleOptions{"no key": {URL: "http://x", Algorithm: "ES256"}, "no algorithm": {Key: public}, "none": {Key: public, Algorithm: "none"}} {
		if _, err := Bundle(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
