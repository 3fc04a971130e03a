package policies

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/keys"
)

// BundleOptions of Bundle.
type BundleOptions struct {
	URL       string
	Key       string        // PEM of the public key that the bundle is signed with, or the secret of HS256 and its kin
	Algorithm string        // of the signature, such as RS256
	Token     func() string // bearer token; nil or "": none
}

// Bundle is a signed OPA bundle behind a URL, as `opa build --signing-key` makes it. One whose signature does not fit, or that
// has none, is refused. OPA's own plugin would bring its server and its registries along; its reader is all that is needed.
func Bundle(o BundleOptions) (Source, error) {
	if o.Key == "" {
		return nil, errors.New("a policy bundle needs the key that it is signed with")
	}
	if !keys.IsSupportedAlgorithm(o.Algorithm) {
		return nil, fmt.Errorf("%q is no algorithm that a policy bundle is signed with: RS256 is one, or ES256", o.Algorithm)
	}
	key := &bundle.KeyConfig{Key: o.Key, Algorithm: o.Algorithm}
	const ours = "cortexops" // whatever the bundle calls it
	return &remote{BundleOptions: o, client: &http.Client{Timeout: 30 * time.Second},
		verify: bundle.NewVerificationConfig(map[string]*bundle.KeyConfig{ours: key}, ours, "", nil)}, nil
}

type remote struct {
	BundleOptions
	client *http.Client
	verify *bundle.VerificationConfig
	etag   string // of the last one that could be read
}

// Load asks for what has changed since. It is for one caller at a time.
func (r *remote) Load(ctx context.Context) (*Set, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch the policy bundle: %w", err)
	}
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
	}
	if r.Token != nil && r.Token() != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token())
	}
	answer, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch the policy bundle: %w", err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		return nil, nil
	default:
		return nil, fmt.Errorf("fetch the policy bundle: %s answers %s", req.URL.Redacted(), answer.Status)
	}
	packed, err := io.ReadAll(io.LimitReader(answer.Body, maxPolicy+1))
	if err != nil {
		return nil, fmt.Errorf("fetch the policy bundle: %w", err)
	}
	if len(packed) > maxPolicy {
		return nil, fmt.Errorf("the policy bundle is larger than %d KiB", maxPolicy>>10)
	}
	set, err := r.unpack(packed)
	if err != nil {
		return nil, err
	}
	r.etag = answer.Header.Get("ETag")
	return set, nil
}

func (r *remote) unpack(packed []byte) (*Set, error) {
	b, err := bundle.NewReader(bytes.NewReader(packed)).WithBundleVerificationConfig(r.verify).WithSizeLimitBytes(maxPolicy).WithRegoVersion(ast.RegoV1).Read()
	if err != nil {
		return nil, fmt.Errorf("read the policy bundle: %w", err)
	}
	if b.Type() != bundle.SnapshotBundleType {
		return nil, fmt.Errorf("the policy bundle is a %s: it must be a snapshot", b.Type())
	}
	files := map[string]string{}
	for _, m := range b.Modules {
		files[strings.TrimPrefix(m.Path, "/")] = string(m.Raw)
	}
	raw, err := json.Marshal(b.Data) // in the order of the keys
	if err != nil {
		return nil, fmt.Errorf("read the policy bundle's data: %w", err)
	}
	set, err := newSet(files, b.Data, raw)
	if err == nil {
		set.whole = true
	}
	return set, err
}
