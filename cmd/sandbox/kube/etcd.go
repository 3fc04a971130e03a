package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

var errEtcdStopped = errors.New("etcd stopped while starting; the log of kube says why")

// startEtcd returns when etcd serves.
func startEtcd(ctx context.Context, s *stack.Stack) (*embed.Etcd, error) {
	client, err := url.Parse(s.Kube.EtcdClient)
	if err != nil {
		return nil, fmt.Errorf("read etcd's client address: %w", err)
	}
	peer, err := url.Parse(s.Kube.EtcdPeer)
	if err != nil {
		return nil, fmt.Errorf("read etcd's peer address: %w", err)
	}
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel = filepath.Join(s.Data("kube"), "etcd"), "fatal"
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	// One member has nobody to lose to: elect at once instead of after a second.
	cfg.TickMs, cfg.ElectionMs = 20, 200
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case err := <-e.Err():
		e.Close()
		return nil, fmt.Errorf("start etcd: %w", err)
	case <-e.Server.StopNotify():
		e.Close()
		return nil, errEtcdStopped
	case <-ctx.Done():
		e.Close()
		return nil, ctx.Err()
	}
}
