package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
)

// maxCommits is how many commits one push may send. We push one at a time: more means that something is wrong.
const maxCommits = 100

// Push moves the branch from old to new, if it is at old; old "" creates it. A branch that is at new already is a
// success. Where it is elsewhere, *Moved says where. New need not come after old, as that of a rebased proposal does not;
// but where another than the committer of new made a commit that would be dropped, it is refused: *NotOurs.
func (r *Repo) Push(ctx context.Context, branch, old, new string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref := plumbing.NewBranchReferenceName(branch)
	if err := ref.Validate(); err != nil {
		return fmt.Errorf("push %q: %w", branch, err)
	}
	if old != "" && !plumbing.IsHash(old) {
		return fmt.Errorf("push %s: %q is no SHA", branch, old)
	}
	c, err := r.commit(new)
	if err != nil {
		return fmt.Errorf("push %s: %w", branch, err)
	}
	if old != "" {
		if err := r.dropsOthers(branch, old, c); err != nil {
			return fmt.Errorf("push %s: %w", branch, err)
		}
	}
	if err := r.push(ctx, ref, plumbing.NewHash(old), c); err != nil {
		return fmt.Errorf("push %s: %w", branch, err)
	}
	return nil
}

// push is the compare-and-swap. The server does the comparing; we look first, and once more after a refusal.
func (r *Repo) push(ctx context.Context, ref plumbing.ReferenceName, old plumbing.Hash, c *object.Commit) error {
	ctx, cancel := context.WithTimeout(ctx, netTimeout)
	defer cancel()
	done, err := r.send(ctx, ref, old, c)
	if err != nil && !done {
		// Refused, or the answer is lost: the remote knows.
		if have, lookErr := r.advertised(ctx, ref); lookErr == nil {
			err = r.judge(ref, old, c.Hash, have, err)
		}
	}
	if err != nil {
		return r.explain(err)
	}
	return r.git.Storer.SetReference(plumbing.NewHashReference(ref, c.Hash))
}

// judge says what it means that the remote's ref is at have after a push that failed with err.
func (r *Repo) judge(ref plumbing.ReferenceName, old, new, have plumbing.Hash, err error) error {
	switch have {
	case new:
		return nil
	case old:
		return err
	}
	return &Moved{Branch: ref.Short(), Want: text(old), Have: text(have)}
}

func text(h plumbing.Hash) string {
	if h.IsZero() {
		return ""
	}
	return h.String()
}

func (r *Repo) session() (transport.ReceivePackSession, error) {
	ep, err := transport.NewEndpoint(r.opts.URL)
	if err != nil {
		return nil, err
	}
	t, err := client.NewClient(ep)
	if err != nil {
		return nil, err
	}
	return t.NewReceivePackSession(ep, r.auth())
}

// advertisement is what the remote says that it has.
func advertisement(ctx context.Context, s transport.ReceivePackSession) (*packp.AdvRefs, error) {
	adv, err := s.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return packp.NewAdvRefs(), nil
	}
	return adv, err
}

// advertised is where the remote's ref is; the zero hash if it has none.
func (r *Repo) advertised(ctx context.Context, ref plumbing.ReferenceName) (plumbing.Hash, error) {
	s, err := r.session()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	defer s.Close()
	adv, err := advertisement(ctx, s)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return adv.References[ref.String()], nil
}

// send looks where the ref is and asks for the move if it is at old. done: err is the last word, there is nothing to
// look up.
func (r *Repo) send(ctx context.Context, ref plumbing.ReferenceName, old plumbing.Hash, c *object.Commit) (done bool, err error) {
	s, err := r.session()
	if err != nil {
		return true, err
	}
	defer s.Close()
	adv, err := advertisement(ctx, s)
	if err != nil {
		return true, err
	}
	if have := adv.References[ref.String()]; have != old {
		return true, r.judge(ref, old, c.Hash, have, nil)
	}
	if old == c.Hash {
		return true, nil
	}
	pack, err := r.pack(adv, c)
	if err != nil {
		return true, err
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(adv.Capabilities)
	if err := req.Capabilities.Set(capability.ReportStatus); err != nil { // without it a refusal is silent
		return true, err
	}
	req.Commands = []*packp.Command{{Name: ref, Old: old, New: c.Hash}}
	req.Packfile = io.NopCloser(pack)
	report, err := s.ReceivePack(ctx, req)
	if err != nil {
		return false, err
	}
	if report == nil {
		return false, errors.New("the server did not report what it did")
	}
	return false, report.Error()
}

// pack holds the objects of c that the remote does not have.
func (r *Repo) pack(adv *packp.AdvRefs, c *object.Commit) (*bytes.Buffer, error) {
	known, err := r.tips(adv)
	if err != nil {
		return nil, err
	}
	fresh, commits := map[plumbing.Hash]bool{}, 0
	for queue := []*object.Commit{c}; len(queue) > 0; queue = queue[1:] {
		c := queue[0]
		if fresh[c.Hash] {
			continue
		}
		has, err := reaches(known, c)
		if err != nil {
			return nil, err
		}
		if has {
			continue
		}
		if commits++; commits > maxCommits {
			return nil, fmt.Errorf("more than %d commits of it are new to the remote: fetch first", maxCommits)
		}
		fresh[c.Hash] = true
		var before *object.Tree
		for i, p := range c.ParentHashes {
			parent, err := r.git.CommitObject(p)
			if err != nil {
				return nil, fmt.Errorf("read commit %s: %w", p, err)
			}
			queue = append(queue, parent)
			if i == 0 {
				if before, err = parent.Tree(); err != nil {
					return nil, err
				}
			}
		}
		after, err := c.Tree()
		if err != nil {
			return nil, err
		}
		if err := r.addNew(fresh, before, after); err != nil {
			return nil, err
		}
	}
	var hashes []plumbing.Hash
	for h := range fresh {
		hashes = append(hashes, h)
	}
	var buf bytes.Buffer
	if _, err := packfile.NewEncoder(&buf, r.git.Storer, false).Encode(hashes, 0); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return &buf, nil
}

// tips are the commits that the remote is known to have: what it advertises, and what it had when we fetched.
func (r *Repo) tips(adv *packp.AdvRefs) ([]*object.Commit, error) {
	var out []*object.Commit
	for _, h := range adv.References {
		if c, err := r.git.CommitObject(h); err == nil {
			out = append(out, c)
		}
	}
	refs, err := r.git.References()
	if err != nil {
		return nil, err
	}
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		if c, err := r.git.CommitObject(ref.Hash()); err == nil {
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// skew is how far the dates of commits may run against their order.
const skew = 24 * time.Hour

// reaches reports whether c is one of the tips or an ancestor of one. It follows no commit that is older than c. A wrong
// no costs bytes, nothing else.
func reaches(tips []*object.Commit, c *object.Commit) (bool, error) {
	seen := map[plumbing.Hash]bool{}
	oldest := c.Committer.When.Add(-skew)
	for queue := tips; len(queue) > 0; queue = queue[1:] {
		t := queue[0]
		if t.Hash == c.Hash {
			return true, nil
		}
		if seen[t.Hash] || t.Committer.When.Before(oldest) {
			continue
		}
		seen[t.Hash] = true
		err := t.Parents().ForEach(func(p *object.Commit) error {
			queue = append(queue, p)
			return nil
		})
		if err != nil {
			return false, fmt.Errorf("walk the history: %w", err)
		}
	}
	return false, nil
}

// addNew adds the objects of the tree after that the tree before does not have in the same place.
func (r *Repo) addNew(fresh map[plumbing.Hash]bool, before, after *object.Tree) error {
	if before != nil && before.Hash == after.Hash || fresh[after.Hash] {
		return nil
	}
	fresh[after.Hash] = true
	had := map[string]object.TreeEntry{}
	if before != nil {
		for _, e := range before.Entries {
			had[e.Name] = e
		}
	}
	for _, e := range after.Entries {
		old, ok := had[e.Name]
		if ok && old.Hash == e.Hash || e.Mode == filemode.Submodule {
			continue
		}
		if e.Mode != filemode.Dir {
			fresh[e.Hash] = true
			continue
		}
		tree, err := r.git.TreeObject(e.Hash)
		if err != nil {
			return fmt.Errorf("read tree %s: %w", e.Hash, err)
		}
		var oldTree *object.Tree
		if ok && old.Mode == filemode.Dir {
			if oldTree, err = r.git.TreeObject(old.Hash); err != nil {
				return fmt.Errorf("read tree %s: %w", old.Hash, err)
			}
		}
		if err := r.addNew(fresh, oldTree, tree); err != nil {
			return err
		}
	}
	return nil
}
