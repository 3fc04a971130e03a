package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// trafficWait is how long a query of who calls whom may take.
const trafficWait = 30 * time.Second

// callers asks a Prometheus for the labels of the series that a query answers.
func callers(address string) (func(ctx context.Context, query string) ([]map[string]string, error), error) {
	client, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return nil, fmt.Errorf("prometheus.url: %w", err)
	}
	asked := v1.NewAPI(client)
	return func(ctx context.Context, query string) ([]map[string]string, error) {
		ctx, cancel := context.WithTimeout(ctx, trafficWait)
		defer cancel()
		value, _, err := asked.Query(ctx, query, time.Time{}, v1.WithTimeout(trafficWait))
		if err != nil {
			return nil, err
		}
		vector, ok := value.(model.Vector)
		if !ok {
			return nil, fmt.Errorf("it answers a %s, not an instant vector", value.Type())
		}
		var list []map[string]string
		for _, sample := range vector {
			if sample.Value == 0 {
				continue
			}
			labels := map[string]string{}
			for name, v := range sample.Metric {
				labels[string(name)] = string(v)
			}
			list = append(list, labels)
		}
		return list, nil
	}, nil
}

func newFollower(c Config, o outside, log *slog.Logger) (*follower, error) {
	traffic, err := callers(c.Prometheus.URL)
	return &follower{config: c, kube: o.kube, log: log, traffic: traffic}, err
}
