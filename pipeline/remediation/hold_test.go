package remediation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// wall is a pull request that people write on.
type wall struct {
	said    []forge.Said
	refuse  error
	written []string
}

func (w *wall) Status(_ context.Context, _, _, _, description, _ string) error {
	w.written = append(w.written, description)
	return w.refuse
}

func (w *wall) Comment(_ context.Context, _ int, _, body string) error {
	w.written = append(w.written, body)
	return w.refuse
}

func (w *wall) Comments(_ context.Context, _ int, _ time.Time, wanted func(string) bool) (list []forge.Said, _ error) {
	for _, s := range w.said {
		if wanted(s.Body) {
			list = append(list, s)
		}
	}
	return list, w.refuse
}

type plain struct{}

func (plain) Refused(who, why string) string                      { return who + ": " + why }
func (plain) Explained(incident.Proposal, incident.Change) string { return "because" }
func (plain) SlackHeld(_ incident.Key, target string, _ incident.Phase, why string) (string, []byte) {
	return target + ": " + why, nil
}

// room is a chat that remembers what was posted.
type room struct {
	posted map[string]string // by topic
	refuse error
}

func (r *room) Post(_ context.Context, _ incident.Key, topic, text string, _ []byte) (string, error) {
	if r.posted == nil {
		r.posted = map[string]string{}
	}
	r.posted[topic] = text
	return "1.1", r.refuse
}

func (r *room) Update(_ context.Context, message, text string, _ []byte) error {
	r.posted["update of "+message] = text
	return r.refuse
}

func (plain) Held(_ incident.Key, _ incident.Phase, why string) string      { return why }
func (plain) Silence(incident.Proposal, incident.Verdict, time.Time) string { return "silence" }
func (plain) Braked(_ incident.Phase, why string) string                    { return why }
func (plain) Evidence(incident.Key, []incident.Incident) string             { return "evidence" }

func TestAnswer(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	in := AskInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Asked: asked, Deadline: asked.Add(time.Minute), Revertible: true}
	by := func(user, body string, may bool, at time.Duration) forge.Said {
		return forge.Said{User: user, Body: body, At: asked.Add(at), MayWrite: may}
	}
	for name, c := range map[string]struct {
		said       []forge.Said
		revertible bool
		want       Said
	}{
		"nobody":                  {nil, true, Said{}},
		"keep":                    {[]forge.Said{by("sam", "/cortexops keep", true, 1)}, true, Said{"keep", "sam"}},
		"the first counts":        {[]forge.Said{by("sam", "hm", true, 1), by("sam", "/cortexops wait", true, 2), by("eve", "/cortexops keep", true, 3)}, true, Said{"wait", "sam"}},
		"who may only read":       {[]forge.Said{by("eve", "/cortexops revert", false, 1)}, true, Said{}},
		"ourselves":               {[]forge.Said{by("Bot", "/cortexops keep", true, 1)}, true, Said{}},
		"too late":                {[]forge.Said{by("sam", "/cortexops keep", true, time.Hour)}, true, Said{}},
		"what cannot be undone":   {[]forge.Said{by("sam", "/cortexops revert", true, 1)}, false, Said{}},
		"another command":         {[]forge.Said{by("sam", "/cortexops retry", true, 1)}, true, Said{}},
		"quoted in a longer text": {[]forge.Said{by("sam", "I would say\n/cortexops keep", true, 1)}, true, Said{}},
	} {
		in := in
		in.Revertible = c.revertible
		book := &pages{}
		got, err := (&Asker{Book: book, Forge: &wall{said: c.said}, Bot: "bot"}).Answer(t.Context(), in)
		if err != nil || got != c.want || book.has("answer", incident.Event) != (c.want.Word != "") {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestHoldIsInTheLedger also where the forge is what we may not use.
func TestHoldIsInTheLedger(t *testing.T) {
	t.Parallel()
	for _, refuse := range []error{nil, errors.New("403")} {
		book, w, chat := &pages{}, &wall{refuse: refuse}, &room{refuse: refuse}
		in := HoldInput{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Target: "apps/Deployment/shop/cart", Phase: incident.Applying, Change: incident.Change{Number: 7},
			Activity: "Apply", Why: "add\nthis rule", Rule: "- verbs:\n  [patch]", N: 2}
		if err := (&Asker{Book: book, Forge: w, Chat: chat, Writer: plain{}}).Hold(t.Context(), in); err != nil || !book.has("held-2", incident.Event) {
			t.Errorf("with %v: %v, %+v", refuse, err, book.rows)
		}
		if chat.posted["held-2"] != in.Target+": "+in.Why {
			t.Errorf("with %v the chat was told %q", refuse, chat.posted)
		}
		if len(w.written) == 0 || w.written[0] != in.Why || refuse == nil && w.written[1] != "waits for a permission: - verbs: [patch]" {
			t.Errorf("with %v the pull request was told %q", refuse, w.written)
		}
	}
}
