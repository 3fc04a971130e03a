package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"

	"github.com/cortexops/cortexops/cmd/sandbox/kube/kubeconfig"
)

// lifetime of the authority and of what it signs: longer than any data folder is kept.
const lifetime = 10 * 365 * 24 * time.Hour

// pki is the sandbox's certificate authority and what is made from it. All of it is kept in
// one folder and read again after a restart, so that kubeconfigs and tokens given out before stay good.
type pki struct {
	dir    string
	server string // URL
	caPEM  []byte
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

// openPKI reads the authority in dir, or makes it.
func openPKI(dir, server string) (*pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of certificates: %w", err)
	}
	p := &pki{dir: dir, server: server}
	pair, err := p.pair("ca", func(key *ecdsa.PrivateKey) ([]byte, error) {
		t, err := template("sandbox-ca")
		if err != nil {
			return nil, err
		}
		t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
		return x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	})
	if err != nil {
		return nil, err
	}
	if p.ca, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return nil, fmt.Errorf("parse %s, remove the data folder to start anew: %w", p.path("ca.crt"), err)
	}
	p.caKey = pair.PrivateKey.(*ecdsa.PrivateKey)
	p.caPEM = encodeCert(pair.Certificate[0])
	return p, nil
}

// serving makes the API server's own certificate, for the loopback address.
func (p *pki) serving(ip net.IP) error {
	_, err := p.pair("server", func(key *ecdsa.PrivateKey) ([]byte, error) {
		t, err := template("kube-apiserver")
		if err != nil {
			return nil, err
		}
		t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		t.IPAddresses, t.DNSNames = []net.IP{ip}, []string{"localhost", "kubernetes.default.svc"}
		return x509.CreateCertificate(rand.Reader, t, p.ca, key.Public(), p.caKey)
	})
	return err
}

// client makes a certificate of a user in system:masters.
func (p *pki) client(user string) (kubeconfig.Access, error) {
	_, err := p.pair(user, func(key *ecdsa.PrivateKey) ([]byte, error) {
		t, err := template(user)
		if err != nil {
			return nil, err
		}
		t.Subject.Organization = []string{"system:masters"}
		t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		return x509.CreateCertificate(rand.Reader, t, p.ca, key.Public(), p.caKey)
	})
	if err != nil {
		return kubeconfig.Access{}, err
	}
	a := kubeconfig.Access{Server: p.server, CA: p.caPEM, User: user}
	if a.Cert, err = os.ReadFile(p.path(user + ".crt")); err != nil {
		return a, fmt.Errorf("read the certificate of %s: %w", user, err)
	}
	if a.Key, err = os.ReadFile(p.path(user + ".key")); err != nil {
		return a, fmt.Errorf("read the key of %s: %w", user, err)
	}
	return a, nil
}

func restConfig(a kubeconfig.Access) *rest.Config {
	return &rest.Config{
		Host: a.Server, UserAgent: a.User, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: a.CA, CertData: a.Cert, KeyData: a.Key},
	}
}

// accountKey makes the key that signs service-account tokens, and returns its file.
func (p *pki) accountKey() (string, error) {
	file := p.path("sa.key")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", fmt.Errorf("make the service-account key: %w", err)
	}
	return file, write(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// pair reads NAME.crt and NAME.key, or makes them with sign.
func (p *pki) pair(name string, sign func(*ecdsa.PrivateKey) ([]byte, error)) (tls.Certificate, error) {
	crt, key := p.path(name+".crt"), p.path(name+".key")
	pair, err := tls.LoadX509KeyPair(crt, key)
	if err == nil {
		return pair, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return pair, fmt.Errorf("load %s, remove the data folder to start anew: %w", crt, err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, fmt.Errorf("make the key of %s: %w", name, err)
	}
	der, err := sign(private)
	if err != nil {
		return pair, fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	raw, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return pair, fmt.Errorf("encode the key of %s: %w", name, err)
	}
	err = errors.Join(write(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})), write(crt, encodeCert(der)))
	if err != nil {
		return pair, err
	}
	return tls.LoadX509KeyPair(crt, key)
}

func template(cn string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lifetime),
	}, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// write makes the file appear whole or not at all: a process killed in between must not leave half a key.
func write(path string, b []byte) error {
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
