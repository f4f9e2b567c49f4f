package rules_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestEachGuaranteeNamesATestThatExists: a promise whose test is gone is none.
func TestEachGuaranteeNamesATestThatExists(t *testing.T) {
	tests := map[string]bool{}
	defined := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	for _, path := range files(t, "_test.go") {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range defined.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9_]+)`")
	for _, page := range []string{"conf/guarantees.md", "DESIGN.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllSubmatch(text, -1)
		if len(found) < 5 {
			t.Errorf("%s names %d tests: the test looks in the wrong place", page, len(found))
		}
		for _, m := range found {
			if !tests[string(m[1])] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}
