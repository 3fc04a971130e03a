// Package kubeconfig writes and reads the sandbox's kubeconfig files. Every one of them
// verifies the server by the sandbox's own authority; none can be told not to.
package kubeconfig

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Access is one identity at one server. It is either a certificate and its key or a token.
type Access struct {
	Server string
	CA     []byte // PEM
	User   string // only a name in the file
	Token  string
	Cert   []byte // PEM
	Key    []byte // PEM
}

// Write puts the access into a kubeconfig that only its owner can read. It appears whole or not at all.
func Write(path string, a Access) error {
	cfg := api.NewConfig()
	cfg.Clusters["sandbox"] = &api.Cluster{Server: a.Server, CertificateAuthorityData: a.CA}
	cfg.AuthInfos[a.User] = &api.AuthInfo{Token: a.Token, ClientCertificateData: a.Cert, ClientKeyData: a.Key}
	cfg.Contexts["sandbox"] = &api.Context{Cluster: "sandbox", AuthInfo: a.User}
	cfg.CurrentContext = "sandbox"
	b, err := clientcmd.Write(*cfg)
	if err != nil {
		return fmt.Errorf("encode the kubeconfig of %s: %w", a.User, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", a.User, err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", a.User, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", a.User, err)
	}
	return nil
}

// Load reads a kubeconfig. The client that it gives is not throttled: the sandbox's server is its own.
func Load(path string) (*rest.Config, error) {
	rc, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s, which the sandbox's kube writes when it starts: %w", path, err)
	}
	rc.QPS, rc.Burst = -1, 0
	return rc, nil
}
