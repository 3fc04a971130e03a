// Package notify tells people on Slack that a change waits for them: one message a remediation, posted once and changed
// as it ends. The words and the blocks are writeup's; what people click comes in through intake. It never decides.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Options of New.
type Options struct {
	Token   string // of the app's bot: scopes chat:write and channels:history (groups:history for a private channel)
	Channel string // its ID, such as C0123456789; the app must be a member
	API     string // the root of the methods, with a slash at its end; empty is https://slack.com/api/
	HTTP    *http.Client
}

// Slack is one channel. It is safe for concurrent use.
type Slack struct {
	client  *slack.Client
	http    *http.Client
	api     string
	token   string
	channel string
}

// Message is what is shown. Text is for notifications and screen readers, Blocks is Block Kit as JSON: an array.
type Message struct {
	Text   string
	Blocks []byte
}

var channelID = regexp.MustCompile(`^[CG][A-Z0-9]{8,}$`)

// New makes a client. It calls nothing.
func New(o Options) (*Slack, error) {
	if o.API == "" {
		o.API = slack.APIURL
	}
	base, err := url.Parse(o.API)
	if err != nil || base.Host == "" || !strings.HasSuffix(base.Path, "/") {
		return nil, fmt.Errorf("the Slack API %q is not a URL that ends in a slash, such as %s", o.API, slack.APIURL)
	}
	if strings.TrimSpace(o.Token) == "" {
		return nil, errors.New("Slack needs the token of a bot (xoxb-…)")
	}
	if !channelID.MatchString(o.Channel) { // a name can be posted to, but neither read nor changed
		return nil, fmt.Errorf("%q is not the ID of a Slack channel: it is at the end of the channel's details, such as C0123456789", o.Channel)
	}
	c := http.Client{Timeout: 15 * time.Second}
	if o.HTTP != nil {
		c = *o.HTTP
	}
	c.CheckRedirect = func(req *http.Request, _ []*http.Request) error { // the token goes with every request
		return fmt.Errorf("redirected by Slack to %s, where our token must not go: set the API's real address", req.URL.Host)
	}
	return &Slack{client: slack.New(o.Token, slack.OptionAPIURL(o.API), slack.OptionHTTPClient(&c)),
		http: &c, api: o.API, token: o.Token, channel: o.Channel}, nil
}

// Ping tells whether Slack takes the token.
func (s *Slack) Ping(ctx context.Context) error {
	return s.call(ctx, "ask Slack who we are", func() error {
		_, err := s.client.AuthTestContext(ctx)
		return err
	})
}

// Post shows m, once for each key and topic, and returns the message's ts, by which Update finds it. It looks first, and again when
// the answer is lost, among the newest 100 messages of the channel: Slack has no other way to be asked the same twice.
func (s *Slack) Post(ctx context.Context, key incident.Key, topic string, m Message) (ts string, err error) {
	content, err := options(m)
	if err != nil {
		return "", err
	}
	if ts, err = s.find(ctx, key, topic); err != nil || ts != "" {
		return ts, err
	}
	content = append(content, slack.MsgOptionMetadata(mark(key, topic)))
	err = s.call(ctx, "post to Slack", func() (err error) {
		_, ts, err = s.client.PostMessageContext(ctx, s.channel, content...)
		return err
	})
	if err == nil {
		return ts, nil
	}
	if answered(err) || ctx.Err() != nil {
		return "", err
	}
	if found, lost := s.find(ctx, key, topic); lost == nil && found != "" {
		return found, nil
	}
	return "", err
}

// Update changes what the message at ts shows. Doing so twice is harmless. Its mark stays, since Slack keeps the metadata
// of an update that has none.
func (s *Slack) Update(ctx context.Context, ts string, m Message) error {
	content, err := options(m)
	if err != nil {
		return err
	}
	return s.call(ctx, "change a message on Slack", func() error {
		_, _, _, err := s.client.UpdateMessageContext(ctx, s.channel, ts, content...)
		return err
	})
}

// Tell shows text, in Slack's mrkdwn, to one person of the channel alone. Slack may drop it, and it is gone when they reload. It is
// chat.postEphemeral and not the response_url of the click: that is a secret, which would have to be kept with the click until
// that is judged, and it is dead after 30 minutes.
func (s *Slack) Tell(ctx context.Context, user, text string) error {
	return s.call(ctx, "tell a person on Slack", func() error {
		_, err := s.client.PostEphemeralContext(ctx, s.channel, user, slack.MsgOptionText(text, false))
		return err
	})
}

func options(m Message) ([]slack.MsgOption, error) {
	var blocks slack.Blocks
	if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
		return nil, fmt.Errorf("the blocks of a Slack message: %w", err)
	}
	return []slack.MsgOption{slack.MsgOptionText(m.Text, false), slack.MsgOptionBlocks(blocks.BlockSet...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}, nil
}
