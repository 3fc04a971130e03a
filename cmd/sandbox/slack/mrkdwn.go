package slack

import (
	"fmt"
	"html"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	marks = regexp.MustCompile("`[^`\n]+`|<[^<>\n]*>")
	bold  = regexp.MustCompile(`\*([^*\n]+)\*`)
	emoji = regexp.MustCompile(`:([a-z0-9_+-]+):`)
	date  = regexp.MustCompile(`^!date\^([0-9]{1,12})\^([^|]*)\|(.*)$`)
	link  = regexp.MustCompile(`^(https?://[^|]+)(?:\|(.*))?$`)
)

var signs = map[string]string{
	"thumbsup": "👍", "white_check_mark": "✅", "leftwards_arrow_with_hook": "↩️", "rotating_light": "🚨", "hourglass": "⌛", "no_entry_sign": "🚫",
	"no_entry": "⛔", "fast_forward": "⏩", "x": "❌", "grey_question": "❔",
}

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// mrkdwn renders the part of Slack's markup that a verbatim text may use.
// Whatever is not markup is escaped.
func mrkdwn(s string) template.HTML {
	var b strings.Builder
	from := 0
	for _, m := range marks.FindAllStringIndex(s, -1) {
		b.WriteString(words(s[from:m[0]]))
		if inner := s[m[0]+1 : m[1]-1]; s[m[0]] == '`' {
			b.WriteString("<code>" + escape(inner) + "</code>")
		} else {
			b.WriteString(reference(inner))
		}
		from = m[1]
	}
	b.WriteString(words(s[from:]))
	return template.HTML(b.String())
}

// plain is a plain_text: no markup, but entities.
func plain(s string) string { return entities.Replace(s) }

func escape(s string) string { return html.EscapeString(entities.Replace(s)) }

func words(s string) string {
	s = bold.ReplaceAllString(escape(s), "<b>$1</b>")
	s = emoji.ReplaceAllStringFunc(s, func(name string) string {
		if sign, ok := signs[strings.Trim(name, ":")]; ok {
			return sign
		}
		return name
	})
	return strings.ReplaceAll(s, "\n", "<br>")
}

// reference is what stands between < and >.
func reference(s string) string {
	if m := date.FindStringSubmatch(s); m != nil {
		seconds, _ := strconv.ParseInt(m[1], 10, 64)
		t := time.Unix(seconds, 0).UTC()
		shown := strings.NewReplacer("{date_short_pretty}", t.Format("Jan 2, 2006"), "{time}", t.Format("15:04 UTC")).Replace(m[2])
		return fmt.Sprintf(`<time title="%s">%s</time>`, escape(m[3]), escape(shown))
	}
	if m := link.FindStringSubmatch(s); m != nil {
		label := m[2]
		if label == "" {
			label = m[1]
		}
		return fmt.Sprintf(`<a href="%s" rel="noreferrer">%s</a>`, escape(m[1]), escape(label))
	}
	return escape("<" + s + ">")
}
