package rules_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEachGuaranteeNamesATestThatExists: a promise whose test is gone is none.
// `TestScripts/x` is the script test/script/x.txtar, and what is *in italics*
// behind a test's name is a fault of test/chaos.
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
	for _, path := range files(t, ".txtar") {
		script := strings.TrimSuffix(path, ".txtar")
		if name, ok := strings.CutPrefix(script, "test/script/opensearch/"); ok {
			tests["TestScriptsWithOpenSearch/"+name] = true
		} else if name, ok := strings.CutPrefix(script, "test/script/"); ok {
			tests["TestScripts/"+name] = true
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9_]+(?:/[a-z0-9-]+)?)`")
	for _, page := range []string{"conf/guarantees.md", "DESIGN.md"} {
		found := named.FindAllStringSubmatch(read(t, page), -1)
		if len(found) < 5 {
			t.Errorf("%s names %d tests: the test looks in the wrong place", page, len(found))
		}
		for _, m := range found {
			if !tests[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

// TestEachGuaranteeIsShown: each line of the page names a test or a fault of
// the chaos test, or says whose it is to promise.
func TestEachGuaranteeIsShown(t *testing.T) {
	faults := read(t, "test/chaos/faults.go")
	fault := regexp.MustCompile(`\*([^*]+)\*`)
	lines := 0
	for line := range strings.Lines(read(t, "conf/guarantees.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		shown := strings.TrimSpace(cells[len(cells)-1])
		if !strings.HasPrefix(line, "|") || shown == "shown by" || strings.HasPrefix(shown, "---") {
			continue
		}
		lines++
		for _, m := range fault.FindAllStringSubmatch(shown, -1) {
			if !strings.Contains(faults, `"`+m[1]+`"`) {
				t.Errorf("the chaos test has no fault %q", m[1])
			}
		}
		if !strings.Contains(shown, "`Test") && !strings.Contains(shown, "`Fuzz") && !strings.Contains(shown, "chaos") && !strings.HasPrefix(shown, "not ours: ") {
			t.Errorf("nothing shows this line:\n%s", line)
		}
	}
	if lines < 30 {
		t.Errorf("only %d lines were found: the test looks in the wrong place", lines)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
