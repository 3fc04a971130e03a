// Package markdown turns GitHub-flavoured Markdown that a stranger may have
// written into HTML that is safe to show. Two kinds of mermaid fence, line charts
// (xychart-beta) and flowchart LR, are drawn as SVG; others stay as their source.
//
// It never runs a script, loads anything or lets a stranger choose a style.
package markdown

import (
	"bytes"
	"html"
	"html/template"
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
)

// Raw HTML passes goldmark, since <details> is part of the dialect; the policy
// below is what makes it safe.
var converter = sync.OnceValue(func() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.Linkify, extension.Strikethrough, extension.TaskList,
			extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
		goldmark.WithRendererOptions(goldmarkhtml.WithUnsafe(), goldmarkhtml.WithHardWraps()),
	)
})

var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.AllowAttrs("class").Matching(regexp.MustCompile(`^language-[a-z0-9-]+$`)).OnElements("code")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^checkbox$`)).OnElements("input")
	p.AllowAttrs("checked", "disabled").OnElements("input")
	p.RequireNoReferrerOnLinks(true)
	return p
})

// The text between the tags is escaped, so it holds no '<'.
var fence = regexp.MustCompile(`<pre><code class="language-(mermaid|diff)">([^<]*)</code></pre>`)

// HTML renders a text.
func HTML(text string) template.HTML {
	var buf bytes.Buffer
	if err := converter().Convert([]byte(text), &buf); err != nil {
		return template.HTML("<pre>" + html.EscapeString(text) + "</pre>") //nolint:gosec // escaped
	}
	safe := policy().Sanitize(buf.String())
	safe = fence.ReplaceAllStringFunc(safe, func(block string) string {
		m := fence.FindStringSubmatch(block)
		source := html.UnescapeString(m[2])
		if m[1] == "diff" {
			return `<pre class="diff">` + diff(source) + `</pre>`
		}
		if svg, ok := Diagram(source); ok {
			return `<div class="diagram">` + svg + `</div>`
		}
		return block
	})
	return template.HTML(safe) //nolint:gosec // sanitized above; what was put in since is escaped
}

// Diagram draws a mermaid source as SVG, if it is of a kind that is drawn here.
func Diagram(source string) (svg string, ok bool) {
	lines := statements(source)
	if len(lines) == 0 {
		return "", false
	}
	switch lines[0] {
	case "xychart-beta", "xychart":
		c, ok := parseChart(lines[1:])
		if !ok {
			return "", false
		}
		return c.svg(), true
	case "flowchart LR", "graph LR":
		f, ok := parseFlow(lines[1:])
		if !ok {
			return "", false
		}
		return f.svg(), true
	}
	return "", false
}

// statements are the lines that say something.
func statements(source string) []string {
	var out []string
	for line := range strings.Lines(source) {
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		if line != "" && !strings.HasPrefix(line, "%%") {
			out = append(out, line)
		}
	}
	return out
}

func diff(source string) string {
	var b strings.Builder
	for line := range strings.Lines(source) {
		class := ""
		switch {
		case strings.HasPrefix(line, "@@"):
			class = "hunk"
		case strings.HasPrefix(line, "+"):
			class = "add"
		case strings.HasPrefix(line, "-"):
			class = "del"
		}
		b.WriteString(`<span class="line ` + class + `">` + html.EscapeString(strings.TrimSuffix(line, "\n")) + "\n</span>")
	}
	return b.String()
}
