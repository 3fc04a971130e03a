package demo

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
)

// Worker is the user that CortexOps is for the API server.
const Worker = "system:serviceaccount:cortexops:cortexops-worker"

// WorkloadWrite is one write of CortexOps to a workload, as the audit log has it.
type WorkloadWrite struct {
	Verb, Object string
	Body         string // sha256 of the request's body
	DryRun       bool
	At           time.Time
}

// WorkloadWrites reads CortexOps's writes to apps/* from an audit log, oldest first. Refused ones are left out.
func WorkloadWrites(auditLog string) ([]WorkloadWrite, error) { return writesOf(auditLog, Worker) }

func writesOf(auditLog, user string) ([]WorkloadWrite, error) {
	f, err := os.Open(auditLog)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer f.Close()
	var out []WorkloadWrite
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct {
			Stage, Verb, RequestURI  string
			User                     struct{ Username string }
			ObjectRef                struct{ APIGroup, Resource, Namespace, Name string }
			RequestObject            json.RawMessage
			ResponseStatus           struct{ Code int }
			RequestReceivedTimestamp time.Time
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if e.Stage != "ResponseComplete" || e.User.Username != user || e.ObjectRef.APIGroup != "apps" || e.ResponseStatus.Code >= 400 {
			continue
		}
		u, err := url.Parse(e.RequestURI)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(e.RequestObject)
		out = append(out, WorkloadWrite{Verb: e.Verb, Object: e.ObjectRef.Resource + " " + e.ObjectRef.Namespace + "/" + e.ObjectRef.Name,
			Body: hex.EncodeToString(sum[:]), DryRun: u.Query().Get("dryRun") == "All", At: e.RequestReceivedTimestamp})
	}
	return out, lines.Err()
}

// Unrehearsed names the writes that were not preceded, after their merge and at most a minute before, by the same one as
// a dry-run. merges are the times of all merges.
func Unrehearsed(writes []WorkloadWrite, merges []time.Time) (bad []string) {
	for i, w := range writes {
		if w.DryRun {
			continue
		}
		var merged time.Time
		for _, m := range merges {
			if !m.After(w.At) && m.After(merged) {
				merged = m
			}
		}
		rehearsed := false
		for _, d := range writes[:i] {
			same := d.DryRun && d.Verb == w.Verb && d.Object == w.Object && d.Body == w.Body
			rehearsed = rehearsed || same && !merged.IsZero() && !d.At.Before(merged) && w.At.Sub(d.At) <= time.Minute
		}
		if !rehearsed {
			bad = append(bad, fmt.Sprintf("%s %s at %s", w.Verb, w.Object, w.At.Format(time.RFC3339Nano)))
		}
	}
	return bad
}

// Merges are the times at which pull requests were merged.
func Merges(pulls []Pull) (at []time.Time) {
	for _, p := range pulls {
		if p.MergedAt != nil {
			at = append(at, *p.MergedAt)
		}
	}
	return at
}

// Applied counts the writes that were no dry-runs.
func Applied(writes []WorkloadWrite) (n int) {
	for _, w := range writes {
		if !w.DryRun {
			n++
		}
	}
	return n
}

// Commit is one commit of the GitOps repository.
type Commit struct {
	SHA, Author, Subject, Body string
	Parents                    []string
}

// Trailer is the value of a trailer, or "".
func (c Commit) Trailer(key string) string {
	for line := range strings.Lines(c.Body) {
		if v, ok := strings.CutPrefix(line, key+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// Log is `git log` of main, oldest first.
func (w *World) Log(ctx context.Context) ([]Commit, error) {
	commits, _, err := w.repository(ctx)
	return commits, err
}

// repository is main's log, oldest first, and all branches, through a stock git client over the forge's smart HTTP.
func (w *World) repository(ctx context.Context) (commits []Commit, branches map[string]string, err error) {
	dir, err := os.MkdirTemp("", "cortexops-log")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	f := w.Stack.Forge
	u, err := url.Parse(fmt.Sprintf("%s/%s/%s.git", f.URL, f.Owner, f.Repo))
	if err != nil {
		return nil, nil, err
	}
	u.User = url.UserPassword("x-access-token", f.Users["sam"])
	if out, err := exec.CommandContext(ctx, "git", "clone", "-q", "--bare", u.String(), dir).CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("clone: %w: %s", err, strings.ReplaceAll(string(out), f.Users["sam"], "***"))
	}
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "log", "--reverse", "--format=%H%x1f%an%x1f%s%x1f%P%x1f%b%x1e", "main").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("git log: %w", err)
	}
	for _, record := range strings.Split(string(out), "\x1e") {
		p := strings.Split(strings.TrimSpace(record), "\x1f")
		if len(p) == 5 {
			commits = append(commits, Commit{SHA: p[0], Author: p[1], Subject: p[2], Parents: strings.Fields(p[3]), Body: p[4]})
		}
	}
	out, err = exec.CommandContext(ctx, "git", "-C", dir, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("git for-each-ref: %w", err)
	}
	branches = map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, sha, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			branches[name] = sha
		}
	}
	return commits, branches, nil
}

// Hold makes the forge carry out the next call that fits and keep back its answer.
func (w *World) Hold(ctx context.Context, method, path string) error {
	return w.call(ctx, http.MethodPost, w.Stack.Forge.URL+"/_sandbox/hold", "", map[string]string{"method": method, "path": path}, nil)
}

// Release gives held answers free.
func (w *World) Release(ctx context.Context) error {
	return w.call(ctx, http.MethodDelete, w.Stack.Forge.URL+"/_sandbox/hold", "", nil, nil)
}

// Holding tells whether an answer is being held.
func (w *World) Holding(ctx context.Context) (bool, error) {
	var out struct {
		Holding bool `json:"holding"`
	}
	err := w.call(ctx, http.MethodGet, w.Stack.Forge.URL+"/_sandbox/hold", "", nil, &out)
	return out.Holding, err
}

// VerificationQueries counts the queries about a workload's pods that Prometheus has received over HTTP, by its own query log.
func (w *World) VerificationQueries(name string) (int, error) {
	data, err := os.ReadFile(w.Stack.Prometheus.QueryLog)
	if err != nil {
		return 0, fmt.Errorf("read Prometheus's query log: %w", err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, `"httpRequest"`) && strings.Contains(line, name+"-.*") {
			n++
		}
	}
	return n, nil
}

// Workflows counts the remediations of targets in a namespace, running or ended.
func (w *World) Workflows(ctx context.Context, namespace string) (int, error) {
	list, err := w.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: w.Stack.Temporal.Namespace,
		Query: `WorkflowType="Remediate"`})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range list.GetExecutions() {
		var target string
		if p, ok := e.GetSearchAttributes().GetIndexedFields()["CortexOpsTarget"]; ok {
			if err := converter.GetDefaultDataConverter().FromPayload(p, &target); err != nil {
				return 0, err
			}
		}
		if strings.Contains(target, "/"+namespace+"/") {
			n++
		}
	}
	return n, nil
}

// Disorder makes the forge deliver every webhook twice and neighbours in the wrong order, or stops that.
func (w *World) Disorder(ctx context.Context, on bool) error {
	method := http.MethodDelete
	if on {
		method = http.MethodPost
	}
	return w.call(ctx, method, w.Stack.Forge.URL+"/_sandbox/disorder", "", nil, nil)
}
