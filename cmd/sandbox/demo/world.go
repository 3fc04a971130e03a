// Package demo tells three incidents from alert to verdict on a running sandbox, and judges the product from outside:
// everything it says it has read from the forge, the API server, Prometheus, Temporal or git, never from the product.
package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

// Namespace is where production runs.
const Namespace = "shop"

// World reads what everybody can see.
type World struct {
	Stack    *stack.Stack
	kube     *kubernetes.Clientset
	temporal client.Client
	http     *http.Client
}

// NewWorld connects to a running sandbox.
func NewWorld(s *stack.Stack) (*World, error) {
	rc, err := clientcmd.BuildConfigFromFlags("", s.Kube.AdminKubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Kube.AdminKubeconfig, err)
	}
	kube, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return nil, err
	}
	tc, err := client.Dial(client.Options{HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace, Logger: quiet{}})
	if err != nil {
		return nil, fmt.Errorf("dial Temporal: %w", err)
	}
	return &World{Stack: s, kube: kube, temporal: tc, http: &http.Client{Timeout: 10 * time.Second}}, nil
}

// Close closes the connections.
func (w *World) Close() { w.temporal.Close() }

// Pull is a pull request as the forge shows it.
type Pull struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	State  string `json:"state"`
	Body   string `json:"body"`
	URL    string `json:"html_url"`
	Head   struct {
		Ref string `json:"ref"`
		SHA string `json:"sha"`
	} `json:"head"`
	CreatedAt time.Time  `json:"created_at"`
	MergedAt  *time.Time `json:"merged_at"`
	MergeSHA  string     `json:"merge_commit_sha"`
	Labels    []struct {
		Name string `json:"name"`
	} `json:"labels"`
}

// Pulls lists every pull request, oldest first.
func (w *World) Pulls(ctx context.Context) ([]Pull, error) {
	var out []Pull
	err := w.forge(ctx, "sam", http.MethodGet, "/pulls?state=all&direction=asc&per_page=100", nil, &out)
	return out, err
}

// Review is a review that was submitted.
type Review struct {
	User  struct{ Login string } `json:"user"`
	State string                 `json:"state"`
}

// Reviews of a pull request.
func (w *World) Reviews(ctx context.Context, number int) (out []Review, err error) {
	err = w.forge(ctx, "sam", http.MethodGet, fmt.Sprintf("/pulls/%d/reviews", number), nil, &out)
	return out, err
}

// Approve reviews a pull request as user, through the API that everybody uses.
func (w *World) Approve(ctx context.Context, user string, number int) error {
	return w.forge(ctx, user, http.MethodPost, fmt.Sprintf("/pulls/%d/reviews", number), map[string]string{"event": "APPROVE"}, nil)
}

func (w *World) forge(ctx context.Context, user, method, path string, in, out any) error {
	f := w.Stack.Forge
	return w.call(ctx, method, fmt.Sprintf("%srepos/%s/%s%s", f.API, f.Owner, f.Repo, path), f.Users[user], in, out)
}

// call speaks JSON. A status from 400 on is an error that carries the answer.
func (w *World) call(ctx context.Context, method, url, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := w.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s: %.300s", method, url, res.Status, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// Deployment as it is live.
func (w *World) Deployment(ctx context.Context, name string) (*appsv1.Deployment, error) {
	return w.kube.AppsV1().Deployments(Namespace).Get(ctx, name, metav1.GetOptions{})
}

// Memory is the live memory limit of a deployment's container app.
func (w *World) Memory(ctx context.Context, name string) (string, error) {
	d, err := w.Deployment(ctx, name)
	if err != nil {
		return "", err
	}
	return d.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String(), nil
}

// Replicas is what a deployment asks for, live.
func (w *World) Replicas(ctx context.Context, name string) (int32, error) {
	d, err := w.Deployment(ctx, name)
	if err != nil || d.Spec.Replicas == nil {
		return 0, err
	}
	return *d.Spec.Replicas, nil
}

// Query asks Prometheus for one number; ok is false where there is no sample.
func (w *World) Query(ctx context.Context, promQL string) (value string, ok bool, err error) {
	var out struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	err = w.call(ctx, http.MethodGet, w.Stack.Prometheus.URL+"/api/v1/query?query="+url.QueryEscape(promQL), "", nil, &out)
	if err != nil || len(out.Data.Result) == 0 {
		return "", false, err
	}
	value, ok = out.Data.Result[0].Value[1].(string)
	return value, ok, nil
}

// Firing tells whether an alert fires in the namespace.
func (w *World) Firing(ctx context.Context, alert string) (bool, error) {
	_, ok, err := w.Query(ctx, fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing",namespace=%q}`, alert, Namespace))
	return ok, err
}

// Outcome is the result of a remediation's workflow.
type Outcome struct {
	Phase  string `json:"phase"`
	Reason string `json:"reason"`
}

// Outcome waits for the end of a workflow.
func (w *World) Outcome(ctx context.Context, workflowID string) (out Outcome, err error) {
	err = w.temporal.GetWorkflow(ctx, workflowID, "").Get(ctx, &out)
	return out, err
}

// over is an error that waiting longer does not mend.
type over struct{ error }

// wait polls until f is satisfied; what names it for the error.
func wait(ctx context.Context, what string, atMost time.Duration, f func(context.Context) (bool, error)) error {
	return poll(ctx, what, atMost, 200*time.Millisecond, f)
}

func poll(ctx context.Context, what string, atMost, every time.Duration, f func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last error
	for {
		ok, err := f(ctx)
		if ok && err == nil {
			return nil
		}
		if end := (over{}); errors.As(err, &end) {
			return end.error
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited %s for: %s", atMost, what), last)
		case <-tick.C:
		}
	}
}

// quiet drops the SDK's own log lines: the story is told by us.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// Phase is the search attribute of a workflow, as the Temporal UI shows it.
func (w *World) Phase(ctx context.Context, workflowID string) (string, error) {
	d, err := w.temporal.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return "", err
	}
	var phase string
	p, ok := d.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()["CortexOpsPhase"]
	if !ok {
		return "", nil
	}
	return phase, converter.GetDefaultDataConverter().FromPayload(p, &phase)
}
