package pipeline

import (
	"regexp"
	"testing"
)

func TestWildcards(t *testing.T) {
	for _, c := range []struct {
		pattern, tag string
		want         bool
	}{
		{"*", "", true}, {"*", "siem.alb", true}, {"siem*", "siem", true}, {"siem*", "siem.alb", true}, {"siem.*", "siem", false},
		{"siem", "siem.alb", false}, {"siem", "siem", true}, {"*.alb", "siem.alb", true}, {"*.alb", "siem.alb.x", false},
		{"s*m.*b", "siem.alb", true}, {"s*x*b", "siem.alb", false}, {"*a*a*", "aa", true}, {"*a*a*", "a", false}, {"a*a", "a", false},
		{"**", "x", true}, {"", "", true}, {"", "x", false}, {"*ab", "aab", true},
	} {
		if got := (pattern{wildcard: c.pattern}).matches(c.tag); got != c.want {
			t.Errorf("%q matches %q: %v, want %v", c.pattern, c.tag, got, c.want)
		}
	}
	if p := (pattern{wildcard: "no", regex: regexp.MustCompile(`^siem\.(alb|clb)$`)}); !p.matches("siem.alb") || p.matches("siem.nlb") {
		t.Error("match_regex must decide alone")
	}
}
