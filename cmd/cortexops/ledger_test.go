package main

import (
	"encoding/csv"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
)

// filled is a configuration whose ledger has two rows, one of them with what CSV and JSON must quote.
func filled(t *testing.T) (config string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	config = configured(t, "", path)
	say(t, config, "migrate")
	l, err := ledger.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for step, detail := range map[string]string{"a": `{"why":"<b>, \"c\"\n"}`, "b": ""} {
		if _, err := l.Append(t.Context(), incident.Entry{Incident: "0123456789ab", Attempt: 1, Phase: incident.Planning, Step: step, Kind: incident.Event,
			Actor: "sam", Detail: []byte(detail), At: time.Date(2026, 11, 28, 10, 0, 0, 120, time.UTC)}); err != nil {
			t.Fatal(err)
		}
	}
	return config
}

// What is exported can be checked without the ledger, as the help says.
func TestLedgerExport(t *testing.T) {
	t.Parallel()
	config := filled(t)
	columns := []string{"seq", "incident", "attempt", "phase", "step", "kind", "actor", "detail", "at", "prevHash", "hash"}
	chained := func(rows [][]string) {
		t.Helper()
		last := ""
		for i, r := range rows {
			if r[0] != strconv.Itoa(i+1) || r[9] != last || r[10] != incident.Digest(slices.Concat(r[9:10], r[:9])...) {
				t.Errorf("row %d is %q", i+1, r)
			}
			last = r[10]
		}
		if len(rows) != 2 {
			t.Errorf("%d rows", len(rows))
		}
	}
	var rows [][]string
	for line := range strings.Lines(say(t, config, "ledger", "export")) {
		var of map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &of); err != nil {
			t.Fatal(err)
		}
		var row []string
		for _, c := range columns {
			cell := string(of[c])
			if text := ""; json.Unmarshal(of[c], &text) == nil {
				cell = text
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	chained(rows)
	rows, err := csv.NewReader(strings.NewReader(say(t, config, "ledger", "export", "--format", "csv"))).ReadAll()
	if err != nil || !slices.Equal(rows[0], columns) {
		t.Fatalf("%v %v", rows, err)
	}
	chained(rows[1:])
	if out, err := says(t, config, "ledger", "export", "--format", "xml"); err == nil || out != "" {
		t.Errorf("xml: %v %s", err, out)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	merge, revert := merged{"remediation/0123456789ab/1", "merge"}, merged{"remediation/0123456789ab/1", "merge-revert"}
	git := branch{map[string]bool{"m": true, "c": true}, map[merged]testimony{merge: {"c", []string{"sam"}}}}
	for name, c := range map[string]struct {
		rows  map[merged]testimony
		found map[merged]string
		want  string
	}{
		"the same":                   {map[merged]testimony{merge: {"m", []string{"sam"}}}, nil, ""},
		"merged by a person":         {nil, map[merged]string{merge: "m"}, ""},
		"a fact of an older ledger":  {nil, map[merged]string{merge: ""}, ""},
		"no row":                     {nil, nil, `the ledger lacks the row merge of "remediation/0123456789ab/1": commit c is on main`},
		"approved by another":        {map[merged]testimony{merge: {"m", []string{"dana"}}}, nil, `was approved by ["sam"], the ledger has ["dana"]`},
		"approved by one more":       {map[merged]testimony{merge: {"m", []string{"dana", "sam"}}}, nil, `the ledger has ["dana" "sam"]`},
		"another commit":             {map[merged]testimony{merge: {"x", []string{"sam"}}}, nil, `as "x", which is not on main`},
		"a person's, another commit": {nil, map[merged]string{merge: "x"}, `by a person as "x", which is not on main`},
		"a revert that git lacks":    {map[merged]testimony{merge: {"m", []string{"sam"}}, revert: {"r", nil}}, nil, `git lacks the merge-revert of`},
	} {
		got := strings.Join(compare(git, c.rows, c.found, "main"), "\n")
		if !strings.Contains(got, c.want) || c.want == "" && got != "" || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Who approved is read in the merge commit of the head, whatever the case of its login.
func TestReconcileReadsTheApprovals(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	git(t, work, "init", "-q", "-b", "main")
	git(t, work, "commit", "-q", "--allow-empty", "-m", "fix: it\n\nCortexops-Workflow: remediation/0123456789ab/1\nCortexops-Diff-Hash: sha256:ab")
	head := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
	git(t, work, "commit", "-q", "--allow-empty", "-m", "Merge pull request #1\n\nApproved-by: Sam\nApproved-by: dana\nCortexops-Head: "+head)
	merge := strings.TrimSpace(git(t, work, "rev-parse", "HEAD"))
	path := filepath.Join(t.TempDir(), "ledger.db")
	config := configured(t, "file://"+work, path)
	say(t, config, "migrate")
	for who, fine := range map[string]bool{"sam": false, "SAM,Dana": true} {
		row(t, path, "merge", incident.Done, map[string]any{"sha": merge, "by": strings.Split(who, ",")})
		out, err := says(t, config, "ledger", "reconcile")
		if (err == nil) != fine || !fine && !strings.Contains(out, `was approved by ["dana" "sam"], the ledger has ["sam"]`) {
			t.Errorf("%s: %v %s", who, err, out)
		}
		away(t, path)
		say(t, config, "migrate")
	}
}
