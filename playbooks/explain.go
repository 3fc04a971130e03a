package playbooks

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	tree "text/template/parse"

	"go.yaml.in/yaml/v3"
)

// Explanation is what a playbook's explain text may speak of.
type Explanation struct {
	Container string   // the container, "" where the incident names none
	Namespace string   // of the object
	Name      string   // of the object
	Count     int      // how many alert instances and events the incident has
	Alerts    []string // the distinct names of its alerts, sorted
	From      string   // the value of the first edit before
	To        string   // and after
	Commit    string   // the beginning of the SHA of the commit that is taken back, "" where none is
	Subject   string   // its first line
	Author    string   // who wrote it
	Before    string   // how long before the incident it came, such as 12m
}

// maxExplain bounds what an explain text may become: it is a paragraph of a pull request.
const maxExplain = 16 << 10

// Explain renders the playbook's explain text. The result is text, not Markdown to be trusted: whoever prints it
// escapes it.
func Explain(p Playbook, data Explanation) (string, error) {
	text, err := render(p.explain, data)
	if err != nil {
		return "", fmt.Errorf("explain of playbook %s: %w", p.Name, err)
	}
	return text, nil
}

func render(t *template.Template, data Explanation) (string, error) {
	var b limited
	if err := t.Execute(&b, data); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

type limited struct{ strings.Builder }

var errTooLong = errors.New("becomes too long")

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxExplain {
		return 0, errTooLong
	}
	return l.Builder.Write(p)
}

func (d *decoder) explain(n *yaml.Node, p *Playbook) {
	var src string
	d.text("explain", &src)(n)
	t, err := template.New("explain").Parse(src)
	if err != nil {
		d.fail(n, "explain: %v", err)
		return
	}
	if len(t.Templates()) > 1 {
		d.fail(n, "explain: define and block are not for explain texts")
		return
	}
	if t.Tree != nil && t.Root != nil {
		if err := calm(t.Root, false); err != nil {
			d.fail(n, "explain: %v", err)
			return
		}
	}
	p.explain = t
	// A misspelt field shows when it is evaluated: on values that are all set, and on none.
	for _, data := range []Explanation{{}, {Container: "app", Namespace: "shop", Name: "checkout", Count: 3, Alerts: []string{"A", "B"}, From: "1", To: "2", Commit: "0123456789ab", Subject: "s", Author: "a", Before: "12m"}} {
		if _, err := render(t, data); err != nil {
			d.fail(n, "explain: %v", err)
			return
		}
	}
}

// calm refuses what could make a template run without end or for very long: other templates, ranges over anything but
// .Alerts, and ranges in ranges.
func calm(list *tree.ListNode, inRange bool) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		var branch *tree.BranchNode
		in := inRange
		switch n := n.(type) {
		case *tree.TemplateNode:
			return errors.New("template is not for explain texts")
		case *tree.RangeNode:
			if cmds := n.Pipe.Cmds; inRange || len(cmds) != 1 || cmds[0].String() != ".Alerts" {
				return errors.New("range only goes over .Alerts, and not in another range")
			}
			branch, in = &n.BranchNode, true
		case *tree.IfNode:
			branch = &n.BranchNode
		case *tree.WithNode:
			branch = &n.BranchNode
		default:
			continue
		}
		if err := errors.Join(calm(branch.List, in), calm(branch.ElseList, in)); err != nil {
			return err
		}
	}
	return nil
}
