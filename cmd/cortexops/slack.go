package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cortexops/cortexops/pipeline/bus"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/intake"
	"github.com/cortexops/cortexops/pipeline/ledger"
	"github.com/cortexops/cortexops/pipeline/notify"
	"github.com/cortexops/cortexops/pipeline/remediation"
	"github.com/cortexops/cortexops/pipeline/writeup"
)

// How clicks on Slack come in.
const (
	modeHTTP   = "http"
	modeSocket = "socket"
)

func (c *Config) slackMode() error {
	if c.Slack.Mode != modeHTTP && c.Slack.Mode != modeSocket {
		return fmt.Errorf("slack.mode is %q: say %s or %s", c.Slack.Mode, modeHTTP, modeSocket)
	}
	return nil
}

func slackClient(c Config) (*notify.Slack, error) {
	return notify.New(notify.Options{Token: c.secrets.slackToken, Channel: c.Slack.Channel, API: c.Slack.API})
}

// intake are the options of webhooks and of Slack's socket.
func (c *Config) intake(log *slog.Logger, events *bus.Bus) (intake.Options, error) {
	var tell func(ctx context.Context, user, text string) error
	if c.Slack.Channel != "" && len(c.Slack.Users) > 0 {
		client, err := slackClient(*c)
		if err != nil {
			return intake.Options{}, err
		}
		tell = func(ctx context.Context, user, text string) error {
			return client.Tell(ctx, user, writeup.Writer{}.SlackNote(text))
		}
	}
	return intake.Options{SlackTell: tell, CloudEvents: c.senders(), Publisher: events, Cluster: c.Cluster, Repository: c.Forge.Owner + "/" + c.Forge.Repo,
		AlertmanagerToken: c.secrets.alertmanagerToken, FluxKey: c.secrets.fluxKey, ForgeSecret: c.secrets.forgeWebhookSecret,
		SlackSecret: c.secrets.slackSigningSecret, SlackUsers: c.Slack.Users, SlackAppToken: c.secrets.slackAppToken, SlackAPI: c.Slack.API,
		Metrics: prometheus.DefaultRegisterer, Log: log}, nil
}

// both is what the two say; the first may be nil.
func both(first, second func(context.Context) error) func(context.Context) error {
	if first == nil {
		return second
	}
	return func(ctx context.Context) error { return errors.Join(second(ctx), first(ctx)) }
}

// refused is nil where Slack is not configured. Logins on the forge are all that remediation knows of people: who they are on Slack
// is looked up here.
func (c *Config) refused(book *ledger.Ledger, slack *notify.Slack) *remediation.Refused {
	if slack == nil {
		return nil
	}
	return remediation.NewRefused(book, writeup.Writer{}.SlackRefused, func(ctx context.Context, login, text string) error {
		told := fmt.Errorf("nobody among slack.users is %s on the forge", login)
		for _, id := range slices.Sorted(maps.Keys(c.Slack.Users)) {
			if strings.EqualFold(c.Slack.Users[id], login) {
				told = slack.Tell(ctx, id, text)
			}
		}
		return told
	})
}

// chat is nil where Slack is not configured.
func (o outside) chat() remediation.Chat {
	if o.slack == nil {
		return nil
	}
	return chat{o.slack}
}

// chat is Slack as remediation uses it.
type chat struct{ slack *notify.Slack }

func (c chat) Post(ctx context.Context, key incident.Key, topic, text string, blocks []byte) (string, error) {
	return c.slack.Post(ctx, key, topic, notify.Message{Text: text, Blocks: blocks})
}

func (c chat) Update(ctx context.Context, message, text string, blocks []byte) error {
	return c.slack.Update(ctx, message, notify.Message{Text: text, Blocks: blocks})
}
