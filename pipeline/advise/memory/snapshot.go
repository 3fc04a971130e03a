package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
)

// Snapshots takes the collection out of Qdrant and puts it back. Qdrant makes a snapshot on gRPC, but hands its file out, and
// takes one, on its REST port only: 6333 of the same host.
type Snapshots struct {
	*Qdrant
	rest, key string
}

// NewSnapshots calls nothing. at is the gRPC address.
func NewSnapshots(at, key string) (*Snapshots, error) {
	q, err := NewQdrant(at, key)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, fmt.Errorf("the address of Qdrant: %w", err)
	}
	return &Snapshots{q, u.Scheme + "://" + net.JoinHostPort(u.Hostname(), "6333"), key}, nil
}

// Save makes a snapshot, fetches it into the file, and deletes it on the server.
func (s *Snapshots) Save(ctx context.Context, file string) (err error) {
	made, err := s.client.CreateSnapshot(ctx, Collection)
	if err != nil {
		return fmt.Errorf("make a snapshot of %s: %w", Collection, err)
	}
	defer func() { err = errors.Join(err, s.client.DeleteSnapshot(ctx, Collection, made.GetName())) }()
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = s.call(ctx, http.MethodGet, "/snapshots/"+url.PathEscape(made.GetName()), "", nil, out)
	return errors.Join(err, out.Close())
}

// Load puts the file's collection in the place of the one that is there.
func (s *Snapshots) Load(ctx context.Context, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	body, form := io.Pipe()
	parts := multipart.NewWriter(form)
	go func() { // ends when the request has read or closed body
		part, err := parts.CreateFormFile("snapshot", Collection+".snapshot")
		if err == nil {
			_, err = io.Copy(part, in)
		}
		form.CloseWithError(errors.Join(err, parts.Close()))
	}()
	defer body.Close()
	return s.call(ctx, http.MethodPost, "/snapshots/upload?priority=snapshot&wait=true", parts.FormDataContentType(), body, io.Discard)
}

func (s *Snapshots) call(ctx context.Context, method, path, kind string, body io.Reader, into io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, method, s.rest+"/collections/"+Collection+path, body)
	if err != nil {
		return fmt.Errorf("ask Qdrant: %w", err)
	}
	req.Header.Set("api-key", s.key)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	client := http.Client{CheckRedirect: func(req *http.Request, _ []*http.Request) error { // the key goes with every request
		return fmt.Errorf("Qdrant redirects to %s, where our key must not go: set its real address", req.URL.Host)
	}}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask Qdrant: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("Qdrant at %s answers %s to the snapshot of %s", s.rest, res.Status, Collection)
	}
	if _, err = io.Copy(into, res.Body); err != nil {
		return fmt.Errorf("read Qdrant's snapshot: %w", err)
	}
	return nil
}
