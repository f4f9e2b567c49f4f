package rules_test

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// TestFilesAreForTheirOwnerOnly: what the product writes holds logs, keys of
// feeds or what is known of a cluster. The modes of files that it makes leave out
// everybody else, and os.Create, which leaves that to the umask, is not used.
func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	makers := map[string]bool{"WriteFile": true, "OpenFile": true, "Mkdir": true, "MkdirAll": true, "Chmod": true}
	seen := 0
	parsed(t, func(path string, fset *token.FileSet, file *ast.File) {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "test/") || strings.HasSuffix(file.Name.Name, "test") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			at := fset.Position(n.Pos()).Line
			switch x, ok := s.X.(*ast.Ident); {
			case !ok || x.Name != "os":
			case s.Sel.Name == "Create":
				t.Errorf("%s:%d lets others read a file; use os.OpenFile with 0o600, or os.CreateTemp", path, at)
			case makers[s.Sel.Name]:
				mode, ok := call.Args[len(call.Args)-1].(*ast.BasicLit)
				if !ok {
					t.Errorf("%s:%d: the mode is no literal; write it down", path, at)
					break
				}
				if bits, err := strconv.ParseUint(mode.Value, 0, 32); err != nil || bits&0o077 != 0 {
					t.Errorf("%s:%d makes something with mode %s, open to others; write 0o600 or 0o700", path, at, mode.Value)
				}
				seen++
			}
			return true
		})
	})
	if seen < 10 {
		t.Errorf("%d files are made: the test looks in the wrong place", seen)
	}
}
