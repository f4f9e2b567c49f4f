package cli

import (
	"cmp"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// near is a log type whose key pattern does not match a key, but almost.
type near struct {
	name    string
	missing string // the longest literal text of the pattern that the key lacks
	share   float64
}

func (n near) String() string {
	if n.missing == "" {
		return fmt.Sprintf("%s: the key has all the words of its pattern, but not in its form", n.name)
	}
	return fmt.Sprintf("%s: its pattern wants %q", n.name, n.missing)
}

// nearest returns up to three types whose patterns share most with key, best
// first; types in matched are left out.
func nearest(types, matched []*logtype.Type, key string) []near {
	var list []near
	for _, t := range types {
		if t.Key == "" || slices.Contains(matched, t) {
			continue
		}
		re, err := syntax.Parse(t.Key, syntax.Perl)
		if err != nil {
			continue
		}
		n := near{name: t.Name}
		found, all := weigh(re.Simplify(), key, &n.missing)
		if all > 0 {
			n.share = float64(found) / float64(all)
		}
		if n.share >= 0.5 {
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return cmp.Compare(b.share, a.share) })
	return list[:min(len(list), 3)]
}

// weigh counts the letters of literal texts in re, and those that key has (see common). Of
// alternatives, the best counts. missing becomes the longest text that it lacks.
func weigh(re *syntax.Regexp, key string, missing *string) (found, all int) {
	switch re.Op {
	case syntax.OpLiteral:
		text, where := string(re.Rune), key
		if re.Flags&syntax.FoldCase != 0 {
			text, where = strings.ToLower(text), strings.ToLower(key)
		}
		if strings.Contains(where, text) {
			return len(text), len(text)
		}
		if len(text) > len(*missing) {
			*missing = text
		}
		return common(strings.ToLower(text), strings.ToLower(where)), len(text)
	case syntax.OpCapture, syntax.OpPlus, syntax.OpConcat:
		for _, sub := range re.Sub {
			f, a := weigh(sub, key, missing)
			found, all = found+f, all+a
		}
	case syntax.OpAlternate:
		best := ""
		for i, sub := range re.Sub {
			lacks := ""
			f, a := weigh(sub, key, &lacks)
			if i == 0 || f*max(all, 1) > found*max(a, 1) {
				found, all, best = f, a, lacks
			}
		}
		if len(best) > len(*missing) {
			*missing = best
		}
	}
	return found, all
}

// common is the length of the longest text that is in both, 0 when it is less
// than half of the word: that would be chance.
func common(word, text string) int {
	longest := 0
	before, row := make([]int, len(text)+1), make([]int, len(text)+1)
	for i := range len(word) {
		for j := range len(text) {
			row[j+1] = 0
			if word[i] == text[j] {
				row[j+1] = before[j] + 1
				longest = max(longest, row[j+1])
			}
		}
		before, row = row, before
	}
	if 2*longest < len(word) {
		return 0
	}
	return longest
}
