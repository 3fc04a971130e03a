package markdown

import (
	"fmt"
	"html"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// chart is an xychart-beta of lines over named positions.
type chart struct {
	title, yTitle string
	labels        []string
	lines         [][]float64
	low, high     float64 // of the y axis, when it is given
	bounded       bool
}

const (
	maxPoints = 500
	maxValue  = 1e15
)

var (
	quotedOrBare = regexp.MustCompile(`^(?:"([^"]*)"|([^"\[\]]+?))$`)
	item         = regexp.MustCompile(`"([^"]*)"|([^",]+)`)
	list         = regexp.MustCompile(`^(?:"[^"]*"\s*|[\w ]*)\[(.*)\]$`)
	yRange       = regexp.MustCompile(`^(?:"([^"]*)"|([^"\d]*?))\s*(?:(-?[\d.]+)\s*-->\s*(-?[\d.]+))?$`)
)

func parseChart(lines []string) (*chart, bool) {
	c := &chart{}
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		if !c.statement(word, strings.TrimSpace(rest)) {
			return nil, false
		}
	}
	if len(c.lines) == 0 {
		return nil, false
	}
	for _, l := range c.lines {
		if len(l) == 0 || len(l) > maxPoints || len(c.labels) > 0 && len(l) > len(c.labels) {
			return nil, false
		}
	}
	return c, true
}

func (c *chart) statement(word, rest string) bool {
	switch word {
	case "title":
		m := quotedOrBare.FindStringSubmatch(rest)
		if m == nil {
			return false
		}
		c.title = m[1] + m[2]
	case "x-axis":
		items, ok := parseList(rest)
		c.labels = items
		return ok
	case "y-axis":
		m := yRange.FindStringSubmatch(rest)
		if m == nil {
			return false
		}
		c.yTitle = strings.TrimSpace(m[1] + m[2])
		if m[3] != "" {
			var err1, err2 error
			c.low, err1 = strconv.ParseFloat(m[3], 64)
			c.high, err2 = strconv.ParseFloat(m[4], 64)
			c.bounded = true
			return err1 == nil && err2 == nil && c.low < c.high
		}
	case "line":
		items, ok := parseList(rest)
		var values []float64
		for _, s := range items {
			v, err := strconv.ParseFloat(s, 64)
			if err != nil || !(math.Abs(v) <= maxValue) { // nor NaN
				return false
			}
			values = append(values, v)
		}
		c.lines = append(c.lines, values)
		return ok
	default:
		return false
	}
	return true
}

func parseList(s string) ([]string, bool) {
	m := list.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	var out []string
	for _, one := range item.FindAllStringSubmatch(m[1], maxPoints+1) {
		if text := one[1] + strings.TrimSpace(one[2]); text != "" {
			out = append(out, text)
		}
	}
	return out, len(out) > 0
}

// The drawing: a plot of 560 by 170 within 680 by 260.
const (
	chartW, chartH                = 680.0, 260.0
	plotX, plotY, plotW, plotH    = 64.0, 44.0, 592.0, 170.0
	lineColours, ink, faint, rule = "#0969da #cf222e #1a7f37 #8250df #9a6700", "#1f2328", "#59636e", "#d1d9e0"
)

func (c *chart) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s"><g font-size="12" fill="%s">`, chartW, chartH, html.EscapeString(c.title), faint)
	fmt.Fprintf(&b, `<text x="%g" y="22" font-size="14" font-weight="600" fill="%s" text-anchor="middle">%s</text>`, chartW/2, ink, html.EscapeString(c.title))
	low, high, step := c.scale()
	y := func(v float64) float64 { return plotY + plotH*(1-(v-low)/(high-low)) }
	for v := low; v <= high+step/2; v += step {
		fmt.Fprintf(&b, `<line x1="%g" x2="%g" y1="%.1f" y2="%.1f" stroke="%s"/>`, plotX, plotX+plotW, y(v), y(v), rule)
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" text-anchor="end">%s</text>`, plotX-8, y(v)+4, number(v, step))
	}
	if c.yTitle != "" {
		fmt.Fprintf(&b, `<text x="14" y="%g" text-anchor="middle" transform="rotate(-90 14 %g)">%s</text>`, plotY+plotH/2, plotY+plotH/2, html.EscapeString(c.yTitle))
	}
	c.drawLabels(&b)
	colours := strings.Fields(lineColours)
	for i, line := range c.lines {
		c.drawLine(&b, line, colours[i%len(colours)], y)
	}
	b.WriteString(`</g></svg>`)
	return b.String()
}

// x is the middle of the i-th of the positions.
func (c *chart) x(i int) float64 {
	n := len(c.labels)
	if n == 0 {
		for _, l := range c.lines {
			n = max(n, len(l))
		}
	}
	return plotX + plotW*(float64(i)+0.5)/float64(n)
}

func (c *chart) drawLabels(b *strings.Builder) {
	widest := 1
	for _, l := range c.labels {
		widest = max(widest, len([]rune(l)))
	}
	fit := max(1, int(plotW/(float64(widest)*7+10)))
	every := (len(c.labels) + fit - 1) / fit
	for i, l := range c.labels {
		if i%every == 0 {
			fmt.Fprintf(b, `<text x="%.1f" y="%g" text-anchor="middle">%s</text>`, c.x(i), plotY+plotH+22, html.EscapeString(l))
		}
	}
}

func (c *chart) drawLine(b *strings.Builder, values []float64, colour string, y func(float64) float64) {
	var points []string
	for i, v := range values {
		points = append(points, fmt.Sprintf("%.1f,%.1f", c.x(i), y(v)))
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"/>`, strings.Join(points, " "), colour)
	if len(values) > 40 {
		return
	}
	for i, v := range values {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%s</title></circle>`, c.x(i), y(v), colour, strconv.FormatFloat(v, 'g', -1, 64))
	}
}

// scale is a y axis with round figures that holds every value.
func (c *chart) scale() (low, high, step float64) {
	low, high = c.low, c.high
	if !c.bounded {
		low, high = math.Inf(1), math.Inf(-1)
	}
	for _, l := range c.lines {
		for _, v := range l {
			low, high = min(low, v), max(high, v)
		}
	}
	if !c.bounded && low > 0 && low < high/2 {
		low = 0
	}
	if high-low < 1e-9*max(1, math.Abs(high)) {
		low, high = low-1, high+1
	}
	raw := (high - low) / 4
	step = math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if step*m >= raw {
			step *= m
			break
		}
	}
	return math.Floor(low/step) * step, math.Ceil(high/step) * step, step
}

func number(v, step float64) string {
	decimals := 0
	for s := step; decimals < 6 && math.Abs(s-math.Round(s)) > 1e-9*math.Abs(s); s *= 10 {
		decimals++
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}
