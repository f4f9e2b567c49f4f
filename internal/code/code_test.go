package code

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table is whole, sorted, and each code and class is there once.
func TestTable(t *testing.T) {
	form := regexp.MustCompile(`^FS[1-5][0-9]{3}$`)
	last, classes := Code(""), map[string]bool{}
	for _, e := range table {
		if !form.MatchString(string(e.Code)) || e.Code <= last {
			t.Errorf("%s after %s: codes are FS and four digits, in order", e.Code, last)
		}
		last = e.Code
		if e.What == "" || e.Data == "" || e.Todo == "" {
			t.Errorf("%s lacks what happened, what became of the data, or what to do", e.Code)
		}
		if e.Class != "" && classes[e.Class] {
			t.Errorf("class %s has two codes", e.Class)
		}
		classes[e.Class] = true
	}
	if Output("mapping_conflict") != "FS4201" || Input("gone") != "FS2101" || Letter("unreadable") != UnreadableRecord || Output("gone") != "" || Input("") != "" {
		t.Error("classes are not found")
	}
	if got := Config.In("x"); got != "x [FS1001]" {
		t.Error(got)
	}
}

// The page is what the table says, and so pins codes and texts.
func TestPage(t *testing.T) {
	const page = "../../conf/errors.md"
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(page, []byte(Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil || string(text) != Page() {
		t.Errorf("conf/errors.md is not what the table says (%v); UPDATE=1 go test writes it", err)
	}
}

// Every warning and error of the stages names its code.
func TestEveryWarningHasACode(t *testing.T) {
	seen := 0
	for _, dir := range []string{"plugins/s3sqs", "outputs/opensearch", "filters/ecs", "filters/enrich", "internal/follow", "internal/process"} {
		names, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !logs(call) {
					return true
				}
				seen++
				for _, arg := range call.Args {
					if coded(arg) {
						return true
					}
				}
				t.Errorf("%s has a warning or error without a code", set.Position(call.Pos()))
				return true
			})
		}
	}
	if seen < 20 {
		t.Errorf("only %d log lines were found: the test looks in the wrong place", seen)
	}
}

// logs reports whether a call is x.Warn("…", …) or x.Error("…", …).
func logs(call *ast.CallExpr) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	if x, is := s.X.(*ast.Ident); is && x.Name == "http" {
		return false
	}
	return (s.Sel.Name == "Warn" || s.Sel.Name == "Error") && len(call.Args) > 0
}

// coded reports whether an expression names something of this package, or a
// variable that holds a code.
func coded(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			x, ok := s.X.(*ast.Ident)
			found = found || ok && x.Name == "code" || s.Sel.Name == "Attr"
		}
		return !found
	})
	return found
}
