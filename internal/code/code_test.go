package code

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

// The table is whole, sorted, and each code and class is there once.
func TestTable(t *testing.T) {
	form := regexp.MustCompile(`^FS[1-7][0-9]{3}$`)
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
	if Output("mapping_conflict") != "FS4201" || Input("gone") != "FS2101" || Letter("unreadable") != UnreadableRecord || Output("gone") != "" || Input("") != "" ||
		Command("fluent-siem ledger reconcile") != "FS7003" || Command("fluent-siem setup plan") != "FS7008" || Command("fluent-siem") != "" {
		t.Error("classes are not found")
	}
	if got := Config.In("x"); got != "x [FS1001]" {
		t.Error(got)
	}
}

// The page is what the table says, and so pins codes and texts.
func TestPage(t *testing.T) {
	settingstest.CheckFile(t, "../../conf/errors.md", Page(), "the table says")
}

// Every warning and error that is logged, and all that health says is wrong,
// names its code, in the whole repository.
func TestEveryWarningHasACode(t *testing.T) {
	const root = "../.."
	seen := map[string]int{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "test" || d.Name() == "build" || d.Name() == "testdata" || d.Name() != ".." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				kind := says(call)
				if kind == "" {
					return true
				}
				seen[kind]++
				if kind == aProblem && passed(call.Args[1], d) {
					return true // whoever calls with it has the code
				}
				if !slices.ContainsFunc(call.Args, func(arg ast.Expr) bool { return coded(arg, d) }) {
					t.Errorf("%s has a %s without a code of internal/code", set.Position(call.Pos()), kind)
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen[aLine] < 70 || seen[aProblem] < 10 {
		t.Errorf("only %v were found: the test looks in the wrong place", seen)
	}
}

// What the parts in C say, before Go runs, has its code in the text.
func TestCodesInC(t *testing.T) {
	names, err := filepath.Glob("../../plugins/fluentbit/*/*.c")
	if err != nil {
		t.Fatal(err)
	}
	told, seen := regexp.MustCompile(`(?s)fprintf\(stderr,(.*?)\);`), 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range told.FindAllSubmatch(text, -1) {
			seen++
			c := regexp.MustCompile(`\[(FS[0-9]{4})\]`).FindSubmatch(m[1])
			if c == nil || !slices.ContainsFunc(table, func(e Entry) bool { return string(e.Code) == string(c[1]) }) {
				t.Errorf("%s says something without a code: %s", name, m[1])
			}
		}
	}
	if seen == 0 {
		t.Error("nothing was found: the test looks in the wrong place")
	}
}

// The kinds of what an operator reads.
const (
	aLine    = "warning or error in the log"
	aProblem = "problem in health"
)

// says tells what a call says to an operator; "" when it is nothing bad.
func says(call *ast.CallExpr) string {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok && (x.Name == "http" || x.Name == "slog" && f.Sel.Name == "NewLogLogger") {
			return ""
		}
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	switch name {
	case "Warn", "Error", "WarnContext", "ErrorContext":
		if len(call.Args) > 0 {
			return aLine
		}
	case "SetHealth", "Health":
		if len(call.Args) == 2 && !isWell(call.Args[1]) {
			return aProblem
		}
	}
	for _, arg := range call.Args {
		if s, ok := arg.(*ast.SelectorExpr); ok && (s.Sel.Name == "LevelWarn" || s.Sel.Name == "LevelError") {
			return aLine
		}
	}
	return ""
}

// passed reports whether e is a parameter of a function in within.
func passed(e ast.Expr, within ast.Node) (found bool) {
	x, ok := e.(*ast.Ident)
	ast.Inspect(within, func(n ast.Node) bool {
		if f, is := n.(*ast.FuncType); is && ok {
			for _, p := range f.Params.List {
				found = found || slices.ContainsFunc(p.Names, func(name *ast.Ident) bool { return name.Name == x.Name })
			}
		}
		return !found
	})
	return found
}

// isWell reports whether a problem is the constant "".
func isWell(e ast.Expr) bool {
	l, ok := e.(*ast.BasicLit)
	return ok && l.Value == `""`
}

// coded reports whether an expression names something of this package, is a code
// of a type of its own (x.Attr()), or has variables that got one in within.
func coded(e ast.Node, within ast.Node) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			found = found || ok && (x.Name == "code" || x.Name == "codes")
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			found = found || ok && (s.Sel.Name == "Attr" || s.Sel.Name == "In") && len(n.Args) <= 1
		case *ast.Ident:
			found = found || within != nil && assigned(n.Name, within)
		}
		return !found
	})
	return found
}

// assigned reports whether a variable gets something with a code.
func assigned(name string, within ast.Node) (found bool) {
	ast.Inspect(within, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok {
			return !found
		}
		for i, to := range a.Lhs {
			if x, ok := to.(*ast.Ident); ok && x.Name == name {
				found = found || coded(a.Rhs[min(i, len(a.Rhs)-1)], nil)
			}
		}
		return !found
	})
	return found
}
