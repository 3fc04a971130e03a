package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSlackModeNeedsItsSecret and no other: the webhook its signing secret, the socket the app's token.
func TestSlackModeNeedsItsSecret(t *testing.T) {
	t.Parallel()
	for mode, needs := range map[string]string{modeHTTP: "CORTEXOPS_SLACK_SIGNING_SECRET", modeSocket: "CORTEXOPS_SLACK_APP_TOKEN"} {
		c := defaults()
		if c.Slack.Mode != modeHTTP {
			t.Fatalf("the default is %q", c.Slack.Mode)
		}
		c.Slack.Mode, c.Slack.Channel, c.Slack.Users = mode, "C0APPROVALS", map[string]string{"U0SAM": "sam"}
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte("xapp-1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, all := range []bool{false, true} {
			err := c.readSecrets(func(name string) string {
				switch {
				case strings.HasSuffix(name, "_FILE"):
					if all && name == needs+"_FILE" {
						return file
					}
					return ""
				case strings.HasPrefix(name, "CORTEXOPS_SLACK_") && name != "CORTEXOPS_SLACK_TOKEN":
					return ""
				}
				return "x"
			}, roles{serve: true})
			if all && (err != nil || c.secrets.slackAppToken+c.secrets.slackSigningSecret != "xapp-1") || !all && (err == nil || strings.Count(err.Error(), "required") != 1 || !strings.Contains(err.Error(), needs)) {
				t.Errorf("%s: %v", mode, err)
			}
		}
	}
}

func TestBoth(t *testing.T) {
	t.Parallel()
	one, two := errors.New("one"), errors.New("two")
	say := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	if err := both(say(one), say(two))(t.Context()); !errors.Is(err, one) || !errors.Is(err, two) {
		t.Error(err)
	}
	if err := both(nil, say(two))(t.Context()); !errors.Is(err, two) {
		t.Error(err)
	}
	if err := both(say(nil), say(nil))(t.Context()); err != nil {
		t.Error(err)
	}
}
