package logtype

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// Expression computes one ECS field. The language and the names in it are those
// of package expression; filters/ecs compiles it.
type Expression struct {
	Field string
	Text  string
	Line  int // in the file
}

// Expressions are evaluated in the order of the file, after the mapping, the
// static fields and the steps; each may read what those before it have set.
type Expressions []Expression

// UnmarshalYAML reads a mapping of fields to expressions, and remembers where each
// stands. A field that a type which is extended computes too is computed as this
// file says; an empty text takes it away.
func (e *Expressions) UnmarshalYAML(node ast.Node) error {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return fmt.Errorf("want fields with an expression each, such as event.outcome: 'status < 400 ? \"success\" : \"failure\"'")
	}
	for _, v := range values {
		text := ""
		switch n := v.Value.(type) {
		case *ast.StringNode:
			text = n.Value
		case *ast.LiteralNode:
			text = n.Value.Value
		default:
			if s, ok := n.(ast.ScalarNode); ok {
				text = fmt.Sprint(s.GetValue())
			} else {
				return fmt.Errorf("expressions.%s: want an expression in quotes", v.Key.String())
			}
		}
		field := v.Key.GetToken().Value
		*e = slices.DeleteFunc(*e, func(old Expression) bool { return old.Field == field })
		if text != "" {
			*e = append(*e, Expression{field, text, v.Key.GetToken().Position.Line})
		}
	}
	return nil
}
