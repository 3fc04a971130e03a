package main

import (
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
		Short: "Compare the ledger with the trailers of the commits on the base branch; exit 1 and name what one has and the other lacks, as after a restore",
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

var trailer = regexp.MustCompile(`(?m)^(Cortexops-Workflow|Cortexops-Reverts|Cortexops-Diff-Hash): (\S+)$`)

// commits finds what our trailers on the branch say was merged, with the SHA that says so.
func commits(mirror *repo.Repo, base string) (map[merged]string, error) {
	found := map[merged]string{}
	return found, mirror.History(base, func(sha, message string) error {
		said := map[string]string{}
		for _, m := range trailer.FindAllStringSubmatch(message, -1) {
			said[m[1]] = m[2]
		}
		switch {
		case said["Cortexops-Workflow"] == "":
		case said["Cortexops-Reverts"] != "":
			found[merged{said["Cortexops-Workflow"], "merge-revert"}] = sha
		case said["Cortexops-Diff-Hash"] != "":
			found[merged{said["Cortexops-Workflow"], "merge"}] = sha
		}
		return nil
	})
}

// reconcile prints what git or the ledger lacks, one a line. Rows about what leaves no trace in git are not compared.
func reconcile(ctx context.Context, out io.Writer, l *ledger.Ledger, mirror *repo.Repo, base string) error {
	if err := mirror.Fetch(ctx); err != nil {
		return err
	}
	git, err := commits(mirror, base)
	if err != nil {
		return err
	}
	entries, err := l.Entries(ctx, "")
	if err != nil {
		return err
	}
	rows, found := map[merged]string{}, map[merged]bool{}
	for _, e := range entries {
		key := incident.Key{Incident: e.Incident, Attempt: e.Attempt}.Workflow()
		if e.Step == "approval-merged" { // by a person, or by us before a restore: a fact, which stands for our own row
			found[merged{key, "merge"}] = true
		}
		if e.Kind == incident.Done && (e.Step == "merge" || e.Step == "merge-revert") {
			var of struct {
				SHA string `json:"sha"`
			}
			if err := json.Unmarshal(e.Detail, &of); err != nil {
				return fmt.Errorf("read the row %s of %s: %w", e.Step, e.Incident, err)
			}
			rows[merged{key, e.Step}] = of.SHA
		}
	}
	differ := 0
	order := func(a, b merged) int {
		return slices.Compare([]string{a.workflow, a.step}, []string{b.workflow, b.step})
	}
	for _, m := range slices.SortedFunc(maps.Keys(git), order) {
		if _, ok := rows[m]; !ok && !found[m] {
			differ++
			fmt.Fprintf(out, "the ledger lacks the row %s of %q: commit %s is on %s\n", m.step, m.workflow, git[m], base)
		}
	}
	for _, m := range slices.SortedFunc(maps.Keys(rows), order) {
		if _, ok := git[m]; !ok {
			differ++
			fmt.Fprintf(out, "git lacks the %s of %q: no commit on %s has its trailers, the ledger has it as %q\n", m.step, m.workflow, base, rows[m])
		}
	}
	if differ > 0 {
		return fmt.Errorf("the ledger and %s differ in %d row(s)", base, differ)
	}
	fmt.Fprintf(out, "%d merge(s), the same in the ledger and on %s\n", len(git), base)
	return nil
}
