// Package rules_test holds the rules of the tree that a compiler cannot check.
// Each test names the rule and, when it fails, the file that breaks it.
package rules_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/fluent-siem/fluent-siem"

// maxLines is the longest a Go file may be: beyond, nobody reads it whole.
const maxLines = 600

// root is the top of the repository, seen from this package.
const root = "../.."

// files lists the repository's files that end with one of the suffixes, by
// their path from the top. Folders that are made (build), hidden (.git) or hold
// what others wrote are left out.
func files(t *testing.T, suffixes ...string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && slices.Contains([]string{"build", ".git", ".cache", "testdata", "uap-core"}, name) {
				return filepath.SkipDir
			}
			return nil
		}
		if slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) }) {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			list = append(list, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatalf("no files that end with %q: the test looks in the wrong place", suffixes)
	}
	return list
}

// parsed calls f for each Go file of the repository.
func parsed(t *testing.T, f func(path string, fset *token.FileSet, file *ast.File)) {
	t.Helper()
	for _, path := range files(t, ".go") {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(root, path), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s does not parse: %v", path, err)
			continue
		}
		f(path, fset, file)
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	documented := map[string]bool{}
	parsed(t, func(path string, _ *token.FileSet, file *ast.File) {
		dir := filepath.ToSlash(filepath.Dir(path))
		doc := file.Doc.Text()
		documented[dir] = documented[dir] || strings.HasPrefix(doc, "Package "+file.Name.Name) || strings.HasPrefix(doc, "Command ")
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment that begins with \"Package …\" or \"Command …\" and says what the package promises", dir)
		}
	}
}

func imports(file *ast.File) (list []string) {
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			list = append(list, path)
		}
	}
	return list
}

func TestOnlyTheBorderUsesC(t *testing.T) {
	const border = "plugins/fluentbit/"
	seen := false
	parsed(t, func(path string, _ *token.FileSet, file *ast.File) {
		for _, name := range imports(file) {
			switch {
			case name == "C" && !strings.HasPrefix(path, border):
				t.Errorf("%s uses cgo; all C is in %s, everything else is pure Go", path, border)
			case name == "C":
				seen = true
			case strings.HasPrefix(name, module+"/plugins/fluentbit") && !strings.HasPrefix(path, border):
				t.Errorf("%s imports %s; nothing may depend on the C border", path, name)
			}
		}
	})
	if !seen {
		t.Errorf("no file in %s uses cgo: the test looks in the wrong place", border)
	}
	for _, path := range files(t, ".c", ".h") {
		if !strings.HasPrefix(path, border) && !strings.HasPrefix(path, "test/host/") {
			t.Errorf("%s is C outside of %s and test/host", path, border)
		}
	}
}

func TestOnlyMainEndsTheProcess(t *testing.T) {
	parsed(t, func(path string, fset *token.FileSet, file *ast.File) {
		if file.Name.Name == "main" && !strings.HasPrefix(path, "plugins/") || strings.HasSuffix(path, "_test.go") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if s, ok := call.Fun.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && (x.Name == "os" && s.Sel.Name == "Exit" || x.Name == "log" && strings.HasPrefix(s.Sel.Name, "Fatal")) {
						t.Errorf("%s:%d ends the process; return an error: no failure stops the log agent", path, fset.Position(n.Pos()).Line)
					}
				}
			}
			return true
		})
	})
}

func TestNoTestIsSkippedSilently(t *testing.T) {
	parsed(t, func(path string, fset *token.FileSet, file *ast.File) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && (x.Name == "t" || x.Name == "b" || x.Name == "tb") && strings.HasPrefix(s.Sel.Name, "Skip") {
					t.Errorf("%s:%d skips a test; let it fail, or have what could not run listed at the end of make test", path, fset.Position(n.Pos()).Line)
				}
			}
			return true
		})
	})
}

func TestFilesAreShortAndPackagesAreNamed(t *testing.T) {
	for _, path := range files(t, ".go") {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, want at most %d: divide it by what its parts are about", path, n, maxLines)
		}
		switch filepath.Base(filepath.Dir(path)) {
		case "util", "utils", "common", "helpers", "misc":
			t.Errorf("%s: a package is named after what it provides", path)
		}
	}
}

// The words are put together so that this file does not hold them.
var forbidden = map[string]*regexp.Regexp{
	"a path of some machine":             regexp.MustCompile(`(?m)(^|[\s"'=(:,\x60])/(` + "work" + `|` + "tmp" + `|` + "root" + `|` + "home" + `)/`),
	"a file outside of the repository":   regexp.MustCompile(`\.\./` + "shared" + `\b`),
	"an open end that belongs elsewhere": regexp.MustCompile(`\b(` + "TO" + "DO" + `|` + "FIX" + "ME" + `|` + "XX" + "X" + `)\b`),
}

func TestNothingNamesWhereItWasMade(t *testing.T) {
	rules := map[string]*regexp.Regexp{}
	for what, re := range forbidden {
		rules[what] = re
	}
	if here, err := filepath.Abs(root); err == nil {
		rules["the folder it was checked out into"] = regexp.MustCompile(regexp.QuoteMeta(here + "/"))
	}
	for _, name := range []string{"GOPROXY", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY"} {
		for part := range strings.FieldsFuncSeq(os.Getenv(name), func(r rune) bool { return r == ',' || r == '|' }) {
			if u, err := url.Parse(part); err == nil && u.Hostname() != "" && u.Hostname() != "proxy."+"golang.org" {
				rules["the host of "+name] = regexp.MustCompile(regexp.QuoteMeta(u.Hostname()))
			}
		}
	}
	for _, path := range files(t, ".go", ".md", ".yaml", ".yml", ".sh", ".c", ".h", ".txtar", ".conf", "Makefile", "run", "go.mod") {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		for what, re := range rules {
			if at := re.FindIndex(text); at != nil {
				line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
				t.Errorf("%s:%d names %s: %q", path, line, what, strings.TrimSpace(string(text[at[0]:at[1]])))
			}
		}
	}
}

func TestTheModuleReplacesNothing(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*replace\b`).Match(text) {
		t.Error("go.mod replaces a module: whoever imports this one would not get it")
	}
}

// TestTheRulesBite shows that each forbidden text is found.
func TestTheRulesBite(t *testing.T) {
	for what, text := range map[string]string{
		"a path of some machine":             "see /" + "tmp/x",
		"a file outside of the repository":   "../" + "shared/design",
		"an open end that belongs elsewhere": "// TO" + "DO: later",
	} {
		if !forbidden[what].MatchString(text) {
			t.Errorf("%q passes the rule about %s", text, what)
		}
	}
	if re := forbidden["a path of some machine"]; re.MatchString("github.com/x/work/y") || re.MatchString("/var/lib/fluent-siem") {
		t.Error("the rule about paths is too strict")
	}
}
