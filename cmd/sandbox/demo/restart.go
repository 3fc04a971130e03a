package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cortexops/cortexops/cmd/sandbox/seed"
)

// RestartedAt is the annotation whose change restarts a workload's pods.
const RestartedAt = "kubectl.kubernetes.io/restartedAt"

const (
	database  = "orders-db"
	exhausted = "PostgresqlTooManyConnections"
)

// DatabaseRestart is the third story: leaked sessions stay in the database until it is restarted, which has a high risk
// and no way back, so that two people are asked on Slack first.
func DatabaseRestart(ctx context.Context, w *World, t *Teller) (Remediation, error) {
	t.title("Story 3: a database restart that waits for Slack")
	before, err := w.Pulls(ctx)
	if err != nil {
		return Remediation{}, err
	}
	old, err := w.Server(ctx)
	if err != nil {
		return Remediation{}, err
	}
	if err := w.leak(ctx, t); err != nil {
		return Remediation{}, err
	}
	r, err := w.remedied(ctx, t, len(before), w.clicked)
	if err != nil {
		return r, err
	}
	now, err := w.Server(ctx)
	if err != nil {
		return r, err
	}
	t.say("the StatefulSet's controller restarted its pod: %s was %.8s, is %.8s; restarted at %s in git", database+"-0", old.UID, now.UID, now.RestartedAt)
	if r.Outcome, err = w.ended(ctx, t, r.Workflow); err != nil {
		return r, err
	}
	after, err := w.Pulls(ctx)
	if err != nil {
		return r, err
	}
	if r.Outcome.Phase != "SUCCEEDED" || old.UID == now.UID || old.RestartedAt == now.RestartedAt || len(after) != len(before)+1 {
		return r, fmt.Errorf("the story should have ended SUCCEEDED with a new pod and one pull request; it ended %s with %+v after %+v and %d new pull requests: %s",
			r.Outcome.Phase, now, old, len(after)-len(before), r.Outcome.Reason)
	}
	if err := wait(ctx, "the alert to resolve", 30*time.Second, func(ctx context.Context) (bool, error) {
		firing, err := w.Firing(ctx, exhausted)
		return !firing, err
	}); err != nil {
		return r, err
	}
	n, _, err := w.Query(ctx, connections)
	t.say("%s no longer fires: %s connections of 100", exhausted, n)
	return r, err
}

const connections = `sum(pg_stat_activity_count{namespace="` + Namespace + `",pod="` + database + `-0"})`

// leak ships a client that leaks and takes it back when the alert fires: too late, what has leaked stays.
func (w *World) leak(ctx context.Context, t *Teller) error {
	sha, err := seed.ShipLeakyCheckout(ctx, w.Stack)
	if err != nil {
		return err
	}
	t.say("dana merges %.7s: checkout 3.5.0, which takes connections to %s and never gives them back", sha, database)
	if err := w.fires(ctx, t, exhausted); err != nil {
		return err
	}
	if sha, err = seed.RollBackCheckout(ctx, w.Stack); err != nil {
		return err
	}
	t.say("dana merges %.7s: back to checkout 3.4.1", sha)
	if err := wait(ctx, "checkout 3.5.0 to be gone", time.Minute, func(ctx context.Context) (bool, error) {
		pods, err := w.kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=checkout"})
		if err != nil {
			return false, err
		}
		for _, p := range pods.Items {
			if strings.HasSuffix(p.Spec.Containers[0].Image, ":3.5.0") {
				return false, nil
			}
		}
		return len(pods.Items) > 0, nil
	}); err != nil {
		return err
	}
	n, _, err := w.Query(ctx, connections)
	t.say("checkout 3.5.0 is gone, its sessions are not: %s connections of 100", n)
	return err
}

// Server is the database's pod and what its StatefulSet says, live.
type Server struct{ UID, RestartedAt string }

// Server reads it from the API server.
func (w *World) Server(ctx context.Context) (Server, error) {
	p, err := w.kube.CoreV1().Pods(Namespace).Get(ctx, database+"-0", metav1.GetOptions{})
	if err != nil {
		return Server{}, err
	}
	s, err := w.kube.AppsV1().StatefulSets(Namespace).Get(ctx, database, metav1.GetOptions{})
	if err != nil {
		return Server{}, err
	}
	return Server{string(p.UID), s.Spec.Template.Annotations[RestartedAt]}, nil
}

// clicked waits for people on Slack; by itself it presses the button of the stand-in's page, as sam and as dana.
func (w *World) clicked(ctx context.Context, t *Teller, p Pull) error {
	ts := ""
	if err := wait(ctx, "the message on Slack", time.Minute, func(ctx context.Context) (_ bool, err error) {
		ts, err = w.Message(ctx, p.URL, "cortexops_approve")
		return ts != "", err
	}); err != nil {
		return err
	}
	t.say("Slack asks for two people, since the risk is high: %s/#m%s", w.Stack.Slack.URL, ts)
	if !t.Auto {
		t.say("» your turn: open that page and press Approve, as sam and as dana (15 minutes, then it closes itself)")
		return wait(ctx, "two approvals on Slack", 15*time.Minute, func(ctx context.Context) (bool, error) {
			left, err := w.Message(ctx, p.URL, "cortexops_approve")
			return left == "", err
		})
	}
	var users []string
	for id := range w.Stack.Slack.Users {
		users = append(users, id)
	}
	slices.Sort(users)
	slices.Reverse(users) // sam first
	for _, id := range users {
		if err := w.Press(ctx, ts, "cortexops_approve", id); err != nil {
			return err
		}
		t.say("%s presses Approve on Slack", w.Stack.Slack.Users[id])
	}
	return nil
}

// Message is the ID of the message on Slack that is about the pull request at link and says this, "" while there is none.
func (w *World) Message(ctx context.Context, link, says string) (ts string, err error) {
	var history struct {
		Messages []struct {
			TS     string          `json:"ts"`
			Blocks json.RawMessage `json:"blocks"`
		} `json:"messages"`
	}
	if err := w.form(ctx, w.Stack.Slack.API+"conversations.history", url.Values{"token": {w.Stack.Slack.Token}, "channel": {w.Stack.Slack.Channel}}, &history); err != nil {
		return "", err
	}
	for _, m := range history.Messages {
		if strings.Contains(string(m.Blocks), link) && strings.Contains(string(m.Blocks), says) {
			ts = m.TS
		}
	}
	return ts, nil
}

// Press presses a button of a message as a person does on the stand-in's page: by the same request.
func (w *World) Press(ctx context.Context, ts, button, user string) error {
	return w.form(ctx, w.Stack.Slack.URL+"/press", url.Values{"ts": {ts}, "action_id": {button}, "user": {user}}, nil)
}

// form posts a form, and decodes a JSON answer into out where there is one.
func (w *World) form(ctx context.Context, to string, in url.Values, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(in.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := w.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode >= 400:
		return fmt.Errorf("%s: %s", to, res.Status)
	case out == nil:
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}
