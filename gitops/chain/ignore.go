package chain

import (
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// leftOut tells which files the unit's source does not take into its artifact: what .sourceignore and the source itself
// say.
func (w *world) leftOut(u *unit) func(file string) bool {
	var patterns []gitignore.Pattern
	add := func(text string) {
		for _, line := range strings.Split(text, "\n") {
			if line = strings.TrimSuffix(line, "\r"); strings.TrimSpace(line) != "" && line[0] != '#' {
				patterns = append(patterns, gitignore.ParsePattern(line, nil))
			}
		}
	}
	if data, err := u.reads.ReadFile(path.Join(u.base, ".sourceignore")); err == nil {
		add(string(data))
	}
	more, _ := w.stateOf(u.source, "ignore").(string)
	add(more)
	match := gitignore.NewMatcher(patterns)
	return func(file string) bool {
		rel := file
		if u.base != "" && u.base != "." {
			rel = strings.TrimPrefix(file, u.base+"/")
		}
		return ignored(rel) || match.Match(strings.Split(rel, "/"), false)
	}
}

// ignored are files that no source takes into its artifact unless asked to.
func ignored(rel string) bool {
	for _, part := range strings.Split(rel, "/") {
		if part == ".git" || part == ".github" || part == ".circleci" {
			return true
		}
	}
	base := path.Base(rel)
	return slices.Contains([]string{".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml", ".goreleaser.yml", ".goreleaser.yaml",
		".sops.yaml", ".flux.yaml"}, base) || strings.HasPrefix(base, "codeship-")
}
