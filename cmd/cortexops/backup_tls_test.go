package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// identity is a certificate for 127.0.0.1 that vouches for itself, and its key, which only Postgres may read.
func identity(t *testing.T) (certificate, key string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tls")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "postgres"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if nobody, err := user.Lookup("nobody"); os.Getuid() == 0 && err == nil { // as whom Postgres runs then
		uid, _ := strconv.Atoi(nobody.Uid)
		for _, path := range []string{dir, certificate, key} {
			if err := os.Chown(path, uid, -1); err != nil {
				t.Fatal(err)
			}
		}
	}
	return certificate, key
}

// TestTheProgramsHeedTLS dumps and restores over TCP. Without the URL's settings they would take any certificate.
func TestTheProgramsHeedTLS(t *testing.T) { // not parallel: it sets the environment
	certificate, key := identity(t)
	another, _ := identity(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	t.Setenv("PGPORT", port) // the server's too
	postgresURL(t, "-c", "listen_addresses=127.0.0.1", "-c", "ssl=on", "-c", "ssl_cert_file="+certificate, "-c", "ssl_key_file="+key)
	at := func(ca string) place {
		p, err := database("postgres://ledger:hunter2@" + address + "/cortexops?password=hunter2&sslmode=verify-full&sslrootcert=" + ca)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	file := filepath.Join(t.TempDir(), "cortexops.dump")
	if err := at(certificate).save(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if err := at(certificate).load(t.Context(), file); err != nil {
		t.Error(err)
	}
	for what, f := range map[string]func() error{
		"dump": func() error { return at(another).save(t.Context(), file+".none") }, "restore": func() error { return at(another).load(t.Context(), file) }} {
		if err := f(); err == nil || !strings.Contains(err.Error(), "certificate verify failed") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s with a certificate that nobody vouches for: %v", what, err)
		}
	}
}
