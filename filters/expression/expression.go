// Package expression compiles what the author of a log type writes to compute a
// field, such as
//
//	status >= 400 ? "failure" : "success"
//
// in the language of github.com/expr-lang/expr. What the names in it mean is the
// caller's business: a [Program] tells its [Ref]s, and gets their values.
//
// # Promises
//
//   - An expression is parsed and its types are checked before it counts.
//   - It has no way to the outside: no files, no network, no clock, no state.
//   - It ends: there are no loops but those over lists, its text, nodes, memory
//     and the texts that it makes are bounded.
//   - Numbers that a log wrote as texts compare as numbers.
//
// # Concurrency
//
// A Program may be shared. A [Machine] may not.
package expression

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

const (
	maxSource = 4 << 10 // bytes of an expression
	maxNodes  = 1000    // of its tree
	maxText   = 1 << 20 // bytes of a text that it makes
)

// Space is what a name belongs to.
type Space string

// The spaces. A name alone is a field of the record.
const (
	Record   Space = ""         // status, user.name, record["a b"]
	Fields   Space = "ecs"      // ecs.source.ip: what the mapping, the steps and expressions before have set
	Envelope Space = "envelope" // envelope.log_group: what the record was wrapped in
	Object   Space = "object"   // object.key, object.bucket
)

// Ref is a name in an expression.
type Ref struct {
	Space Space
	Path  []string
	Bare  bool // written without record. before it
}

// String is the name as a mapping writes it: dots, those inside a key escaped.
func (r Ref) String() string {
	keys := make([]string, len(r.Path))
	for i, k := range r.Path {
		keys[i] = strings.ReplaceAll(k, ".", `\.`)
	}
	return strings.Join(keys, ".")
}

// Program is a compiled expression.
type Program struct {
	Refs []Ref // whose values Run gets, in this order

	names []string
	code  *vm.Program
}

// Compile compiles an expression. The error points at the place in it.
func Compile(text string) (*Program, error) {
	if len(text) > maxSource {
		return nil, fmt.Errorf("longer than %d bytes", maxSource)
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, brief(err)
	}
	v := &resolver{local: map[string]bool{}}
	ast.Walk(&tree.Node, v.scan())
	if v.err != nil {
		return nil, v.err
	}
	options := append([]expr.Option{expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.MaxNodes(maxNodes), expr.Patch(v)}, builtins...)
	code, err := expr.Compile(text, options...)
	if v.err != nil {
		return nil, v.err
	}
	if err != nil {
		return nil, brief(err)
	}
	p := &Program{code: code}
	for i, r := range v.refs {
		if v.used(code.Node(), i) {
			p.Refs, p.names = append(p.Refs, r), append(p.names, variable(i))
		}
	}
	return p, nil
}

// brief is an error of the library without the picture of the place.
func brief(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Errorf("%s, at column %d", at.Message, at.Column+1)
	}
	return err
}

func variable(i int) string { return "f" + strconv.Itoa(i) + "#" }

// resolver gives each name a variable of its own, and each operator that should
// take texts for numbers a function.
type resolver struct {
	local map[string]bool // declared with let
	refs  []Ref
	err   error
}

// scan finds what is declared, and what is no function.
func (v *resolver) scan() ast.Visitor {
	return visit(func(node *ast.Node) {
		switch n := (*node).(type) {
		case *ast.VariableDeclaratorNode:
			v.local[n.Name] = true
		case *ast.BuiltinNode:
			v.function(n.Name, n.Arguments)
		case *ast.CallNode:
			name := ""
			if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
				name = callee.Value
			}
			v.function(name, n.Arguments)
		}
	})
}

// function checks a call.
func (v *resolver) function(name string, args []ast.Node) {
	if functions[name] == nil && !slices.Contains(allowed, name) {
		v.fail("%s is no function; there are %s", name, strings.Join(names(), ", "))
		return
	}
	v.local[name] = true
	for i := 1; name == "inNetwork" && i < len(args); i++ {
		if n, ok := args[i].(*ast.StringNode); !ok {
			v.fail("inNetwork needs networks in quotes")
		} else if _, err := netip.ParsePrefix(n.Value); err != nil {
			v.fail("%q is no network such as 10.0.0.0/8", n.Value)
		}
	}
}

type visit func(*ast.Node)

func (v visit) Visit(node *ast.Node) { v(node) }

func (v *resolver) fail(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf(format, args...)
	}
}

// Visit is called for children before their parents.
func (v *resolver) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		switch {
		case strings.HasPrefix(n.Value, "$"):
			v.fail("%s is not there", n.Value)
		case v.local[n.Value] || strings.HasSuffix(n.Value, "#"):
		default:
			switch s := Space(n.Value); s {
			case Fields, Envelope, Object:
				v.set(node, Ref{Space: s})
			case "record":
				v.set(node, Ref{})
			default:
				v.set(node, Ref{Path: []string{n.Value}, Bare: true})
			}
		}
	case *ast.MemberNode:
		of, ok := n.Node.(*ast.IdentifierNode)
		if !ok || !strings.HasSuffix(of.Value, "#") {
			return
		}
		r := v.refs[v.index(of.Value)]
		r.Path = slices.Clone(r.Path)
		switch key := n.Property.(type) {
		case *ast.StringNode:
			if r.Space == Record {
				r.Path = append(r.Path, key.Value)
			} else {
				r.Path = append(r.Path, strings.Split(key.Value, ".")...)
			}
		case *ast.IntegerNode:
			r.Path = append(r.Path, strconv.Itoa(key.Value))
		default:
			return
		}
		v.set(node, r)
	case *ast.BinaryNode:
		if n.Operator == "matches" {
			if _, ok := n.Right.(*ast.StringNode); !ok {
				v.fail("matches needs a regular expression in quotes: one that is made of data is not compiled for each record")
			}
		}
		if name := operators[n.Operator]; name != "" {
			ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: []ast.Node{n.Left, n.Right}})
		}
	}
}

// set replaces a node by the variable of a name.
func (v *resolver) set(node *ast.Node, r Ref) {
	i := slices.IndexFunc(v.refs, func(o Ref) bool { return o.Space == r.Space && slices.Equal(o.Path, r.Path) })
	if i < 0 {
		i = len(v.refs)
		v.refs = append(v.refs, r)
	}
	ast.Patch(node, &ast.IdentifierNode{Value: variable(i)})
}

func (v *resolver) index(name string) int {
	i, _ := strconv.Atoi(strings.Trim(name, "f#"))
	return i
}

// used reports whether the variable of a name is left in the tree.
func (v *resolver) used(tree ast.Node, i int) bool {
	found := false
	ast.Walk(&tree, visit(func(node *ast.Node) {
		if n, ok := (*node).(*ast.IdentifierNode); ok && n.Value == variable(i) {
			found = true
		}
	}))
	return found
}

// Machine runs programs for one goroutine.
type Machine struct {
	vm  vm.VM
	env map[string]any
}

// Run returns what the program makes of the values of its names: a text, a
// number, a truth value, a list, or nil. Where a name has no value (nil) and the
// expression cannot do without it, it makes nil too.
func (m *Machine) Run(p *Program, values []any) (any, error) {
	if m.env == nil {
		m.env = map[string]any{}
	}
	lacks := false
	for i, name := range p.names {
		m.env[name] = values[i]
		lacks = lacks || values[i] == nil
	}
	out, err := m.vm.Run(p.code, m.env)
	for _, name := range p.names {
		m.env[name] = nil
	}
	if err != nil && lacks {
		return nil, nil
	}
	if err != nil {
		return nil, brief(err)
	}
	return out, nil
}
