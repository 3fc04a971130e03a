package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
)

func reconcileCommand() *cobra.Command {
	return &cobra.Command{Use: "reconcile", Args: cobra.NoArgs,
		Short: "Compare the ledger with the trailers of the commits on the base branch; exit 1 and name what one has and the other lacks, as after a restore, or has otherwise",
		Long:  "Compare the ledger with the trailers of the commits on the base branch; exit 1 and name what one has and the other lacks, as after a restore.\nIt needs CORTEXOPS_FORGE_TOKEN, which reads the repository's contents, and CORTEXOPS_LEDGER_URL where the ledger is in Postgres.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loaded(cmd)
			if err != nil {
				return err
			}
			token, err := secret(os.Getenv, "CORTEXOPS_FORGE_TOKEN")
			if err != nil {
				return err
			}
			if token == "" && strings.HasPrefix(c.Git.URL, "http") {
				return errors.New("CORTEXOPS_FORGE_TOKEN is not set, nor CORTEXOPS_FORGE_TOKEN_FILE: git.url is read with it")
			}
			mirror, err := repo.Open(cmd.Context(), repo.Options{URL: c.Git.URL, Dir: c.Git.Directory + "-reconcile", User: "x-access-token",
				Token: func() string { return token }}) // not the worker's own mirror, which may be at work
			if err != nil {
				return err
			}
			return withLedger(cmd, func(l *ledger.Ledger) error {
				return reconcile(cmd.Context(), cmd.OutOrStdout(), l, mirror, c.Forge.Base)
			})
		}}
}

// merged is one row of the ledger that a commit on the base branch stands for.
type merged struct{ workflow, step string }

// testimony is what one side says of a merge.
type testimony struct {
	sha string
	by  []string // who approved, in lower case, sorted; nil: it does not say
}

var trailer = regexp.MustCompile(`(?m)^(Cortexops-Workflow|Cortexops-Reverts|Cortexops-Diff-Hash|Cortexops-Head|Approved-by): (\S+)$`)

// branch is what our trailers on the base branch say.
type branch struct {
	shas   map[string]bool
	merges map[merged]testimony
}

// read finds what was merged, with the SHA that says so, and in our merge commits who approved that.
func read(mirror *repo.Repo, base string) (branch, error) {
	b := branch{map[string]bool{}, map[merged]testimony{}}
	approved := map[string][]string{} // by the head that was merged
	err := mirror.History(base, func(sha, message string) error {
		b.shas[sha] = true
		said := map[string][]string{}
		for _, m := range trailer.FindAllStringSubmatch(message, -1) {
			said[m[1]] = append(said[m[1]], m[2])
		}
		last := func(key string) string {
			if n := len(said[key]); n > 0 {
				return said[key][n-1]
			}
			return ""
		}
		switch workflow := last("Cortexops-Workflow"); {
		case last("Cortexops-Head") != "":
			approved[last("Cortexops-Head")] = people(said["Approved-by"])
		case workflow == "":
		case last("Cortexops-Reverts") != "":
			b.merges[merged{workflow, "merge-revert"}] = testimony{sha: sha}
		case last("Cortexops-Diff-Hash") != "":
			b.merges[merged{workflow, "merge"}] = testimony{sha: sha}
		}
		return nil
	})
	for m, t := range b.merges {
		if by, ok := approved[t.sha]; ok && m.step == "merge" {
			b.merges[m] = testimony{t.sha, by}
		}
	}
	return b, err
}

func people(logins []string) []string {
	var out []string
	for _, who := range logins {
		out = append(out, strings.ToLower(who))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// recorded reads the ledger's rows of merges; found are those that a person did, or we before a restore: a fact, which stands for
// our own row.
func recorded(entries []incident.Entry) (rows map[merged]testimony, found map[merged]string, err error) {
	rows, found = map[merged]testimony{}, map[merged]string{}
	for _, e := range entries {
		key := incident.Key{Incident: e.Incident, Attempt: e.Attempt}.Workflow()
		person := e.Step == "approval-merged"
		if !person && (e.Kind != incident.Done || e.Step != "merge" && e.Step != "merge-revert") {
			continue
		}
		var of struct {
			SHA   string   `json:"sha"`
			Merge string   `json:"merge"`
			By    []string `json:"by"`
		}
		if err := json.Unmarshal(e.Detail, &of); err != nil {
			return nil, nil, fmt.Errorf("read the row %s of %s: %w", e.Step, e.Incident, err)
		}
		if person {
			found[merged{key, "merge"}] = of.Merge
			continue
		}
		rows[merged{key, e.Step}] = testimony{of.SHA, people(of.By)}
	}
	return rows, found, nil
}

// reconcile prints what git or the ledger lacks, and where they differ, one a line. Rows about what leaves no trace in git are
// not compared.
func reconcile(ctx context.Context, out io.Writer, l *ledger.Ledger, mirror *repo.Repo, base string) error {
	if err := mirror.Fetch(ctx); err != nil {
		return err
	}
	git, err := read(mirror, base)
	if err != nil {
		return err
	}
	entries, err := l.Entries(ctx, "")
	if err != nil {
		return err
	}
	rows, found, err := recorded(entries)
	if err != nil {
		return err
	}
	lines := compare(git, rows, found, base)
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	if len(lines) > 0 {
		return fmt.Errorf("the ledger and %s differ in %d row(s)", base, len(lines))
	}
	_, err = fmt.Fprintf(out, "%d merge(s), the same in the ledger and on %s\n", len(git.merges), base)
	return err
}

func compare(git branch, rows map[merged]testimony, found map[merged]string, base string) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, m := range inOrder(git.merges) {
		is := git.merges[m]
		row, there := rows[m]
		_, fact := found[m]
		switch {
		case !there && !fact:
			say("the ledger lacks the row %s of %q: commit %s is on %s", m.step, m.workflow, is.sha, base)
		case there && is.by != nil && !slices.Equal(is.by, row.by):
			say("git says that %q was approved by %q, the ledger has %q", m.workflow, is.by, row.by)
		}
	}
	for _, m := range inOrder(rows) {
		switch _, there := git.merges[m]; {
		case !there:
			say("git lacks the %s of %q: no commit on %s has its trailers, the ledger has it as %q", m.step, m.workflow, base, rows[m].sha)
		case !git.shas[rows[m].sha]:
			say("the ledger has the %s of %q as %q, which is not on %s", m.step, m.workflow, rows[m].sha, base)
		}
	}
	for _, m := range inOrder(found) {
		if _, ours := rows[m]; !ours && found[m] != "" && !git.shas[found[m]] {
			say("the ledger has the merge of %q by a person as %q, which is not on %s", m.workflow, found[m], base)
		}
	}
	return lines
}

func inOrder[T any](of map[merged]T) []merged {
	return slices.SortedFunc(maps.Keys(of), func(a, b merged) int {
		return cmp.Or(cmp.Compare(a.workflow, b.workflow), cmp.Compare(a.step, b.step))
	})
}
