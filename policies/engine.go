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
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

//go:embed *.rego
var defaults embed.FS

// Default is the policy that ships with the product.
func Default() fs.FS { return defaults }

var (
	// ErrNoPolicy: there is not one .rego file. Name a folder with policies; nothing acts without them.
	ErrNoPolicy = errors.New("no policy: there is no .rego file")
	// ErrUndecided: the policy gave no usable answer, which counts as neither allowed nor denied. Nothing may act.
	ErrUndecided = errors.New("policy gave no decision")
)

// Decision is what the policy said.
type Decision struct {
	Allow       bool
	Approvals   int      // people who have to approve: at the gate approve, where it allows; else 0
	Reasons     []string // sentences, sorted: of a denial, or of the number of people
	Revision    string   // sha256 over the policy files, in hex
	Input       []byte   // as it was judged: JSON
	InputDigest string   // sha256 of Input, in hex
}

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

// New compiles every .rego file of fsys, at any depth; *_test.rego are for tests and left out. A file that does not
// compile, or a gate without its rules, is an error.
func New(ctx context.Context, fsys fs.FS) (*Engine, error) {
	modules, revision, err := load(fsys)
	if err != nil {
		return nil, err
	}
	compiler := ast.NewCompiler().WithStrict(true).WithCapabilities(capabilities())
	if compiler.Compile(modules); compiler.Failed() {
		return nil, fmt.Errorf("compile the policies: %w", compiler.Errors)
	}
	e := &Engine{revision: revision, gates: map[string]rego.PreparedEvalQuery{}}
	for gate, rules := range questions {
		var pairs []string
		for _, rule := range rules {
			ref := "data.cortexops." + gate + "." + rule
			if len(compiler.GetRulesExact(ast.MustParseRef(ref))) == 0 {
				return nil, fmt.Errorf("the policies have no rule %s: write it, each gate needs it", ref)
			}
			pairs = append(pairs, fmt.Sprintf("%q: %s", rule, ref))
		}
		e.gates[gate], err = rego.New(
			rego.Query("answer := {"+strings.Join(pairs, ", ")+"}"),
			rego.Compiler(compiler),
			rego.StrictBuiltinErrors(true),
		).PrepareForEval(ctx)
		if err != nil {
			return nil, fmt.Errorf("prepare the gate %s: %w", gate, err)
		}
	}
	return e, nil
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
	value, err := ast.ValueFromReader(strings.NewReader(string(raw)))
	if err != nil {
		return Decision{}, fmt.Errorf("read the policy's input: %w", err)
	}
	results, err := query.Eval(ctx, rego.EvalParsedInput(value), rego.EvalTime(in.Time))
	if err != nil {
		return Decision{}, fmt.Errorf("%w: evaluate the gate %s: %w", ErrUndecided, gate, err)
	}
	if len(results) != 1 {
		return Decision{}, fmt.Errorf("%w: gate %s: one of its rules %s is undefined for this input",
			ErrUndecided, gate, strings.Join(questions[gate], ", "))
	}
	d, err := decision(gate, results[0].Bindings["answer"])
	if err != nil {
		return Decision{}, fmt.Errorf("%w: gate %s: %w", ErrUndecided, gate, err)
	}
	sum := sha256.Sum256(raw)
	d.Revision, d.Input, d.InputDigest = e.revision, raw, hex.EncodeToString(sum[:])
	return d, nil
}

// decision reads the policy's answer, which anybody may have written.
func decision(gate string, answer any) (Decision, error) {
	m, ok := answer.(map[string]any)
	if !ok {
		return Decision{}, fmt.Errorf("the answer is %T", answer)
	}
	var d Decision
	if d.Allow, ok = m["allow"].(bool); !ok {
		return Decision{}, fmt.Errorf("allow is %T: it must be true or false", m["allow"])
	}
	reasons, ok := m["reasons"].([]any)
	if !ok {
		return Decision{}, fmt.Errorf("reasons is %T: it must be a set or list of sentences", m["reasons"])
	}
	for _, r := range reasons {
		s, ok := r.(string)
		if !ok {
			return Decision{}, fmt.Errorf("a reason is %T: it must be a sentence", r)
		}
		d.Reasons = append(d.Reasons, s)
	}
	slices.Sort(d.Reasons)
	if !d.Allow && len(d.Reasons) == 0 {
		d.Reasons = []string{"The policy cortexops." + gate + " does not allow it and gives no reason."}
	}
	if gate != Approve || !d.Allow {
		return d, nil
	}
	n, ok := m["approvals"].(json.Number)
	if !ok {
		return Decision{}, fmt.Errorf("approvals is %T: it must be a number", m["approvals"])
	}
	people, err := n.Int64()
	if err != nil || people < 1 || people > 100 {
		return Decision{}, fmt.Errorf("approvals is %s: it must be a whole number of people, at least 1", n)
	}
	d.Approvals = int(people)
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

const maxPolicy = 1 << 20 // bytes of all policies together

func load(fsys fs.FS) (map[string]*ast.Module, string, error) {
	modules := map[string]*ast.Module{}
	digest := sha256.New()
	size := 0
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".rego" || strings.HasSuffix(name, "_test.rego") {
			return err
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if size += len(src); size > maxPolicy {
			return fmt.Errorf("%s: the policies are larger than %d KiB together", name, maxPolicy>>10)
		}
		m, err := ast.ParseModuleWithOpts(name, string(src), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			return err
		}
		modules[name] = m
		fmt.Fprintf(digest, "%s\x00%d\x00%s", name, len(src), src)
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("read the policies: %w", err)
	}
	if len(modules) == 0 {
		return nil, "", ErrNoPolicy
	}
	return modules, hex.EncodeToString(digest.Sum(nil)), nil
}
