package hostconfig

import (
	"errors"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxSize of a configuration; a larger one is not a configuration.
const maxSize = 16 << 20

func readAll(in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = errors.New("it is larger than 16 MiB")
	}
	return text, err
}

func (r *reader) readYAML(path string, text []byte) {
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at := Position{File: path}
		message := err.Error()
		var e yaml.Error
		if errors.As(err, &e) {
			message = e.GetMessage()
			if t := e.GetToken(); t != nil {
				at = position(path, t)
			}
		}
		r.failf(at, "not valid YAML: %s", message)
		return
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			r.root(path, doc.Body)
		}
	}
}

func position(path string, t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{File: path}
	}
	return Position{path, t.Position.Line, t.Position.Column}
}

// root reads the keys at the top of a file. env comes first, wherever it
// stands, because the others use it.
func (r *reader) root(path string, body ast.Node) {
	entries := r.mapping(path, body, "the configuration")
	for _, e := range entries {
		if e.key == "env" {
			for _, v := range r.mapping(path, e.value, "env") {
				r.env[v.name] = r.expand(r.scalar(path, v.value), v.at)
			}
		}
	}
	for _, e := range entries {
		switch e.key {
		case "env":
		case "service":
			s := Section{Kind: "service", At: e.at}
			r.properties(path, &s, e.value)
			r.section(s)
		case "plugins":
			for _, n := range r.sequence(path, e.value, "plugins") {
				at := position(path, n.GetToken())
				r.file.Plugins = append(r.file.Plugins, Property{"path", r.expand(r.scalar(path, n), at), at})
			}
		case "includes":
			for _, n := range r.sequence(path, e.value, "includes") {
				at := position(path, n.GetToken())
				r.include(r.expand(r.scalar(path, n), at), at)
			}
		case "pipeline":
			r.pipeline(path, e.value)
		case "parsers", "multiline_parsers", "stream_processor", "upstream_servers", "customs":
			r.warnf(e.at, "%s is for Fluent Bit only and is not read here", e.key)
		default:
			r.failf(e.at, "unknown section %s%s", e.name, Suggest(e.key, []string{"service", "env", "plugins", "includes", "pipeline", "parsers"}))
		}
	}
}

func (r *reader) pipeline(path string, n ast.Node) {
	for _, e := range r.mapping(path, n, "pipeline") {
		var kind string
		switch e.key {
		case "inputs", "filters", "outputs":
			kind = strings.TrimSuffix(e.key, "s")
		default:
			r.failf(e.at, "unknown part %s of the pipeline%s", e.name, Suggest(e.key, []string{"inputs", "filters", "outputs"}))
			continue
		}
		for _, item := range r.sequence(path, e.value, e.key) {
			s := Section{Kind: kind, At: position(path, item.GetToken())}
			if m := r.mapping(path, item, "each of the "+e.key); len(m) > 0 {
				s.At = m[0].at
			}
			r.properties(path, &s, item)
			r.section(s)
		}
	}
}

func (r *reader) properties(path string, s *Section, n ast.Node) {
	for _, e := range r.mapping(path, n, s.Kind) {
		switch v := e.value.(type) {
		case *ast.SequenceNode:
			if len(v.Values) > 1 {
				r.warnf(e.at, "Fluent Bit reads only the first item of a list; write %s as one value, separated by commas", e.key)
			}
			if len(v.Values) > 0 {
				r.property(s, e.name, r.scalar(path, v.Values[0]), e.at)
			}
		case *ast.MappingNode, *ast.MappingValueNode:
			if e.key == "processors" {
				r.failf(e.at, "processors run inside Fluent Bit only; write the filter under pipeline.filters, where both can run it (and where it is cheaper)")
				continue
			}
			r.failf(e.at, "%s must be a value, not a mapping", e.key)
		default:
			r.property(s, e.name, r.scalar(path, e.value), e.at)
		}
	}
}

// entry is one line of a mapping: key is name in lower case.
type entry struct {
	key, name string
	value     ast.Node
	at        Position
}

// mapping lists the entries of n, or reports that n is none. what names it.
func (r *reader) mapping(path string, n ast.Node, what string) []entry {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	case *ast.NullNode, nil:
		return nil
	default:
		r.failf(position(path, n.GetToken()), "%s must be a mapping (key: value)", what)
		return nil
	}
	var list []entry
	for _, v := range values {
		at := position(path, v.Key.GetToken())
		if v.Key.IsMergeKey() {
			r.failf(at, "merge keys (<<) are not understood by Fluent Bit; write the settings out")
			continue
		}
		name := v.Key.GetToken().Value
		list = append(list, entry{strings.ToLower(name), name, v.Value, at})
	}
	return list
}

func (r *reader) sequence(path string, n ast.Node, what string) []ast.Node {
	switch s := n.(type) {
	case *ast.SequenceNode:
		return s.Values
	case *ast.NullNode, nil:
		return nil
	}
	r.failf(position(path, n.GetToken()), "%s must be a list (lines that begin with a dash)", what)
	return nil
}

// scalar is the text of a value.
func (r *reader) scalar(path string, n ast.Node) string {
	switch v := n.(type) {
	case nil, *ast.NullNode:
		return ""
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		return v.Value.Value
	case *ast.TagNode:
		return r.scalar(path, v.Value)
	case *ast.AnchorNode, *ast.AliasNode:
		r.failf(position(path, n.GetToken()), "anchors and aliases are not understood by Fluent Bit; write the value out")
		return ""
	case ast.ScalarNode:
		return v.GetToken().Value
	}
	r.failf(position(path, n.GetToken()), "a single value is expected here")
	return ""
}
