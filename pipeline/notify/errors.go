package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slack-go/slack"
)

// Unauthorized means that Slack does not take the token, or that it lacks a scope. Trying again does not help.
type Unauthorized struct {
	Code  string // as Slack names it: invalid_auth, missing_scope, …
	Scope string // that is missing, where Slack says so
}

func (e *Unauthorized) Error() string {
	if e.Code == "missing_scope" {
		return fmt.Sprintf("Slack refuses the token (%s): add the scope %s to the app and install it again", e.Code, cmp.Or(e.Scope, "that the call needs"))
	}
	return fmt.Sprintf("Slack refuses the token (%s): set CORTEXOPS_SLACK_TOKEN to the bot token of the installed app", e.Code)
}

// Refused is a call that Slack understands and does not carry out.
type Refused struct {
	Code    string   // as Slack names it: channel_not_found, invalid_blocks, …
	Details []string // what Slack says of it
}

func (e *Refused) Error() string {
	advice := map[string]string{
		"not_in_channel": "invite the app into the channel", "channel_not_found": "check the channel's ID, and invite the app if it is private",
		"is_archived": "unarchive the channel, or set another",
	}[e.Code]
	out := "Slack refuses: " + e.Code
	for _, s := range slices.Concat([]string{advice}, e.Details) {
		if s != "" {
			out += ": " + s
		}
	}
	return out
}

// RateLimited means that Slack takes the call only after a time that the caller does not have.
type RateLimited struct{ After time.Duration }

func (e *RateLimited) Error() string { return fmt.Sprintf("Slack takes no more calls for %s", e.After) }

var tokenCodes = []string{"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope",
	"not_allowed_token_type", "no_permission", "access_denied", "ekm_access_denied", "org_login_required", "team_access_not_granted"}

// passing are Slack's own failures: it may have done what was asked, and may do it when asked again.
var passing = []string{"fatal_error", "internal_error", "service_unavailable", "request_timeout", "ratelimited", "rate_limited"}

// call tries again when Slack says when, for as long as ctx allows.
func (s *Slack) call(ctx context.Context, do string, try func() error) error {
	for {
		err := try()
		limited := (*slack.RateLimitedError)(nil)
		if !errors.As(err, &limited) {
			return typed(do, err)
		}
		wait := max(limited.RetryAfter, time.Second)
		if until, ok := ctx.Deadline(); ok && time.Until(until) <= wait {
			return fmt.Errorf("%s: %w", do, &RateLimited{After: wait})
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", do, ctx.Err())
		case <-time.After(wait):
		}
	}
}

func typed(do string, err error) error {
	var no slack.SlackErrorResponse
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &no), slices.Contains(passing, no.Err):
		return fmt.Errorf("%s: %w", do, err)
	case slices.Contains(tokenCodes, no.Err):
		return fmt.Errorf("%s: %w", do, &Unauthorized{Code: no.Err, Scope: no.Needed})
	}
	details := no.ResponseMetadata.Messages
	if len(details) > 5 {
		details = details[:5]
	}
	return fmt.Errorf("%s: %w", do, &Refused{Code: no.Err, Details: details})
}

// answered tells errors by which we know that nothing was done.
func answered(err error) bool {
	var unauthorized *Unauthorized
	var refused *Refused
	var limited *RateLimited
	return errors.As(err, &unauthorized) || errors.As(err, &refused) || errors.As(err, &limited)
}
