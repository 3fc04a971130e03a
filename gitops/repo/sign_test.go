package repo

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"
)

// keys are made anew: a private key and what git needs to trust it.
func sshKey(t *testing.T, private any, passphrase string) (key []byte, public string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), string(ssh.MarshalAuthorizedKey(s.PublicKey()))
}

func pgpKey(t *testing.T, algorithm packet.PublicKeyAlgorithm, lock string) (key, public []byte) {
	t.Helper()
	config := &packet.Config{Algorithm: algorithm, RSABits: 2048, Curve: packet.Curve25519, Time: func() time.Time { return noon.AddDate(0, -1, 0) }}
	if algorithm == packet.PubKeyAlgoECDSA {
		config.Curve = packet.CurveNistP256
	}
	e, err := openpgp.NewEntity("CortexOps", "", bot.Email, config)
	if err != nil {
		t.Fatal(err)
	}
	if lock != "" {
		if err := e.EncryptPrivateKeys([]byte(lock), nil); err != nil {
			t.Fatal(err)
		}
	}
	write := func(kind string, serialize func(w *bytes.Buffer) error) []byte {
		var raw, out bytes.Buffer
		if err := serialize(&raw); err != nil {
			t.Fatal(err)
		}
		w, err := armor.Encode(&out, kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(raw.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	return write(openpgp.PrivateKeyType, func(w *bytes.Buffer) error { return e.SerializePrivateWithoutSigning(w, nil) }),
		write(openpgp.PublicKeyType, func(w *bytes.Buffer) error { return e.Serialize(w) })
}

// git verifies what we signed, and a commit that is made again is the same commit.
func TestSignedCommitsVerify(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, public := sshKey(t, private, "")
	eddsa, eddsaPublic := pgpKey(t, packet.PubKeyAlgoEdDSA, "")
	rsa, rsaPublic := pgpKey(t, packet.PubKeyAlgoRSA, "")
	for name, c := range map[string]struct {
		format     string
		key, trust []byte
		program    string
	}{
		"SSH Ed25519":     {SSH, key, []byte(bot.Email + " " + public), "ssh-keygen"},
		"OpenPGP Ed25519": {OpenPGP, eddsa, eddsaPublic, "gpg"},
		"OpenPGP RSA":     {OpenPGP, rsa, rsaPublic, "gpg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(c.program); err != nil {
				t.Skip("not run: " + c.program + " is not installed")
			}
			r := newRemote(t)
			first := r.commit("main", "seed", map[string]string{"README.md": "shop\n"})
			signer, err := NewSigner(c.format, c.key)
			if err != nil {
				t.Fatal(err)
			}
			var made []string
			for range 2 {
				g, err := Open(ctx, Options{URL: r.url, Dir: filepath.Join(t.TempDir(), "mirror"), User: "x", Token: func() string { return token }, Signer: signer})
				if err != nil {
					t.Fatal(err)
				}
				sha := mustCommit(t, g, r.spec(first, map[string]string{"README.md": "signed\n"}))
				if err := g.Push(ctx, "signed", "", sha); err != nil {
					t.Fatal(err)
				}
				made = append(made, sha)
			}
			equal(t, "the same commit elsewhere", made[1], made[0])
			r.trust(c.format, c.trust)
			r.git("verify-commit", made[0])
			equal(t, "verdict", r.git("log", "-1", "--format=%G?", made[0]), "G")
			r.git("fsck", "--strict")
			forged := strings.Replace(r.git("cat-file", "commit", made[0]), "more memory", "no memory", 1) + "\n"
			other := strings.TrimSpace(r.run(r.dir, forged, "hash-object", "-t", "commit", "-w", "--stdin"))
			equal(t, "a forged one", r.git("log", "-1", "--format=%G?", other), "B")
		})
	}
}

// trust makes git know the key.
func (r *remote) trust(format string, key []byte) {
	r.t.Helper()
	file := filepath.Join(r.home, "trusted")
	if err := os.WriteFile(file, key, 0o600); err != nil {
		r.t.Fatal(err)
	}
	if format == SSH {
		r.git("config", "gpg.ssh.allowedSignersFile", file)
		return
	}
	home := filepath.Join(r.home, ".gnupg")
	if err := os.Mkdir(home, 0o700); err != nil {
		r.t.Fatal(err)
	}
	for _, args := range [][]string{{"--import", file}, {"--import-ownertrust"}} {
		cmd := exec.Command("gpg", append([]string{"--batch", "--quiet", "--homedir", home}, args...)...)
		if len(args) == 1 {
			out, err := exec.Command("gpg", "--homedir", home, "--with-colons", "--list-keys").Output()
			if err != nil {
				r.t.Fatal(err)
			}
			fingerprint := strings.Split(string(out), "fpr:::::::::")[1]
			cmd.Stdin = strings.NewReader(fingerprint[:strings.Index(fingerprint, ":")] + ":6:\n")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			r.t.Fatalf("gpg %v: %v\n%s", args, err, out)
		}
	}
}

// Keys that would fail later, or would sign the same commit in two ways, are refused at once and never quoted.
func TestSignerRefuses(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	locked, public := sshKey(t, private, "secret")
	random, _ := sshKey(t, p256, "")
	pgpLocked, pgpPublic := pgpKey(t, packet.PubKeyAlgoEdDSA, "secret")
	pgpRandom, _ := pgpKey(t, packet.PubKeyAlgoECDSA, "")
	for name, c := range map[string]struct {
		format string
		key    []byte
		says   string
	}{
		"no such format":         {"x509", locked, "x509"},
		"no format":              {"", locked, "no format"},
		"SSH, a passphrase":      {SSH, locked, "passphrase"},
		"SSH, a public key":      {SSH, []byte(public), "no private SSH key"},
		"SSH, ECDSA":             {SSH, random, "ecdsa-sha2-nistp256"},
		"SSH, nothing":           {SSH, nil, "no private SSH key"},
		"OpenPGP, a passphrase":  {OpenPGP, pgpLocked, "passphrase"},
		"OpenPGP, a public key":  {OpenPGP, pgpPublic, "private OpenPGP key"},
		"OpenPGP, ECDSA":         {OpenPGP, pgpRandom, "differently each time"},
		"OpenPGP, an SSH key":    {OpenPGP, random, "private OpenPGP key"},
		"OpenPGP, not even text": {OpenPGP, []byte{0, 1}, "private OpenPGP key"},
	} {
		s, err := NewSigner(c.format, c.key)
		if err == nil || s != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
