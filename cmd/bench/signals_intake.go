package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	alertmanagerModule = "github.com/prometheus/alertmanager/cmd/alertmanager@v0.31.1" // the last whose module holds its web UI
	inPost             = 100
	connections        = 8
	postsInRound       = 600
	intakeRounds       = 5
	benchToken         = "bench"
)

// ingesting sends alerts to our webhook, to Alertmanager, and publishes what becomes of them without any webhook. They take
// turns, so that all meet the same weather.
func ingesting(ctx context.Context, r *run, url string) error {
	serving, ours, err := background(ctx, "intake", url)
	if err != nil {
		return err
	}
	defer serving()
	stop, theirs, err := startAlertmanager(ctx, filepath.Join(r.dir, "alertmanager"))
	if err != nil {
		return err
	}
	defer stop()
	var taken, raw, peer []float64
	for round := range intakeRounds {
		doing(fmt.Sprintf("webhooks, round %d of %d", round+1, intakeRounds))
		rate, err := pour(ctx, ours+"/webhooks/alertmanager", round, webhookBody)
		if err != nil {
			return err
		}
		taken = append(taken, rate)
		var said struct{ PerSecond float64 }
		if _, err := child(ctx, &said, "publish", url, fmt.Sprint(round)); err != nil {
			return err
		}
		raw = append(raw, said.PerSecond)
		if rate, err = pour(ctx, theirs+"/api/v2/alerts", round, apiBody); err != nil {
			return err
		}
		peer = append(peer, rate)
	}
	r.times("HTTP alert to acknowledged in JetStream, against its raw publish: signals/s", median(taken), median(raw), 0.6)
	r.times("the same, against Alertmanager's v2 API: alerts/s", median(taken), median(peer), 3)
	return nil
}

// times adds a result that must be no less than least times the peer's.
func (r *run) times(name string, ours, peer, least float64) {
	r.add(result{Name: name, Ours: ours, Peer: &peer, Goal: fmt.Sprintf("ratio ≥ %g", least), Pass: ours >= least*peer})
}

// nthAlert is one that real rules make, in the words that both APIs have in common. No two are alike.
func nthAlert(round, n int) map[string]any {
	service := n % 700
	pod := fmt.Sprintf("service-%d-6b7f9c8d5-x%04d", service, n/700)
	return map[string]any{
		"labels": map[string]string{"alertname": "ContainerOOMKilled", "namespace": fmt.Sprintf("team-%d", service/20), "pod": pod, "container": "app",
			"severity": "critical", "job": "kubelet", "instance": fmt.Sprintf("10.0.%d.%d:10250", n/250%250, n%250), "round": fmt.Sprint(round)},
		"annotations": map[string]string{"summary": "Container app of " + pod + " was killed since it ran out of memory",
			"runbook_url": "https://runbooks.example.com/containers/oom", "description": "It was killed 3 times in the last 10 minutes. Its working set is at its limit of 512Mi."},
		"startsAt":     time.Date(2026, 3, 2, 10, 0, n%60, 0, time.UTC).Format(time.RFC3339Nano),
		"generatorURL": "https://prometheus.example.com/graph?g0.expr=increase%28kube_pod_container_status_restarts_total%5B10m%5D%29+%3E+2&g0.tab=1",
	}
}

func alertsOf(round, post int) []map[string]any {
	list := make([]map[string]any, inPost)
	for i := range list {
		list[i] = nthAlert(round, post*inPost+i)
	}
	return list
}

func webhookBody(round, post int) any {
	list := alertsOf(round, post)
	for i, a := range list {
		a["status"], a["endsAt"] = "firing", "0001-01-01T00:00:00Z"
		a["fingerprint"] = fmt.Sprintf("%04x%012x", round, post*inPost+i)
	}
	return map[string]any{"version": "4", "status": "firing", "receiver": "cortexops", "groupKey": "{}:{}", "truncatedAlerts": 0, "alerts": list,
		"groupLabels": map[string]string{}, "commonLabels": map[string]string{}, "commonAnnotations": map[string]string{}, "externalURL": "http://alertmanager"}
}

func apiBody(round, post int) any {
	list := alertsOf(round, post)
	for _, a := range list {
		a["startsAt"], a["endsAt"] = time.Now().Format(time.RFC3339Nano), time.Now().Add(time.Hour).Format(time.RFC3339Nano)
	}
	return list
}

// pour posts bodies that were made before, and says how many alerts were answered with a 2xx in a second.
func pour(ctx context.Context, url string, round int, body func(round, post int) any) (float64, error) {
	bodies := make([][]byte, postsInRound)
	for i := range bodies {
		var err error
		if bodies[i], err = json.Marshal(body(round, i)); err != nil {
			return 0, err
		}
	}
	var next atomic.Int64
	var senders sync.WaitGroup
	failed := make(chan error, connections)
	began := time.Now()
	for range connections {
		senders.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
			for i := next.Add(1) - 1; i < postsInRound; i = next.Add(1) - 1 {
				if err := postOne(ctx, client, url, bodies[i]); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	senders.Wait()
	took := time.Since(began).Seconds()
	select {
	case err := <-failed:
		return 0, err
	default:
		return postsInRound * inPost / took, nil
	}
}

func postOne(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+benchToken)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s answers %s: %s", url, res.Status, answer)
	}
	return err
}

// background starts a child that serves, and says where.
func background(ctx context.Context, name string, args ...string) (stop func(), url string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"child", name, address}, args...)...)
	cmd.Stderr = os.Stderr
	return begin(ctx, cmd, address)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// begin a server, and wait until it listens.
func begin(ctx context.Context, cmd *exec.Cmd, address string) (stop func(), url string, err error) {
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return stop, "http://" + address, nil
		}
	}
	stop()
	return nil, "", errors.New(filepath.Base(cmd.Path) + " does not listen at " + address)
}

// startAlertmanager that tells nobody: what is measured is its intake alone.
func startAlertmanager(ctx context.Context, dir string) (stop func(), url string, err error) {
	program, err := installed(ctx, alertmanagerModule, "alertmanager")
	if err != nil {
		return nil, "", fmt.Errorf("build Alertmanager: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, "", err
	}
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: nobody, group_wait: 1h}\nreceivers: [{name: nobody}]\n"), 0o644); err != nil {
		return nil, "", err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	return begin(ctx, exec.CommandContext(ctx, program, "--config.file="+config, "--storage.path="+dir, "--cluster.listen-address=", "--web.listen-address="+address,
		"--log.level=error"), address)
}
