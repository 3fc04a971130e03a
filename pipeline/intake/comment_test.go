package intake

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/cortexops/cortexops/pipeline/incident"
)

func TestCommandsInComments(t *testing.T) {
	t.Parallel()
	const form = `{"action":%q,"issue":{"number":%d%s},"comment":{"body":%q,"author_association":%q,"user":{"login":"sam"}},"repository":{"full_name":%q}}`
	const pull = `,"pull_request":{"url":"x"}`
	for name, c := range map[string]struct {
		action string
		number int
		of     string
		body   string
		from   string
		repo   string
		kind   incident.ActionKind
		status int
	}{
		"an answer":  {"created", 12, pull, "/cortexops keep", "MEMBER", "acme/shop", incident.Answer, 202},
		"retry":      {"created", 12, pull, " /cortexops retry\nplease", "COLLABORATOR", "acme/shop", incident.Retry, 202},
		"talk":       {"created", 12, pull, "keep it", "OWNER", "acme/shop", "", 202},
		"more words": {"created", 12, pull, "/cortexops approve memory=768Mi", "OWNER", "acme/shop", incident.Answer, 202},
		"a stranger": {"created", 12, pull, "/cortexops retry", "NONE", "acme/shop", "", 202},
		"an issue":   {"created", 12, "", "/cortexops retry", "OWNER", "acme/shop", "", 202},
		"an edit":    {"edited", 12, pull, "/cortexops retry", "OWNER", "acme/shop", "", 202},
		"another":    {"created", 12, pull, "/cortexops retry", "OWNER", "acme/other", "", 202},
		"no number":  {"created", 0, pull, "/cortexops retry", "OWNER", "acme/shop", "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := &store{}
			url, _ := start(t, bus)
			body := fmt.Appendf(nil, form, c.action, c.number, c.of, c.body, c.from, c.repo)
			if r := post(t, url+"/webhooks/forge", body, github("issue_comment", "d-1", body)); r.status != c.status {
				t.Fatalf("got %+v", r)
			}
			if c.kind == "" {
				if len(bus.actions) != 0 {
					t.Errorf("got %+v", bus.actions)
				}
				return
			}
			want := incident.Action{Delivery: "d-1", Kind: c.kind, Actor: "sam", Repository: "acme/shop", Number: 12, AcceptedAt: at}
			if len(bus.actions) != 1 || bus.actions[0] != want {
				t.Errorf("got %+v, want %+v", bus.actions, want)
			}
		})
	}
	bus := &store{}
	url, _ := start(t, bus)
	for _, body := range []string{`{}`, `{"issue":{"number":1}}`, `[]`} {
		if r := post(t, url+"/webhooks/forge", []byte(body), github("issue_comment", "d-1", []byte(body))); r.status != http.StatusBadRequest {
			t.Errorf("%s: %+v", body, r)
		}
	}
}
