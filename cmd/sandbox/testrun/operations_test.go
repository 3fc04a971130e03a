package testrun

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSections(t *testing.T) {
	t.Parallel()
	rows, err := sections("# x\n## 1. One thing\nProof: `a TestA/b_c`\nProof: `a TestA/d`\n## 2. Another\nProof: none yet of it\n## 3. Third\n")
	if err != nil || len(rows) != 3 || len(rows[0].tests) != 2 {
		t.Fatalf("%+v %v", rows, err)
	}
	if only := proofs(rows); len(only) != 1 || !slices.Equal(only["a"], []string{"TestA"}) {
		t.Errorf("%v", only)
	}
	for name, c := range map[string]struct {
		results map[string]string
		want    string
	}{
		"both passed":   {map[string]string{"a TestA/b_c": "pass", "a TestA/d": "pass"}, "passed"},
		"one failed":    {map[string]string{"a TestA/b_c": "pass", "a TestA/d": "fail"}, "failed"},
		"one never ran": {map[string]string{"a TestA/b_c": "pass"}, "failed"},
		"one skipped":   {map[string]string{"a TestA/b_c": "pass", "a TestA/d": "no server"}, "not run"},
	} {
		r := rows[0]
		if r.judge(c.results); r.Result != c.want {
			t.Errorf("%s: %+v", name, r)
		}
	}
	dir, out := t.TempDir(), new(bytes.Buffer)
	err = report(dir, rows, map[string]string{"a TestA/b_c": "pass", "a TestA/d": "pass"}, out)
	if err == nil || !strings.HasPrefix(err.Error(), "2 section(s)") {
		t.Errorf("two sections have no proof: %v", err)
	}
	lines, err := os.ReadFile(filepath.Join(dir, "out", "operations.jsonl"))
	if err != nil || bytes.Count(lines, []byte("\n")) != 3 || !bytes.Contains(lines, []byte(`"n":2,"sentence":"Another"`)) {
		t.Errorf("%s %v", lines, err)
	}
	for _, bad := range []string{"Proof: `a TestA`\n", "## 1. One\nProof: TestA\n"} {
		if _, err := sections(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestThePage has eighteen sections, each with a proof or the word that there is none.
func TestThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := sections(string(page))
	if err != nil || len(rows) != 18 {
		t.Fatalf("%d sections, %v", len(rows), err)
	}
	for i, r := range rows {
		if r.N != i+1 || len(r.tests) == 0 && r.Why == "" {
			t.Errorf("%+v", r)
		}
	}
	for pkg := range maps.Keys(proofs(rows)) {
		if _, err := os.Stat(filepath.Join("../../..", pkg)); err != nil {
			t.Error(err)
		}
	}
}
