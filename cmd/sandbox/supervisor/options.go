package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var errNoDir = errors.New("no folder for the sandbox's data: give one with --dir")

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errNoDir
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("find the sandbox's folder: %w", err)
	}
	o.Dir = dir
	if o.Executable == "" || o.Bin == "" {
		self, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("find this program's own file: %w", err)
		}
		if o.Executable == "" {
			o.Executable = self
		}
		if o.Bin == "" {
			o.Bin = filepath.Dir(self)
		}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Stages == nil {
		o.Stages = Stages()
	}
	return o, nil
}

// chosen are the stages with the asked parts only, and the steps that they allow.
func (o Options) chosen() ([]Stage, error) {
	var known []string
	for _, stage := range o.Stages {
		for _, c := range stage.Children {
			known = append(known, c.Name)
		}
	}
	parts := o.Parts
	if len(parts) == 0 {
		parts = known
	}
	for _, p := range parts {
		if !slices.Contains(known, p) {
			return nil, fmt.Errorf("%w: %q; there are %s", ErrNoChild, p, strings.Join(known, ", "))
		}
	}
	missing := func(needs []string) []string {
		return slices.DeleteFunc(slices.Clone(needs), func(n string) bool { return slices.Contains(parts, n) })
	}
	var stages []Stage
	for _, stage := range o.Stages {
		var keep Stage
		for _, c := range stage.Children {
			if !slices.Contains(parts, c.Name) {
				continue
			}
			if lack := missing(c.Needs); len(lack) > 0 {
				return nil, fmt.Errorf("%s needs %s: add it to --parts", c.Name, strings.Join(lack, ", "))
			}
			keep.Children = append(keep.Children, c)
		}
		for _, step := range stage.Steps {
			if len(missing(step.Needs)) == 0 {
				keep.Steps = append(keep.Steps, step)
			}
		}
		stages = append(stages, keep)
	}
	return stages, nil
}
