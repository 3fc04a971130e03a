package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/cortexops/cortexops/gitops/repo"
)

// author of what we commit, and its committer.
func (c *Config) author() repo.Author {
	return repo.Author{Name: c.Git.AuthorName, Email: c.Git.AuthorEmail}
}

// signer signs commits as the configuration says; nil: none is signed.
func (c *Config) signer() (repo.Signer, error) {
	from, key := c.Git.Signing, []byte(c.secrets.signingKey)
	switch {
	case from.Format == "" && from.KeyFile == "" && len(key) == 0:
		return nil, nil
	case from.Format == "":
		return nil, errors.New("git.signing.format is required where there is a key to sign with: ssh or openpgp")
	case from.KeyFile != "" && len(key) > 0:
		return nil, errors.New("the key to sign with is named twice: by git.signing.keyFile in the configuration, and by CORTEXOPS_GIT_SIGNING_KEY; remove one")
	case from.KeyFile == "" && len(key) == 0:
		return nil, errors.New("git.signing.format is set and there is no key: set git.signing.keyFile, or the environment variable CORTEXOPS_GIT_SIGNING_KEY")
	case from.KeyFile != "":
		var err error
		if key, err = os.ReadFile(from.KeyFile); err != nil {
			return nil, fmt.Errorf("git.signing.keyFile: %w", err)
		}
	}
	s, err := repo.NewSigner(from.Format, key)
	if err != nil {
		return nil, fmt.Errorf("git.signing: %w", err)
	}
	return s, nil
}
