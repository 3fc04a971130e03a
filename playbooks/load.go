package playbooks

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	maxFile = 64 << 10 // bytes of one playbook
	maxText = 8 << 10  // bytes of one value in it
)

//go:embed catalog
var catalogue embed.FS

// Catalogue is the playbooks that ship with the product.
func Catalogue() fs.FS {
	sub, err := fs.Sub(catalogue, "catalog")
	if err != nil { // only a malformed path can fail, and this one is a constant
		panic(err)
	}
	return sub
}

// Load reads NAME/playbook.yaml for every folder NAME of fsys, sorted by name. Every fault of every file is in the
// joined error, each as an *Error; with a fault anywhere, no playbook is returned.
func Load(fsys fs.FS) ([]Playbook, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("read the folder of playbooks: %w", err)
	}
	var all []Playbook
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := fs.Stat(fsys, e.Name()) // follows links, e does not
		if err != nil {
			errs = append(errs, fmt.Errorf("read the folder of playbooks: %w", err))
			continue
		}
		if !info.IsDir() {
			if ext := path.Ext(e.Name()); ext == ".yaml" || ext == ".yml" {
				errs = append(errs, &Error{File: e.Name(), Message: "not read: a playbook lives in NAME/playbook.yaml"})
			}
			continue
		}
		p, err := loadOne(fsys, e.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, p)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

func loadOne(fsys fs.FS, folder string) (Playbook, error) {
	file := path.Join(folder, "playbook.yaml")
	f, err := fsys.Open(file)
	if err != nil {
		return Playbook{}, fmt.Errorf("read a playbook: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Playbook{}, fmt.Errorf("read a playbook: %w", err)
	}
	if len(src) > maxFile {
		return Playbook{}, &Error{File: file, Message: fmt.Sprintf("larger than %d KiB", maxFile>>10)}
	}
	return parse(file, folder, src)
}

var (
	yamlLine = regexp.MustCompile(`line (\d+): `)
	// What the parser says, not the scanner, counts the lines from 0.
	grammar = regexp.MustCompile(`^line \d+: (did not find expected (key|node content|'-' indicator|',' or '[\]}]'|<document start>)|found undefined tag handle)$`)
)

// parse reads one playbook that must be named as its folder.
func parse(file, folder string, src []byte) (Playbook, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return Playbook{}, syntax(file, src, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Playbook{}, &Error{File: file, Message: "holds more than one document: write one playbook per file"}
	}
	sum := sha256.Sum256(src)
	p := Playbook{File: file, Digest: hex.EncodeToString(sum[:]), uses: map[string]bool{}}
	d := &decoder{file: file}
	d.playbook(doc.Content[0], folder, &p)
	return p, errors.Join(d.errs...)
}

// syntax gives yaml's own complaint, which knows the line in its text only, our shape.
func syntax(file string, src []byte, err error) error {
	if errors.Is(err, io.EOF) {
		return &Error{File: file, Message: "is empty"}
	}
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &Error{File: file, Message: "not YAML: " + yamlLine.ReplaceAllString(msg, "")}
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		if _, err := fmt.Sscan(m[1], &e.Line); err == nil {
			e.Column = 1
		}
		if grammar.MatchString(msg) {
			e.Line = min(e.Line+1, 1+bytes.Count(bytes.TrimRight(src, "\r\n"), []byte("\n"))) // not after the end
		}
	}
	return e
}

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (d *decoder) playbook(n *yaml.Node, folder string, p *Playbook) {
	var version, kind string
	rollback, ttl := n, n
	d.mapping(n, "the playbook",
		key{name: "apiVersion", read: oneOf(d, "apiVersion", &version, "cortexops.io/v1alpha1")},
		key{name: "kind", read: oneOf(d, "kind", &kind, "Playbook")},
		key{name: "metadata", read: func(n *yaml.Node) { d.metadata(n, folder, p) }},
		key{name: "match", read: func(n *yaml.Node) { d.match(n, p) }},
		key{name: "edit", read: func(n *yaml.Node) { d.edits(n, p) }},
		key{name: "risk", read: oneOf(d, "risk", &p.Risk, Low, Medium, High)},
		key{name: "approval", read: func(n *yaml.Node) { d.approval(n, p) }},
		key{name: "verify", read: func(n *yaml.Node) { d.verify(n, p) }},
		key{name: "rollback", read: func(n *yaml.Node) {
			rollback = n
			oneOf(d, "rollback", &p.Rollback, Revert, None)(n)
		}},
		key{name: "ttl", optional: true, read: func(n *yaml.Node) {
			ttl = n
			d.duration("ttl", &p.TTL)(n)
		}},
		key{name: "explain", read: func(n *yaml.Node) { d.explain(n, p) }},
	)
	if p.Rollback == Revert && slices.ContainsFunc(p.Edits, func(e Edit) bool { return e.Stamp }) {
		d.fail(rollback, "rollback must be none: taking a stamp back would trigger once more what it triggers")
	}
	d.lapse(ttl, p)
}

const shortestTTL, longestTTL = time.Minute, 366 * 24 * time.Hour

// lapse refuses a ttl of what cannot be taken back, or never should be.
func (d *decoder) lapse(n *yaml.Node, p *Playbook) {
	switch {
	case p.TTL == 0:
	case p.TTL < shortestTTL || p.TTL > longestTTL:
		d.fail(n, "ttl is %s: it must be between %s and %s", p.TTL, shortestTTL, longestTTL)
	case p.Rollback == None:
		d.fail(n, "ttl asks whether to take the edit back, and rollback is none: remove one")
	case slices.ContainsFunc(p.Edits, func(e Edit) bool { return e.Revert != nil || e.RollBack != nil }):
		d.fail(n, "ttl would bring back what the playbook takes away as the cause: remove it")
	}
}

func (d *decoder) metadata(n *yaml.Node, folder string, p *Playbook) {
	d.mapping(n, "metadata",
		key{name: "name", read: func(n *yaml.Node) {
			name, ok := d.scalar(n, "metadata.name")
			switch {
			case !ok:
			case !dnsLabel.MatchString(name):
				d.fail(n, "metadata.name is %q: use at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit", clip(name))
			case name != folder:
				d.fail(n, "metadata.name is %q, but its folder is %q: name them alike", name, folder)
			default:
				p.Name = name
			}
		}},
		key{name: "description", read: d.text("metadata.description", &p.Description)},
	)
}

func (d *decoder) match(n *yaml.Node, p *Playbook) {
	d.mapping(n, "match",
		key{name: "alerts", read: func(n *yaml.Node) {
			d.list(n, "match.alerts", func(n *yaml.Node) {
				var name string
				d.text("an alert of match.alerts", &name)(n)
				if name != "" && slices.Contains(p.Alerts, name) {
					d.fail(n, "alert %q is there twice", clip(name))
				}
				p.Alerts = append(p.Alerts, name)
			})
		}},
		key{name: "when", optional: true, read: func(n *yaml.Node) {
			d.text("match.when", &p.When)(n)
			if p.When == "" {
				return
			}
			var err error
			if p.when, err = compileWhen(p.When); err != nil {
				d.fail(n, "match.when: %v", err)
			}
		}},
	)
}
