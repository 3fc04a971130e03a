package markdown

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"
)

const (
	boxH, lineH        = 22.0, 16.0 // a box of one line is boxH+lineH high
	gapX, gapY, margin = 64.0, 18.0, 12.0
	letter             = 7.4 // the width of one at 13 px, generously
)

func (n *node) height() float64 { return boxH + lineH*float64(len(n.label)) }

// layout puts every node one layer after the last of those that lead to it, and
// the layers side by side. Edges that close a circle are left out of the count.
func (f *flow) layout() (width, height float64) {
	for i := range f.edges {
		f.edges[i].back = f.closesCircle(f.edges[i])
	}
	for range f.nodes {
		moved := false
		for _, e := range f.edges {
			if want := e.from.layer + 1; !e.back && e.to.layer < want {
				e.to.layer, moved = want, true
			}
		}
		if !moved {
			break
		}
	}
	layers := map[int][]*node{}
	last := 0
	for _, n := range f.nodes {
		n.w = letter*float64(longest(n.label)) + 28
		layers[n.layer] = append(layers[n.layer], n)
		last = max(last, n.layer)
	}
	for l := range last + 1 {
		height = max(height, columnHeight(layers[l]))
	}
	x := margin
	for l := range last + 1 {
		column := layers[l]
		f.order(column)
		y, widest := margin+(height-columnHeight(column))/2, 0.0
		for _, n := range column {
			widest = max(widest, n.w)
		}
		for _, n := range column {
			n.x, n.y = x+(widest-n.w)/2, y
			y += n.height() + gapY
		}
		x += widest + gapX + f.labelRoom(l)
	}
	return x - gapX + margin, height + 2*margin
}

// closesCircle says whether an edge returns to an earlier node from which its own
// start is reached.
func (f *flow) closesCircle(e edge) bool {
	seen, next := map[*node]bool{e.to: true}, []*node{e.to}
	for len(next) > 0 {
		n := next[0]
		next = next[1:]
		if n == e.from {
			return slices.Index(f.nodes, e.to) <= slices.Index(f.nodes, e.from)
		}
		for _, o := range f.edges {
			if o.from == n && !seen[o.to] {
				seen[o.to] = true
				next = append(next, o.to)
			}
		}
	}
	return false
}

// order sorts a column by where its arrows come from, to cross few of them.
func (f *flow) order(column []*node) {
	from := func(n *node) float64 {
		sum, count := 0.0, 0.0
		for _, e := range f.edges {
			if e.to == n && e.from.layer < n.layer {
				sum, count = sum+e.from.y+e.from.height()/2, count+1
			}
		}
		return sum / max(1, count)
	}
	slices.SortStableFunc(column, func(a, b *node) int { return cmp.Compare(from(a), from(b)) })
}

// labelRoom is the width that the texts on the arrows leaving a layer need.
func (f *flow) labelRoom(layer int) float64 {
	room := 0.0
	for _, e := range f.edges {
		if e.from.layer == layer && e.label != "" {
			room = max(room, letter*float64(len([]rune(e.label)))-gapX/3)
		}
	}
	return room
}

func columnHeight(column []*node) float64 {
	h := -gapY
	for _, n := range column {
		h += n.height() + gapY
	}
	return h
}

func longest(lines []string) int {
	n := 0
	for _, l := range lines {
		n = max(n, len([]rune(l)))
	}
	return n
}

func (f *flow) svg() string {
	w, h := f.layout()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" width="%.0f" role="img" aria-label="flowchart"><g font-size="13" fill="%s">`, w, h, w, ink)
	for _, e := range f.edges {
		e.draw(&b)
	}
	for _, n := range f.nodes {
		n.draw(&b, f.classes[n.class])
	}
	b.WriteString(`</g></svg>`)
	return b.String()
}

func (e edge) draw(b *strings.Builder) {
	x1, y1 := e.from.x+e.from.w, e.from.y+e.from.height()/2
	x2, y2 := e.to.x, e.to.y+e.to.height()/2
	if e.to.layer <= e.from.layer { // backwards: under the boxes
		x1, y1 = e.from.x+e.from.w/2, e.from.y+e.from.height()
		x2, y2 = e.to.x+e.to.w/2, e.to.y+e.to.height()
		fmt.Fprintf(b, `<path d="M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f" fill="none" stroke="%s" stroke-dasharray="4 3"/>`,
			x1, y1, x1, y1+gapY, x2, y2+gapY, x2, y2, faint)
		return
	}
	tip, dash := 8.0, ""
	if e.plain {
		tip = 0
	}
	if e.dashed {
		dash = ` stroke-dasharray="4 3"`
	}
	mid := (x1 + x2 - tip) / 2
	fmt.Fprintf(b, `<path d="M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f" fill="none" stroke="%s" stroke-width="1.5"%s/>`,
		x1, y1, mid, y1, mid, y2, x2-tip, y2, faint, dash)
	if !e.plain {
		fmt.Fprintf(b, `<polygon points="%.1f,%.1f %.1f,%.1f %.1f,%.1f" fill="%s"/>`, x2, y2, x2-9, y2-4.5, x2-9, y2+4.5, faint)
	}
	if e.label != "" {
		half := letter * float64(len([]rune(e.label))) / 2
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="16" fill="#ffffff"/>`, mid-half, (y1+y2)/2-8, 2*half)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="12" text-anchor="middle" fill="%s">%s</text>`, mid, (y1+y2)/2+4, faint, html.EscapeString(e.label))
	}
}

func (n *node) draw(b *strings.Builder, st style) {
	fill, stroke, width, radius := cmp.Or(st.fill, "#f6f8fa"), cmp.Or(st.stroke, "#59636e"), cmp.Or(st.width, "1"), 6.0
	if n.round {
		radius = 16
	}
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%g" fill="%s" stroke="%s" stroke-width="%s"/>`,
		n.x, n.y, n.w, n.height(), radius, fill, stroke, width)
	for i, line := range n.label {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`,
			n.x+n.w/2, n.y+boxH/2+lineH*float64(i)+12, html.EscapeString(line))
	}
}
