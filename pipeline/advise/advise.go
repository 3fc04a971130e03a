// Package advise says in plain sentences what an incident is likely about and what that rests on. Advice only: it
// never acts, and nothing waits for it.
//
// There are two advisors. Heuristics read the incident and nothing else; they always have an answer. LLM asks a language
// model, and has no hands: the model sees the incident as JSON, has no tools, and its answer is text that is checked,
// bounded and made plain. When the model is slow, away or wrong, heuristics answer in its place within the deadline.
// Every Advisory says who wrote it.
//
// What either quotes from alerts, and all that a model says, is untrusted text: one line, clipped, without control
// characters. Whoever prints it escapes it.
package advise

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// maxQuote bounds what is quoted of a label or annotation, in runes.
const maxQuote = 160

// causes pairs what the words of alert names begin with, in lower case, with what they are mostly about. The first that
// fits is taken.
var causes = []struct {
	words []string
	cause string
}{
	{[]string{"oomkill", "outofmemory", "oom"}, "needs more memory than its limit allows"},
	{[]string{"imagepull", "errimage"}, "cannot fetch its image"},
	{[]string{"crashloop", "restart"}, "ends soon after each start"},
	{[]string{"throttl"}, "needs more CPU than its limit allows"},
	{[]string{"connections"}, "has hardly a connection left"},
	{[]string{"errorratio", "errorrate", "error", "5xx"}, "answers requests with errors"},
	{[]string{"latency", "slow", "duration"}, "answers slowly"},
	{[]string{"replicasmismatch", "notready", "unavailable", "rollout"}, "does not become ready"},
	{[]string{"reconciliationfailed", "healthcheckfailed", "buildfailed"}, "was not delivered as git says"},
}

// Heuristics of an incident, from the names of its alerts, their counts, their onset and the owner.
func Heuristics(i incident.Incident) incident.Advisory {
	return incident.Advisory{By: "heuristics", Cause: cause(i), Evidence: evidence(i)}
}

func cause(i incident.Incident) string {
	who := quote(i.Root.String())
	if c := i.Container(); c != "" {
		who = fmt.Sprintf("Container %s of %s", quote(c), who)
	}
	alerts := i.Alerts()
	for _, known := range causes {
		for _, name := range alerts {
			for _, word := range known.words {
				if speaksOf(name, word) {
					return fmt.Sprintf("%s %s: %s says so.", who, known.cause, quote(name))
				}
			}
		}
	}
	if len(alerts) == 0 {
		return fmt.Sprintf("Nothing is known yet of %s.", who)
	}
	return fmt.Sprintf("%s is not well: %s says so, which no heuristic knows.", who, quote(alerts[0]))
}

// speaksOf reports whether one of the words of name begins with word, which is in lower case and may be several: the words of
// TooManyConnections are too, many and connections.
func speaksOf(name, word string) bool {
	before := ' '
	for i, r := range name {
		_, size := utf8.DecodeRuneInString(name[i:])
		next, _ := utf8.DecodeRuneInString(name[i+size:])
		begins := !unicode.IsLetter(before) || unicode.IsUpper(r) && (unicode.IsLower(before) || unicode.IsLower(next)) || unicode.IsDigit(r)
		if begins && strings.HasPrefix(strings.ToLower(name[i:]), word) {
			return true
		}
		before = r
	}
	return false
}

func evidence(i incident.Incident) []string {
	var all []string
	for _, name := range i.Alerts() {
		all = append(all, alert(i, name))
	}
	if !i.Onset.IsZero() {
		all = append(all, fmt.Sprintf("It began at %s.", clock(i.Onset)))
	}
	all = append(all, ownership(i)...)
	if n := len(i.Blast.Services); i.Blast.Pods > 0 || n > 0 {
		s := fmt.Sprintf("%s behind %s", count(i.Blast.Pods, "pod"), count(n, "service"))
		if n > 0 {
			s += " (" + quote(strings.Join(i.Blast.Services, ", ")) + ")"
		}
		all = append(all, s+" may be hit.")
	}
	return all
}

// alert says how often one alert is there, since when, and what it says itself.
func alert(i incident.Incident, name string) string {
	var firing, resolved int
	var first time.Time
	summary := ""
	for _, s := range i.Signals {
		if s.Name != name {
			continue
		}
		if s.Status == incident.Resolved {
			resolved++
		} else {
			firing++
		}
		if !s.StartsAt.IsZero() && (first.IsZero() || s.StartsAt.Before(first)) {
			first = s.StartsAt
		}
		for _, key := range []string{"summary", "description", "message"} {
			if summary == "" {
				summary = quote(s.Annotations[key])
			}
		}
	}
	text := fmt.Sprintf("%s fires %s", quote(name), count(firing, "time"))
	if resolved > 0 {
		text += fmt.Sprintf(" and is resolved %s", count(resolved, "time"))
	}
	if !first.IsZero() {
		text += ", first at " + clock(first)
	}
	if summary != "" {
		return text + fmt.Sprintf(": “%s”", strings.TrimSuffix(summary, ".")) + "."
	}
	return text + "."
}

// ownership says why signals about other objects are held to be about the root.
func ownership(i incident.Incident) []string {
	subjects := map[string]bool{}
	for _, s := range i.Signals {
		if !s.Subject.IsZero() && s.Subject.Key() != i.Root.Key() {
			subjects[s.Subject.Key()] = true
		}
	}
	if len(subjects) == 0 || i.Root.IsZero() {
		return nil
	}
	return []string{fmt.Sprintf("The signals name %s that %s owns.", count(len(subjects), "object"), quote(i.Root.String()))}
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func quote(s string) string { return clip(oneLine(s), maxQuote) }

// oneLine makes foreign text one line, without what a terminal or a browser would obey: control characters, and the
// invisible ones that turn the direction of text.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.Join(strings.Fields(s), " ")
}

// clip cuts s to at most n runes; the last one then tells of the cut.
func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return strings.TrimRight(string(runes[:n-1]), " ") + "…"
	}
	return s
}
