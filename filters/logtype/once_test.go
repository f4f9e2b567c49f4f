package logtype

import (
	"regexp/syntax"
	"slices"
	"testing"
)

// TestNoExpressionRunsTwiceOnALine: a shipped type has at most three expressions
// that are run on its lines: first_line decides in split where a record begins,
// control_lines in the filter whether it is one, and pattern takes it apart. No
// two are the same, and the first two are anchored and look at the beginning: a
// line is read to its end by one expression only, once.
func TestNoExpressionRunsTwiceOnALine(t *testing.T) {
	r, err := NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	for _, lt := range r.Set().Types() {
		patterns := 0
		for _, f := range append(lt.Otherwise, Form{Format: lt.Format}) {
			if f.Format == Pattern {
				patterns++
			}
		}
		if patterns > 1 {
			t.Errorf("%s: %d forms are patterns, and a line that is in none of them would be read by each", lt.Name, patterns)
		}
		list := slices.DeleteFunc([]string{lt.FirstLine, lt.Pattern, lt.ControlLines}, func(s string) bool { return s == "" })
		if unique := slices.Compact(slices.Sorted(slices.Values(list))); len(unique) != len(list) {
			t.Errorf("%s: one expression for two purposes: %q", lt.Name, list)
		}
		for name, text := range map[string]string{"first_line": lt.FirstLine, "control_lines": lt.ControlLines} {
			if text == "" {
				continue
			}
			re, err := syntax.Parse(text, syntax.Perl)
			if err != nil {
				t.Fatal(err)
			}
			if re = re.Simplify(); !beginsAtStart(re) || readsOn(re) {
				t.Errorf("%s: %s %s is not anchored, or reads on to the end of the line", lt.Name, name, text)
			}
		}
	}
}

func beginsAtStart(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText:
		return true
	case syntax.OpCapture:
		return beginsAtStart(re.Sub[0])
	case syntax.OpConcat:
		return beginsAtStart(re.Sub[0])
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return !beginsAtStart(s) })
	}
	return false
}

// readsOn reports whether an expression takes any number of any characters.
func readsOn(re *syntax.Regexp) bool {
	if (re.Op == syntax.OpStar || re.Op == syntax.OpPlus) && (re.Sub[0].Op == syntax.OpAnyChar || re.Sub[0].Op == syntax.OpAnyCharNotNL) {
		return true
	}
	return slices.ContainsFunc(re.Sub, readsOn)
}
