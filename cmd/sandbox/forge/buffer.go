package forge

import (
	"bytes"
	"maps"
	"net/http"
)

// buffered is an answer that is not sent yet.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newBuffered() *buffered { return &buffered{header: http.Header{}} }

func (b *buffered) Header() http.Header { return b.header }

func (b *buffered) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *buffered) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

func (b *buffered) send(w http.ResponseWriter) error {
	b.WriteHeader(http.StatusOK)
	maps.Copy(w.Header(), b.header)
	w.WriteHeader(b.status)
	_, err := w.Write(b.body.Bytes())
	return err
}
