package repo

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Signer signs commits. Its signature is a function of the commit and of its date: a commit that is made again, here or
// elsewhere, must have the same SHA.
type Signer interface {
	Sign(commit []byte, date time.Time) (armored []byte, err error)
}

// The formats of signatures, as gpg.format of git names them.
const (
	SSH     = "ssh"
	OpenPGP = "openpgp"
)

// NewSigner reads a private key without a passphrase: an Ed25519 key of OpenSSH, or an armored OpenPGP key whose
// signatures do not depend on chance, such as Ed25519 and RSA.
func NewSigner(format string, key []byte) (Signer, error) {
	switch format {
	case SSH:
		return newSSHSigner(key)
	case OpenPGP:
		return newPGPSigner(key)
	}
	return nil, fmt.Errorf("%q is no format of signatures: %s and %s are", format, SSH, OpenPGP)
}

type sshSigner struct{ key ssh.Signer }

func newSSHSigner(key []byte) (Signer, error) {
	s, err := ssh.ParsePrivateKey(key)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, errors.New("the SSH key is protected by a passphrase: one without is needed")
	case err != nil:
		return nil, errors.New("it is no private SSH key: ssh-keygen -t ed25519 makes one") // err may quote the key
	case s.PublicKey().Type() != ssh.KeyAlgoED25519:
		return nil, fmt.Errorf("the SSH key is of type %s, not %s: ssh-keygen -t ed25519 makes one", s.PublicKey().Type(), ssh.KeyAlgoED25519)
	}
	return sshSigner{s}, nil
}

func (s sshSigner) Sign(commit []byte, _ time.Time) ([]byte, error) {
	sig, err := sshsig.Sign(bytes.NewReader(commit), s.key, sshsig.HashSHA512, "git")
	if err != nil {
		return nil, err
	}
	return sshsig.Armor(sig), nil
}

type pgpSigner struct{ key *openpgp.Entity }

func newPGPSigner(key []byte) (Signer, error) {
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(key))
	if err != nil || len(ring) != 1 || ring[0].PrivateKey == nil {
		return nil, errors.New("it is not exactly one private OpenPGP key: gpg --armor --export-secret-keys ID gives one")
	}
	s, now := pgpSigner{ring[0]}, time.Now()
	by, ok := ring[0].SigningKeyById(now, 0)
	if !ok {
		return nil, errors.New("the OpenPGP key may not sign, or has expired")
	}
	if by.PrivateKey == nil || by.PrivateKey.Encrypted {
		return nil, errors.New("the OpenPGP key is protected by a passphrase: one without is needed")
	}
	one, err := s.Sign(nil, now)
	if err != nil {
		return nil, fmt.Errorf("try the OpenPGP key: %w", err)
	}
	two, err := s.Sign(nil, now)
	if err != nil {
		return nil, fmt.Errorf("try the OpenPGP key: %w", err)
	}
	if !bytes.Equal(one, two) {
		return nil, errors.New("the OpenPGP key signs the same commit differently each time, so that a retry would make another one: use an Ed25519 or RSA key")
	}
	return s, nil
}

func (s pgpSigner) Sign(commit []byte, date time.Time) ([]byte, error) {
	// By itself the library adds a random salt and the time of now to each signature.
	config := &packet.Config{DefaultHash: crypto.SHA512, Time: func() time.Time { return date },
		NonDeterministicSignaturesViaNotation: packet.BoolPointer(false)}
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, s.key, bytes.NewReader(commit), config); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// sign puts the signature into the commit.
func (r *Repo) sign(c *object.Commit) error {
	if r.opts.Signer == nil {
		return nil
	}
	var o plumbing.MemoryObject
	if err := c.EncodeWithoutSignature(&o); err != nil {
		return err
	}
	rd, err := o.Reader()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(rd)
	if err != nil {
		return err
	}
	sig, err := r.opts.Signer.Sign(data, c.Committer.When)
	c.PGPSignature = string(sig)
	return err
}
