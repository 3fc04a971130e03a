package repo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

const (
	cacheSize   = 16 * cache.MiByte
	largeObject = 1 << 20 // bytes; a bigger object is streamed, not cached
	openPacks   = 16      // else a pack is opened and closed for each object of it
	netTimeout  = 5 * time.Minute
)

// Options of Open.
type Options struct {
	URL    string        // https://…, or file:///… where git is installed
	Dir    string        // the mirror; made if it is not there, made anew if it is broken
	User   string        // of basic authentication; GitHub takes any name with a token
	Token  func() string // asked for each operation: it may be renewed; nil: none is needed
	Author Author        // of notes; by default CortexOps
	Signer Signer        // of every commit; nil: none is signed
}

// Repo is one repository.
type Repo struct {
	opts   Options
	mu     sync.Mutex // go-git is not safe for concurrent use, reads included
	git    *git.Repository
	remote *git.Remote
	// What is known of commits and of blobs never changes.
	steps   map[plumbing.Hash]*step
	answers map[asked]answer
}

// Open opens the mirror, or makes it and fetches everything.
func Open(ctx context.Context, o Options) (*Repo, error) {
	if o.URL == "" || o.Dir == "" {
		return nil, errors.New("open a repository: its URL and a folder for its mirror are needed")
	}
	if u, err := url.Parse(o.URL); strings.HasPrefix(o.URL, "http") && (err != nil || u.User != nil) { // errors name the URL, and people read them
		return nil, errors.New("open a repository: its URL cannot be read, or holds a user or a password: write it as https://HOST/PATH, the token is given apart")
	}
	if o.Author == (Author{}) {
		o.Author = Author{"CortexOps", "cortexops@localhost"}
	}
	r := &Repo{opts: o, steps: map[plumbing.Hash]*step{}, answers: map[asked]answer{}}
	if err := r.open(o.Dir); err == nil {
		return r, nil
	}
	if err := r.make(ctx); err != nil {
		return nil, fmt.Errorf("mirror %s: %w", o.URL, err)
	}
	return r, r.open(o.Dir)
}

// make fetches into a folder beside the mirror's and renames it, so that a mirror is whole or not there.
func (r *Repo) make(ctx context.Context) error {
	parent, name := filepath.Dir(r.opts.Dir), filepath.Base(r.opts.Dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	stale, err := filepath.Glob(filepath.Join(parent, name+".new-*"))
	if err != nil {
		return err
	}
	for _, dir := range stale { // left by a crash
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(parent, name+".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, err := git.Init(storage(dir), nil)
	if err != nil {
		return err
	}
	if _, err := g.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{r.opts.URL}}); err != nil {
		return err
	}
	if err := r.open(dir); err != nil {
		return err
	}
	if err := r.Fetch(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(r.opts.Dir); err != nil {
		return err
	}
	return os.Rename(dir, r.opts.Dir)
}

func storage(dir string) *filesystem.Storage {
	return filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRU(cacheSize),
		filesystem.Options{LargeObjectThreshold: largeObject, MaxOpenDescriptors: openPacks})
}

// open opens a mirror and looks whether it is whole and of this remote.
func (r *Repo) open(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "config")); err != nil {
		return err
	}
	g, err := git.Open(storage(dir), nil)
	if err != nil {
		return err
	}
	remote, err := g.Remote("origin")
	if err != nil {
		return err
	}
	if urls := remote.Config().URLs; len(urls) != 1 || urls[0] != r.opts.URL {
		return fmt.Errorf("the mirror is of %s", strings.Join(urls, ", "))
	}
	refs, err := g.References()
	if err != nil {
		return err
	}
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() != plumbing.HashReference {
			return nil
		}
		c, err := g.CommitObject(ref.Hash())
		if err != nil {
			return err
		}
		_, err = c.Tree()
		return err
	})
	if err != nil {
		return err
	}
	r.git, r.remote = g, remote
	return nil
}

func (r *Repo) auth() transport.AuthMethod {
	if r.opts.Token == nil {
		return nil
	}
	return &githttp.BasicAuth{Username: r.opts.User, Password: r.opts.Token()}
}

// Fetch brings every branch up to date, forgets those that are gone, and fetches the notes.
func (r *Repo) Fetch(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetch(ctx)
}

func (r *Repo) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, netTimeout)
	defer cancel()
	// A + in the refspec would make Prune delete every ref first; Force does what it is for.
	err := r.remote.FetchContext(ctx, &git.FetchOptions{Auth: r.auth(), Force: true, Prune: true, Tags: git.NoTags,
		RefSpecs: []config.RefSpec{"refs/heads/*:refs/heads/*", "refs/notes/*:refs/notes/*"}})
	if err == nil || errors.Is(err, git.NoErrAlreadyUpToDate) || errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return nil
	}
	return fmt.Errorf("fetch: %w", r.explain(err))
}

// explain makes the remote's refusal of our token a type.
func (r *Repo) explain(err error) error {
	if errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed) {
		return &Unauthorized{r.opts.URL, errors.Is(err, transport.ErrAuthenticationRequired), err}
	}
	return err
}

// Head is the commit of the branch, as last fetched, or ErrNoBranch.
func (r *Repo) Head(branch string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref, err := r.git.Reference(plumbing.NewBranchReferenceName(branch), false)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return "", fmt.Errorf("%s: %w", branch, ErrNoBranch)
	}
	if err != nil {
		return "", fmt.Errorf("read branch %s: %w", branch, err)
	}
	return ref.Hash().String(), nil
}

// commit reads one; the caller holds the lock.
func (r *Repo) commit(sha string) (*object.Commit, error) {
	if !plumbing.IsHash(sha) {
		return nil, fmt.Errorf("%q is no SHA: %w", sha, ErrNoCommit)
	}
	c, err := r.git.CommitObject(plumbing.NewHash(sha))
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("%s: %w", sha, ErrNoCommit)
	}
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", sha, err)
	}
	return c, nil
}

// Parents of a commit, the first one first.
func (r *Repo) Parents(sha string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.commit(sha)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range c.ParentHashes {
		out = append(out, p.String())
	}
	return out, nil
}

// Message of a commit.
func (r *Repo) Message(sha string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.commit(sha)
	if err != nil {
		return "", err
	}
	return c.Message, nil
}

// IsAncestor reports whether b is a, or comes after it.
func (r *Repo) IsAncestor(a, b string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ca, err := r.commit(a)
	if err != nil {
		return false, err
	}
	cb, err := r.commit(b)
	if err != nil {
		return false, err
	}
	return ca.IsAncestor(cb)
}
