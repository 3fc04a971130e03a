package forge

import (
	"context"
	"net/http"
	"strings"
)

// maxPatch is how large a diff of one file may be to be shown, as on GitHub about.
const maxPatch = 1 << 20

func (f *Forge) listFiles(c *call) (int, any, error) {
	list := []object{}
	err := f.view(func(s *state) error {
		p, err := c.pull(s)
		if err != nil {
			return err
		}
		all, err := f.files(c.r.Context(), p)
		list = append(list, page(c, all)...)
		return err
	})
	return http.StatusOK, list, err
}

// files are what the pull request changes, one answer for each.
func (f *Forge) files(ctx context.Context, p *pull) (list []object, err error) {
	text, err := f.repo.diff(ctx, p.BaseSHA, p.HeadSHA)
	if err != nil {
		return nil, err
	}
	for _, one := range strings.Split("\n"+text, "\ndiff --git ")[1:] {
		shown, _ := parseDiff("diff --git " + one)
		d := shown[0]
		o := object{"filename": d.Path, "status": "modified", "additions": d.Additions, "deletions": d.Deletions, "changes": d.Additions + d.Deletions,
			"blob_url":     f.opt.URL + "/" + f.opt.Owner + "/" + f.opt.Repo + "/blob/" + p.HeadSHA + "/" + d.Path,
			"raw_url":      f.opt.URL + "/" + f.opt.Owner + "/" + f.opt.Repo + "/raw/" + p.HeadSHA + "/" + d.Path,
			"contents_url": f.wire.base() + "/contents/" + d.Path + "?ref=" + p.HeadSHA}
		was, renamed := strings.CutPrefix(d.Note, "renamed from ")
		switch {
		case renamed:
			o["status"], o["previous_filename"] = "renamed", was
		case d.Note == "new":
			o["status"] = "added"
		case d.Note == "deleted":
			o["status"] = "removed"
		}
		if o["sha"], err = f.blobOf(ctx, p, d.Path, one); err != nil {
			return nil, err
		}
		if _, hunks, found := strings.Cut(one, "\n@@ "); found && len(hunks) < maxPatch {
			o["patch"] = "@@ " + strings.TrimSuffix(hunks, "\n")
		}
		list = append(list, o)
	}
	return list, nil
}

// blobOf is the file as the head has it, or as it was before the head removed it.
func (f *Forge) blobOf(ctx context.Context, p *pull, path, diff string) (string, error) {
	if _, index, found := strings.Cut(diff, "\nindex "); found {
		old, now, _ := strings.Cut(strings.Fields(index)[0], "..")
		if now == noSHA {
			return old, nil
		}
		return now, nil
	}
	out, err := f.repo.run(ctx, nil, "rev-parse", "--verify", p.HeadSHA+":"+path) // it has another path, and is what it was
	return strings.TrimSpace(out), err
}
