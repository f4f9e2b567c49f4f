package rules_test

import (
	"errors"
	"go/ast"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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

// TestNothingBuiltIsCommitted: no program, library or archive of objects.
func TestNothingBuiltIsCommitted(t *testing.T) {
	list, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Fatalf("git does not list the repository's files: %v", err)
	}
	paths := strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
	if len(paths) < 500 {
		t.Errorf("only %d files are listed: the test looks in the wrong place", len(paths))
	}
	for _, path := range paths {
		f, err := os.Open(filepath.Join(root, path))
		if errors.Is(err, fs.ErrNotExist) {
			continue // about to be removed
		}
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 8)
		n, _ := io.ReadFull(f, head)
		f.Close()
		for _, magic := range []string{"\x7fELF", "!<arch>\n", "\xcf\xfa\xed\xfe", "MZ\x90"} {
			if strings.HasPrefix(string(head[:n]), magic) {
				t.Errorf("%s was built: commit what it is made from", path)
			}
		}
	}
}
