package markdown

import (
	"html"
	"regexp"
	"slices"
	"strings"
)

// flow is a flowchart of boxes and arrows.
type flow struct {
	nodes   []*node
	edges   []edge
	classes map[string]style
}

type node struct {
	id, class string
	label     []string // lines
	round     bool
	layer     int
	x, y, w   float64
}

type edge struct {
	from, to *node
	label    string
	plain    bool // a line without a head
	dashed   bool
	back     bool // closes a circle
}

type style struct{ fill, stroke, width string }

const maxNodes, maxEdges = 60, 200

var (
	nodeID    = regexp.MustCompile(`^[\pL\pN_]+(?:[-./][\pL\pN_]+)*`)
	nodeShape = regexp.MustCompile(`^(\(\[|\[\(|\[|\(|\{)\s*(?:"([^"]*)"|([^"\[\](){}|]*))\s*(\]\)|\)\]|\]|\)|\})`)
	nodeClass = regexp.MustCompile(`^:::([\w-]+)`)
	link      = regexp.MustCompile(`^\s*(?:(-->|---|-\.->|-\.-|==>|===)(?:\s*\|\s*"?([^|"]*)"?\s*\|)?|--\s+"?([^-|"]+?)"?\s*(-->|---))\s*`)
	colour    = regexp.MustCompile(`^#[0-9a-fA-F]{3,8}$`)
	width     = regexp.MustCompile(`^([0-9]{1,2})(?:px)?$`)
	lineBreak = regexp.MustCompile(`(?i)<br\s*/?>|\\n`)
	entity    = regexp.MustCompile(`#(\w{1,10});`)
)

func parseFlow(lines []string) (*flow, bool) {
	f := &flow{classes: map[string]style{}}
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		ok := true
		switch word {
		case "classDef":
			ok = f.classDef(rest)
		case "class":
			ok = f.classOf(rest)
		case "subgraph", "end", "click", "style", "linkStyle", "direction":
			ok = false
		default:
			ok = f.chain(line)
		}
		if !ok || len(f.nodes) > maxNodes || len(f.edges) > maxEdges {
			return nil, false
		}
	}
	return f, len(f.nodes) > 0
}

// classDef takes the three properties that are drawn; others are left out.
func (f *flow) classDef(s string) bool {
	name, props, ok := strings.Cut(s, " ")
	if !ok {
		return false
	}
	var st style
	for p := range strings.SplitSeq(props, ",") {
		k, v, _ := strings.Cut(p, ":")
		v = strings.TrimSpace(v)
		switch k = strings.TrimSpace(k); {
		case k == "fill" && colour.MatchString(v):
			st.fill = v
		case k == "stroke" && colour.MatchString(v):
			st.stroke = v
		case k == "stroke-width" && width.MatchString(v):
			st.width = width.FindStringSubmatch(v)[1]
		}
	}
	for n := range strings.SplitSeq(name, ",") {
		f.classes[n] = st
	}
	return true
}

func (f *flow) classOf(s string) bool {
	ids, class, ok := strings.Cut(s, " ")
	for id := range strings.SplitSeq(ids, ",") {
		f.node(id).class = strings.TrimSpace(class)
	}
	return ok
}

func (f *flow) node(id string) *node {
	i := slices.IndexFunc(f.nodes, func(n *node) bool { return n.id == id })
	if i < 0 {
		i = len(f.nodes)
		f.nodes = append(f.nodes, &node{id: id, label: []string{id}})
	}
	return f.nodes[i]
}

// chain is one line: a & b -->|why| c["text"]:::class --> d.
func (f *flow) chain(s string) bool {
	var before []*node
	var arrow edge
	for {
		group, rest, ok := f.group(s)
		if !ok {
			return false
		}
		for _, from := range before {
			for _, to := range group {
				e := arrow
				e.from, e.to = from, to
				f.edges = append(f.edges, e)
			}
		}
		if rest == "" {
			return true
		}
		m := link.FindStringSubmatch(rest)
		if m == nil {
			return false
		}
		kind := m[1] + m[4]
		arrow = edge{label: strings.TrimSpace(unentity(m[2] + m[3])), plain: !strings.HasSuffix(kind, ">"), dashed: strings.Contains(kind, ".")}
		before, s = group, rest[len(m[0]):]
	}
}

// group is a node, or several joined by '&'.
func (f *flow) group(s string) (nodes []*node, rest string, ok bool) {
	for {
		n, rest, ok := f.one(s)
		if !ok {
			return nil, "", false
		}
		nodes, rest = append(nodes, n), strings.TrimSpace(rest)
		if !strings.HasPrefix(rest, "&") {
			return nodes, rest, true
		}
		s = strings.TrimSpace(rest[1:])
	}
}

func (f *flow) one(s string) (n *node, rest string, ok bool) {
	id := nodeID.FindString(s)
	if id == "" {
		return nil, "", false
	}
	n, s = f.node(id), s[len(id):]
	if m := nodeShape.FindStringSubmatch(s); m != nil {
		n.label, n.round = nil, strings.Contains(m[1], "(")
		for _, line := range lineBreak.Split(m[2]+m[3], 4) {
			n.label = append(n.label, unentity(strings.TrimSpace(line)))
		}
		s = s[len(m[0]):]
	}
	if m := nodeClass.FindStringSubmatch(s); m != nil {
		n.class, s = m[1], s[len(m[0]):]
	}
	return n, s, true
}

// unentity reads mermaid's own escapes, such as #quot; and #35;.
func unentity(s string) string {
	return entity.ReplaceAllStringFunc(s, func(e string) string {
		name := e[1 : len(e)-1]
		if strings.Trim(name, "0123456789") == "" {
			name = "#" + name
		}
		return html.UnescapeString("&" + name + ";")
	})
}
