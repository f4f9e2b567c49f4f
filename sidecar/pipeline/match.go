package pipeline

import (
	"regexp"
	"strings"
)

// pattern is a stage's match or match_regex.
type pattern struct {
	wildcard string
	regex    *regexp.Regexp // wins over wildcard, as in Fluent Bit
}

func (p pattern) matches(tag string) bool {
	if p.regex != nil {
		return p.regex.MatchString(tag)
	}
	return matchWildcard(p.wildcard, tag)
}

// matchWildcard tells whether tag is pattern, where * stands for any text.
func matchWildcard(pattern, tag string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == tag
	}
	if !strings.HasPrefix(tag, first) {
		return false
	}
	tag = tag[len(first):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(tag, part)
		}
		n := strings.Index(tag, part)
		if n < 0 {
			return false
		}
		tag, rest = tag[n+len(part):], after
	}
}
