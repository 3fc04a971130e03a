package advise

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// Bounds of what is kept of an answer. Lengths are in runes.
const (
	maxCause    = 300
	maxEvidence = 5
)

// words is what schema asks for.
type words struct {
	Cause    *string   `json:"cause"`
	Evidence *[]saying `json:"evidence"`
}

type saying struct {
	Alert *string `json:"alert"`
	Says  *string `json:"says"`
}

var errSchema = errors.New("the LLM's words are not JSON of our schema")

// read holds what the model wrote to schema, whatever its server promised: after it, no pointer is nil.
func read(content string) (words, error) {
	var w words
	d := json.NewDecoder(strings.NewReader(content))
	d.DisallowUnknownFields()
	if d.Decode(&w) != nil || w.Cause == nil || w.Evidence == nil {
		return words{}, errSchema
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return words{}, errors.New("the LLM's words go on after the JSON")
	}
	for _, e := range *w.Evidence {
		if e.Alert == nil || e.Says == nil {
			return words{}, errSchema
		}
	}
	return w, nil
}

// hold tells whether secret is in the words as people would read them: they go to the forge.
func (w words) hold(secret string) bool {
	all := *w.Cause
	for _, e := range *w.Evidence {
		all += "\n" + *e.Alert + "\n" + *e.Says
	}
	return secret != "" && (strings.Contains(all, secret) || strings.Contains(oneLine(all), secret))
}

// advisory makes plain, bounded lines of the words. Evidence about an alert that the incident does not have is dropped;
// with none left the words are no good.
func (w words) advisory(i incident.Incident) (incident.Advisory, error) {
	out := incident.Advisory{Cause: plain(*w.Cause, maxCause)}
	if out.Cause == "" {
		return incident.Advisory{}, errors.New("the LLM names no cause")
	}
	alerts := named(i)
	for _, e := range *w.Evidence {
		if len(out.Evidence) < maxEvidence && slices.Contains(alerts, *e.Alert) && oneLine(*e.Says) != "" {
			out.Evidence = append(out.Evidence, plain(*e.Alert+": "+*e.Says, maxQuote))
		}
	}
	if len(out.Evidence) == 0 {
		return incident.Advisory{}, errors.New("the LLM cites no alert of this incident")
	}
	return out, nil
}

// named lists the alerts as question shows them.
func named(i incident.Incident) []string {
	names := i.Alerts()
	for n, name := range names {
		names[n] = clip(oneLine(name), maxName)
	}
	return names
}

var (
	link   = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://|www\.)\S*`)
	markup = strings.NewReplacer("`", "'", "<", "‹", ">", "›", "[", "(", "]", ")", "@", "＠", "#", "＃", "*", "∗")
)

// plain makes the model's words one line that nobody obeys wherever it is printed: no link, and look-alikes for what is
// markup to Markdown or Slack, a mention, or a word of power in a commit message, such as [skip ci] or "Fixes #1".
func plain(s string, n int) string {
	return clip(markup.Replace(link.ReplaceAllString(oneLine(s), "(link)")), n)
}
