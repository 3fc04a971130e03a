package markdown

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"
)

func TestMalice(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`<script>alert(1)</script>`,
		`<img src=x onerror=alert(1)>`,
		"<details ontoggle=alert(1) open><summary onclick=alert(1)>x</summary></details>",
		`[x](javascript:alert(1)) [x](JaVa&#x53;cript:alert(1)) [x](data:text/html;base64,PHNjcmlwdD4=) [x](vbscript:x)`,
		`<a href="java&#10;script:alert(1)">x</a>`,
		`<svg><script>alert(1)</script></svg><math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>`,
		`<iframe src="//evil"></iframe><object data=x></object><embed src=x><base href="//evil">`,
		`<form action="//evil"><input type=text name=x><button formaction="//evil">x</button></form>`,
		`<p style="position:fixed;inset:0" class="approve">x</p><style>body{display:none}</style>`,
		`<meta http-equiv=refresh content="0;url=//evil"><link rel=stylesheet href="//evil">`,
		"```mermaid\nflowchart LR\n  a[\"<script>alert(1)</script>\"] -->|<img src=x onerror=alert(1)>| b:::x\n  classDef x fill:url(//evil),stroke:#f00\" onload=\"alert(1)\n```",
		"```mermaid\nxychart-beta\n  title \"</text><script>alert(1)</script>\"\n  x-axis [\"<script>\", b]\n  line [1, 2]\n```",
		"<pre><code class=\"language-mermaid\">flowchart LR\n  a --&gt; b[\"&lt;script&gt;\"]</code></pre>",
		"```diff\n+<script>alert(1)</script>\n```",
		"```\"><script>alert(1)</script>\nx\n```",
		"| <script>alert(1)</script> | `<script>` |\n|--|--|\n| x | y |",
	} {
		out := string(HTML(text))
		root, err := html.Parse(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		for n := range root.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if slices.Contains([]string{"script", "iframe", "object", "embed", "base", "style", "form", "button", "meta", "link"}, n.Data) {
				t.Errorf("%q becomes <%s>: %s", text, n.Data, out)
			}
			for _, a := range n.Attr {
				scheme, _, ok := strings.Cut(strings.ToLower(a.Val), ":")
				link := a.Key == "href" || a.Key == "src"
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || link && ok && scheme != "http" && scheme != "https" && scheme != "mailto" ||
					a.Key == "class" && n.Data == "p" || a.Key == "fill" && strings.Contains(a.Val, "url") || n.Data == "input" && a.Key == "type" && a.Val != "checkbox" {
					t.Errorf("%q becomes <%s %s=%q>: %s", text, n.Data, a.Key, a.Val, out)
				}
			}
		}
	}
}

func TestDialect(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"**a** `b`":                       "<strong>a</strong> <code>b</code>",
		"| a | b |\n|:--|--:|\n| 1 | 2 |": `<td align="right">2</td>`,
		"<details><summary><b>x</b></summary>\n\n**y**\n</details>": "<details><summary><b>x</b></summary>\n<p><strong>y</strong></p>\n</details>",
		"- [x] done":                 `<input checked="" disabled="" type="checkbox"`,
		"<sub>small</sub>":           "<sub>small</sub>",
		"one\ntwo":                   "one<br>\ntwo",
		"~~no~~":                     "<del>no</del>",
		"https://example.com":        `href="https://example.com"`,
		"<!-- cortexops:x -->y":      "y",
		"```yaml\na: 1\n```":         `<pre><code class="language-yaml">a: 1`,
		"```diff\n@@ x\n-a\n+b\n```": `<span class="line hunk">@@ x` + "\n" + `</span><span class="line del">-a` + "\n" + `</span><span class="line add">+b`,
		"```mermaid\npie\n```":       `<code class="language-mermaid">pie`,
	} {
		if got := string(HTML(text)); !strings.Contains(got, want) {
			t.Errorf("%q becomes %q, want %q in it", text, got, want)
		}
	}
	if got := string(HTML("<!-- cortexops:x -->y")); strings.Contains(got, "cortexops") {
		t.Errorf("a hidden marker is shown: %q", got)
	}
}

// svgTexts are the words in a drawing, which must be well formed.
func svgTexts(t *testing.T, svg string) (texts []string, counts map[string]int) {
	t.Helper()
	counts = map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	in := ""
	for {
		tok, err := d.Token()
		if tok == nil {
			if err.Error() != "EOF" {
				t.Fatalf("%v in %s", err, svg)
			}
			return texts, counts
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			in = tok.Name.Local
			counts[in]++
		case xml.CharData:
			if in == "text" {
				texts = append(texts, string(tok))
			}
		case xml.EndElement:
			in = ""
		}
	}
}

func TestDiagrams(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source string
		texts  []string // all of them among the drawn ones
		counts map[string]int
	}{
		"chart": {"xychart-beta\n  title \"working set, MiB (limit 512)\"\n  x-axis [\"10:20\", \"10:25\"]\n  line [402, 511]",
			[]string{"working set, MiB (limit 512)", "10:20", "10:25"}, map[string]int{"polyline": 1, "circle": 2}},
		"chart with axes": {"xychart-beta\nx-axis \"time\" [a, b, c]\ny-axis \"MiB\" 0 --> 100\nline [1, 2, 3]\nline [50, 50, 50]\n",
			[]string{"MiB", "0", "100", "a", "c"}, map[string]int{"polyline": 2}},
		"flat chart":  {"xychart-beta\nline [5, 5]", []string{"5.0"}, map[string]int{"polyline": 1}},
		"small chart": {"xychart-beta\nline [0.001, 0.004]", []string{"0.001", "0.004"}, map[string]int{"polyline": 1}},
		"flow": {"flowchart LR\n  storefront --> checkout:::root --> cart\n  mobile-api --> checkout\n  classDef root stroke-width:3px",
			[]string{"storefront", "checkout", "cart", "mobile-api"}, map[string]int{"rect": 4, "path": 3, "polygon": 3}},
		"flow with all": {"graph LR\n%% words\n a[\"one<br/>two\"] & b(round) -->|says #quot;hi#quot;| c[(\"db\")];\n c -.-> d --- e\n a -- why --> e\n class a,b x",
			[]string{"one", "two", "round", `says "hi"`, "db", "why"}, map[string]int{"path": 5, "polygon": 4}},
		"circle": {"flowchart LR\na --> b --> c --> a\nb --> b", []string{"a", "b", "c"}, map[string]int{"rect": 3, "path": 4}},
	} {
		svg, ok := Diagram(c.source)
		if !ok {
			t.Errorf("%s is not drawn", name)
			continue
		}
		texts, counts := svgTexts(t, svg)
		for _, want := range c.texts {
			if !slices.Contains(texts, want) {
				t.Errorf("%s: no %q among %q", name, want, texts)
			}
		}
		for element, want := range c.counts {
			if counts[element] != want {
				t.Errorf("%s: %d %ss, want %d", name, counts[element], element, want)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: a figure that is none: %s", name, svg)
		}
	}
	svg, _ := Diagram("flowchart LR\n a:::root --> b\n classDef root stroke-width:3px")
	if !strings.Contains(svg, `stroke-width="3"`) {
		t.Error("a class's width is not drawn")
	}
}

// What is not understood is not guessed at: the reader sees the source.
func TestNotDrawn(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"", "pie\n a: 1", "flowchart TD\n a --> b", "flowchart LR", "flowchart LR\n subgraph x\n a\n end", "flowchart LR\n a -->", "flowchart LR\n --> b",
		"xychart-beta", "xychart-beta\nline []", "xychart-beta\nline [1, x]", "xychart-beta\nline [NaN]", "xychart-beta\nbar [1]",
		"xychart-beta\nx-axis [a]\nline [1, 2]", "xychart-beta\ny-axis 5 --> 1\nline [1]", "xychart-beta\nline [1e999]", "xychart-beta\nline [-1e300, 1e300]",
	} {
		if svg, ok := Diagram(source); ok {
			t.Errorf("%q is drawn: %s", source, svg)
		}
	}
}

func FuzzDiagram(f *testing.F) {
	f.Add("flowchart LR\n a[\"x\"] -->|y| b & c:::z")
	f.Add("xychart-beta\ny-axis \"a\" 0 --> 1e3\nline [1, -2, 3e8]")
	f.Fuzz(func(t *testing.T, source string) {
		for _, r := range source {
			if r == utf8.RuneError || r < ' ' && r != '\n' || r > 0xfffd { // HTML may hold them, XML not
				t.Skip()
			}
		}
		if svg, ok := Diagram(source); ok {
			svgTexts(t, svg)
		}
	})
}
