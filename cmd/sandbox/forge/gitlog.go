package forge

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

type commit struct {
	SHA, Tree         string
	Author, Committer signature
	Message           string
}

// Subject is the first line of the message, Rest what follows.
func (c commit) Subject() string { s, _, _ := strings.Cut(c.Message, "\n"); return s }
func (c commit) Rest() string {
	_, rest, _ := strings.Cut(c.Message, "\n")
	return strings.TrimSpace(rest)
}

// No field of a commit can hold a NUL.
const logFormat = "--format=tformat:%H%x00%T%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00"

// commits are those of to that from has not, oldest first, the newest max of them.
func (r *repository) commits(ctx context.Context, from, to string, max int) ([]commit, error) {
	args := []string{"log", "--reverse", "--max-count=" + strconv.Itoa(max), logFormat, to}
	if from != "" {
		args = append(args, "^"+from)
	}
	out, err := r.run(ctx, nil, append(args, "--")...)
	if err != nil {
		return nil, err
	}
	fields := strings.Split(out, "\x00")
	var commits []commit
	for ; len(fields) > 9; fields = fields[9:] {
		authored, err := unix(fields[4])
		if err != nil {
			return nil, err
		}
		committed, err := unix(fields[7])
		if err != nil {
			return nil, err
		}
		commits = append(commits, commit{
			SHA: strings.TrimSpace(fields[0]), Tree: fields[1],
			Author:    signature{Name: fields[2], Email: fields[3], When: authored},
			Committer: signature{Name: fields[5], Email: fields[6], When: committed},
			Message:   strings.TrimRight(fields[8], "\n"),
		})
	}
	return commits, nil
}

func unix(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read a commit's date: %w", err)
	}
	return time.Unix(n, 0).UTC(), nil
}

// touched are the paths that a commit added, removed and modified against its
// first parent.
func (r *repository) touched(ctx context.Context, sha string) (added, removed, modified []string, err error) {
	added, removed, modified = []string{}, []string{}, []string{}
	out, err := r.run(ctx, nil, "diff-tree", "--root", "-r", "-m", "--first-parent", "--no-commit-id", "--no-renames", "--name-status", "-z", sha)
	if err != nil {
		return nil, nil, nil, err
	}
	fields := strings.Split(out, "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		switch path := fields[i+1]; fields[i] {
		case "A":
			added = append(added, path)
		case "D":
			removed = append(removed, path)
		default:
			modified = append(modified, path)
		}
	}
	return added, removed, modified, nil
}

// diff is what head brings since it left base.
func (r *repository) diff(ctx context.Context, base, head string) (string, error) {
	return r.run(ctx, nil, "diff", "--no-color", "--full-index", "--no-ext-diff", "--no-textconv", "--find-renames", base+"..."+head, "--")
}

type diffStat struct{ Commits, Additions, Deletions, Files int }

func (r *repository) stat(ctx context.Context, base, head string) (diffStat, error) {
	var s diffStat
	out, err := r.run(ctx, nil, "diff", "--numstat", "--no-ext-diff", "--no-textconv", "--find-renames", base+"..."+head, "--")
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(out) {
		fields := strings.SplitN(line, "\t", 3)
		if len(fields) < 3 {
			continue
		}
		a, _ := strconv.Atoi(fields[0]) // "-" for a binary file: no lines
		d, _ := strconv.Atoi(fields[1])
		s.Additions, s.Deletions, s.Files = s.Additions+a, s.Deletions+d, s.Files+1
	}
	out, err = r.run(ctx, nil, "rev-list", "--count", head, "^"+base, "--")
	if err != nil {
		return s, err
	}
	s.Commits, err = strconv.Atoi(strings.TrimSpace(out))
	return s, err
}

// firstWith is the oldest commit on the first-parent line from..to that holds head.
func (r *repository) firstWith(ctx context.Context, from, to, head string) (string, error) {
	args := []string{"rev-list", "--first-parent", "--reverse", "--max-count=200", to}
	if from != "" {
		args = append(args, "^"+from)
	}
	out, err := r.run(ctx, nil, append(args, "--")...)
	if err != nil {
		return "", err
	}
	for sha := range strings.FieldsSeq(out) {
		if ok, err := r.isAncestor(ctx, head, sha); err != nil || ok {
			return sha, err
		}
	}
	return to, nil
}
