package policies

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

//go:embed *.rego
var defaults embed.FS

// Default is the policy that ships with the product.
func Default() fs.FS { return defaults }

// ErrUndecided: the policy gave no usable answer, which counts as neither allowed nor denied. Nothing may act.
var ErrUndecided = errors.New("policy gave no decision")

// Engine holds the compiled policies. It is safe for concurrent use.
type Engine struct {
	revision string
	gates    map[string]rego.PreparedEvalQuery
}

// questions are the rules that a policy has to answer, by gate.
var questions = map[string][]string{
	Plan:    {"allow", "reasons"},
	Approve: {"allow", "reasons", "approvals"},
	Apply:   {"allow", "reasons"},
}

// optional are rules that a policy may answer.
var optional = map[string][]string{Approve: {"approvers"}}

// New compiles every .rego file of fsys, at any depth; *_test.rego are for tests and left out. A file that does not
// compile, or a gate without its rules, is an error.
func New(ctx context.Context, fsys fs.FS) (*Engine, error) {
	return Compile(ctx, Files(fsys))
}

// Compile is New for what the source has now.
func Compile(ctx context.Context, source Source) (*Engine, error) {
	set, err := source.Load(ctx)
	if err != nil {
		return nil, err
	}
	return set.compile(ctx)
}

func (s *Set) compile(ctx context.Context) (*Engine, error) {
	modules, err := s.modules(false)
	if err != nil {
		return nil, err
	}
	compiler, err := newCompiler()
	if err != nil {
		return nil, err
	}
	if compiler.Compile(modules); compiler.Failed() {
		return nil, fmt.Errorf("compile the policies: %w", compiler.Errors)
	}
	data := s.data
	if data == nil {
		data = map[string]any{}
	}
	store := inmem.NewFromObject(data)
	e := &Engine{revision: s.revision, gates: map[string]rego.PreparedEvalQuery{}}
	for gate := range questions {
		query, err := question(compiler, gate)
		if err != nil {
			return nil, err
		}
		e.gates[gate], err = rego.New(rego.Query(query), rego.Compiler(compiler), rego.Store(store), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
		if err != nil {
			return nil, fmt.Errorf("prepare the gate %s: %w", gate, err)
		}
	}
	return e, nil
}

// newCompiler knows the language that we allow and the input's schema.
func newCompiler() (*ast.Compiler, error) {
	var input any
	if err := json.Unmarshal(schema, &input); err != nil {
		return nil, fmt.Errorf("read the input's schema: %w", err)
	}
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, input)
	return ast.NewCompiler().WithStrict(true).WithCapabilities(capabilities()).WithSchemas(schemas), nil
}

// question is the query that asks a gate for all of its rules at once.
func question(compiler *ast.Compiler, gate string) (string, error) {
	var pairs []string
	for _, rule := range slices.Concat(questions[gate], optional[gate]) {
		ref := "data.cortexops." + gate + "." + rule
		if len(compiler.GetRules(ast.MustParseRef(ref))) > 0 {
			pairs = append(pairs, fmt.Sprintf("%q: %s", rule, ref))
		} else if slices.Contains(questions[gate], rule) {
			return "", fmt.Errorf("the policies have no rule %s: write it, each gate needs it", ref)
		}
	}
	return "answer := {" + strings.Join(pairs, ", ") + "}", nil
}

// Revision of the policies, in hex.
func (e *Engine) Revision() string { return e.revision }

// Ping asks every gate about nothing, to see that the engine answers.
func (e *Engine) Ping(ctx context.Context) error {
	for name, query := range e.gates {
		if _, err := query.Eval(ctx, rego.EvalInput(map[string]any{})); err != nil {
			return fmt.Errorf("gate %s: %w", name, err)
		}
	}
	return nil
}

// Evaluate asks the gate. An error, ErrUndecided among others, means that nothing may act.
func (e *Engine) Evaluate(ctx context.Context, gate string, in Input) (Decision, error) {
	query, ok := e.gates[gate]
	if !ok {
		return Decision{}, fmt.Errorf("%w: there is no gate %q", ErrUndecided, gate)
	}
	if err := in.check(gate); err != nil {
		return Decision{}, fmt.Errorf("%w: the input of gate %s is not whole: %w", ErrUndecided, gate, err)
	}
	in = in.filled()
	raw, err := json.Marshal(in)
	if err != nil {
		return Decision{}, fmt.Errorf("write the policy's input: %w", err)
	}
	results, err := query.Eval(ctx, rego.EvalParsedInput(in.value()), rego.EvalTime(in.Time), rego.EvalMetrics(metrics.NoOp()))
	if err != nil {
		return Decision{}, fmt.Errorf("%w: evaluate the gate %s: %w", ErrUndecided, gate, err)
	}
	if len(results) != 1 {
		return Decision{}, fmt.Errorf("%w: gate %s: one of its rules %s is undefined for this input",
			ErrUndecided, gate, strings.Join(slices.Concat(questions[gate], optional[gate]), ", "))
	}
	d, err := decision(gate, in.Playbook.Risk, results[0].Bindings["answer"])
	if err != nil {
		return Decision{}, fmt.Errorf("%w: gate %s: %w", ErrUndecided, gate, err)
	}
	sum := sha256.Sum256(raw)
	d.Revision, d.Input, d.InputDigest = e.revision, raw, hex.EncodeToString(sum[:])
	return d, nil
}

// capabilities is the language without what reaches outside or answers differently another time. The clock stays: it
// is pinned to the input's time.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return b.Nondeterministic && b.Name != ast.NowNanos.Name
	})
	return c
}
