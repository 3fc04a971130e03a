package playbooks

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

// Facts is what a playbook may look at: the variable `incident` of `when`, field by field as tagged.
type Facts struct {
	Root      Root     `cel:"root"`
	Alerts    []string `cel:"alerts"`    // distinct names
	Signals   int      `cel:"signals"`   // how many alert instances and events
	Container string   `cel:"container"` // "" where the signals name none or several
	// Suspects are the commits that may have caused it, the likeliest first.
	Suspects []Suspect `cel:"suspects"`
}

// Suspect is one commit of those that changed where the object and its neighbours are set.
type Suspect struct {
	Before   time.Duration `cel:"before"`   // the incident began
	Distance int           `cel:"distance"` // 0: of the object itself
	Fields   []string      `cel:"fields"`   // of the object that it changed, as far as is known
}

// Root is the object that the incident is about.
type Root struct {
	Kind      string `cel:"kind"`
	Group     string `cel:"group"`
	Namespace string `cel:"namespace"`
	Name      string `cel:"name"`
}

// whenCost bounds one evaluation: thousands of times what a sane condition costs, and still under a millisecond.
const whenCost = 100_000

var whenEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		ext.NativeTypes(ext.ParseStructTags(true), reflect.TypeFor[Facts]()),
		cel.Variable("incident", cel.ObjectType("playbooks.Facts")),
		cel.ParserExpressionSizeLimit(maxText),
		cel.ParserRecursionLimit(50),
	)
})

func compileWhen(src string) (cel.Program, error) {
	env, err := whenEnv()
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	ast, issues := env.Compile(src)
	if err := issues.Err(); err != nil {
		first, _, _ := strings.Cut(issues.Errors()[0].Message, "\n")
		return nil, errors.New(first)
	}
	if ast.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("is %s: it must be true or false", ast.OutputType())
	}
	return env.Program(ast, cel.CostLimit(whenCost))
}

func evalWhen(p cel.Program, f Facts) (bool, error) {
	if f.Alerts == nil {
		f.Alerts = []string{}
	}
	v, _, err := p.Eval(map[string]any{"incident": f})
	if err != nil {
		return false, err
	}
	b, ok := v.Value().(bool)
	if !ok {
		return false, fmt.Errorf("is %T, not true or false", v.Value())
	}
	return b, nil
}
