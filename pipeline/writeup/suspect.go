package writeup

import (
	"fmt"
	"strings"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	mostSuspects = 3 // that are shown
	mostFields   = 3 // of one
)

// suspects are the recent changes as items of a list, the likeliest first.
func suspects(list []incident.Suspect) []string {
	var out []string
	for _, s := range list[:min(len(list), mostSuspects)] {
		out = append(out, fmt.Sprintf("%s before it began, %s by %s: %s%s", ago(s.Before), code(s.Short()), text(s.Author), text(quoted(s.Subject)), changed(s, code)))
	}
	if more := len(list) - mostSuspects; more > 0 {
		out = append(out, fmt.Sprintf("%d more %s changed these files in the week before", more, plural(more, "commit", "commits")))
	}
	return out
}

// slackSuspects is the same on Slack, "" where there are none.
func slackSuspects(list []incident.Suspect) string {
	var b strings.Builder
	for i, s := range list[:min(len(list), mostSuspects)] {
		if i == 0 {
			b.WriteString("*What changed before*")
		}
		fmt.Fprintf(&b, "\n• %s before it began, %s by %s: %s%s", ago(s.Before), slackCode(s.Short(), 12), slackText(s.Author, 60), slackText(quoted(s.Subject), 150),
			changed(s, func(f string) string { return slackCode(f, 110) }))
	}
	return b.String()
}

// changed says what a suspect changed of a workload.
func changed(s incident.Suspect, code func(string) string) string {
	var parts []string
	for _, f := range s.Fields[:min(len(s.Fields), mostFields)] {
		parts = append(parts, code(fmt.Sprintf("%s: %s → %s", lastField(f.Field), orNot(f.From), orNot(f.To))))
	}
	if len(parts) == 0 {
		return ""
	}
	out := ", which changed " + strings.Join(parts, ", ")
	if more := len(s.Fields) - mostFields; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out + " of " + code(s.Resource.String())
}

func quoted(s string) string { return "“" + s + "”" }

// ago is a length of time in two units at most.
func ago(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	case d >= time.Minute:
		return span(d.Round(time.Minute))
	}
	return d.Round(time.Second).String()
}
