package forge

import (
	"fmt"
	"strconv"
	"strings"
)

// diffFile is one file of a unified diff, ready to be shown.
type diffFile struct {
	Path                 string
	Note                 string // new, deleted, renamed from …, binary
	Additions, Deletions int
	Lines                []diffLine
}

type diffLine struct {
	Class    string // add, del, hunk, meta or none
	Old, New string // line numbers
	Mark     string // the column that says + or -
	Text     string
}

const maxDiffLines = 4000

// parseDiff reads git's own output.
func parseDiff(text string) (files []*diffFile, cut bool) {
	var f *diffFile
	var before, after, shown int
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "diff --git ") {
			f = &diffFile{}
			files = append(files, f)
			before, after = 0, 0
			continue
		}
		if f == nil {
			continue
		}
		if len(f.Lines) == 0 && !strings.HasPrefix(line, "@@") {
			f.header(line)
			continue
		}
		if shown++; shown > maxDiffLines {
			return files, true
		}
		f.Lines = append(f.Lines, f.line(line, &before, &after))
	}
	return files, false
}

func (f *diffFile) header(line string) {
	word, rest, _ := strings.Cut(line, " ")
	path := strings.TrimSuffix(rest, "\t")
	switch {
	case word == "---" && path != "/dev/null":
		f.Path = strings.TrimPrefix(path, "a/")
	case word == "+++" && path != "/dev/null":
		f.Path = strings.TrimPrefix(path, "b/")
	case word == "new":
		f.Note = "new"
	case word == "deleted":
		f.Note = "deleted"
	case word == "rename" && strings.HasPrefix(rest, "from "):
		f.Note = "renamed from " + strings.TrimPrefix(rest, "from ")
	case word == "rename" && strings.HasPrefix(rest, "to "):
		f.Path = strings.TrimPrefix(rest, "to ")
	case word == "Binary":
		old, now, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(rest, "files "), " differ"), " and ")
		if f.Path = strings.TrimPrefix(now, "b/"); now == "/dev/null" {
			f.Path = strings.TrimPrefix(old, "a/")
		}
		if f.Note == "" {
			f.Note = "binary"
		}
	}
}

func (f *diffFile) line(line string, before, after *int) diffLine {
	kind, text := "", line
	if line != "" {
		kind, text = line[:1], line[1:]
	}
	switch kind {
	case "@":
		_, _ = fmt.Sscanf(line, "@@ -%d", before) // absent: git never leaves it out
		if _, plus, ok := strings.Cut(line, " +"); ok {
			_, _ = fmt.Sscanf(plus, "%d", after)
		}
		return diffLine{Class: "hunk", Text: line}
	case "+":
		f.Additions++
		*after++
		return diffLine{Class: "add", New: strconv.Itoa(*after - 1), Mark: "+", Text: text}
	case "-":
		f.Deletions++
		*before++
		return diffLine{Class: "del", Old: strconv.Itoa(*before - 1), Mark: "-", Text: text}
	case `\`:
		return diffLine{Class: "meta", Text: strings.TrimSpace(text)}
	}
	*before, *after = *before+1, *after+1
	return diffLine{Old: strconv.Itoa(*before - 1), New: strconv.Itoa(*after - 1), Text: text}
}
