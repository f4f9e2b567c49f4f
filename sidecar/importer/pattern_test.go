package importer

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestPattern(t *testing.T) {
	for python, want := range map[string]string{
		`^(?P<a>\S+) (?P<b>[^"]*)$`:  `^(?P<a>\S+) (?P<b>[^"]*)$`,
		`a\Z`:                        `a\z`,
		`\-\"\/\:\ \_\é`:             `\-\"\/\:\ \_é`,
		"a\nb\tc":                    `a\nb\tc`,
		"a\\\nb":                     `a\nb`,
		`a{,3}b{2}c{2,}d{x}e{`:       `a{0,3}b{2}c{2,}d\{x}e\{`,
		`[]a][^]a][[a]`:              `[\]a][^\]a][\[a]`,
		`[\b\-\]\w-.]`:               `[\x{8}\-\]\w-.]`,
		`\x41\u3042\U0001F600\0\012`: `\x{41}\x{3042}\x{1F600}\x{0}\x{A}`,
		`[\101\1]`:                   `[\x{41}\x{1}]`,
		`(?i)a(?aLu)b(?s:c)(?i-s:d)`: `(?i)ab(?s:c)(?i-s:d)`,
		`a(?#comment)b`:              `ab`,
		`a*?b+?c??`:                  `a*?b+?c??`,
		`(?P<a>.*)(?= |$)`:           `(?P<a>.*)(?: |$)`,
		`(?P<a>.*)(?=[)]\))`:         `(?P<a>.*)(?:[)]\))`,
		``:                           ``,
	} {
		got, err := pattern(python)
		if err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", python, got, err, want)
		}
	}
	for python, want := range map[string]string{
		`(?=a)b`:         "lookahead",
		`((?=a))`:        "lookahead",
		`(?=a)*`:         "lookahead",
		`(?!a)b`:         "negative lookahead",
		`(?<=a)b`:        "lookbehind",
		`(?<!a)b`:        "lookbehind",
		`(?P<q>.)(?P=q)`: "references",
		`(.)\1`:          "references",
		`(.)?(?(1)a|b)`:  "conditions",
		`(?>a)`:          "atomic",
		`a++`:            "possessive",
		`a{2}+`:          "possessive",
		`(?x) a`:         "verbose",
		`a\q`:            `\q means nothing`,
		`a\`:             "backslash at the end",
		`[a`:             "has no end",
		`(a`:             "missing closing )",
		`a)`:             "unexpected )",
		`a{1001}`:        "invalid repeat count",
		`(?P<a`:          "name has no end",
		`\xZZ`:           "no character",
		`\u12`:           "no character",
	} {
		if got, err := pattern(python); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %s (%v), want an error with %q", python, got, err, want)
		}
	}
}

func TestAnchored(t *testing.T) {
	for re, want := range map[string]string{`a`: `^a`, `^a`: `^a`, `a|b`: `^(?:a|b)`, `^a|b`: `^(?:^a|b)`} {
		if got := anchored(re); got != want {
			t.Errorf("%s is %s, want %s", re, got, want)
		}
	}
}

// TestLayouts: each line is a format of strptime, its layouts, and a text that the
// first or the last of them reads.
func TestLayouts(t *testing.T) {
	for _, c := range []struct{ format, layouts, text, want string }{
		{"%Y-%m-%d %H:%M:%S", "2006-1-2 15:04:05", "2024-01-05 03:04:05", "2024-01-05T03:04:05Z"},
		{"%Y/%m/%d", "2006/1/2", "2024/1/5", "2024-01-05T00:00:00Z"},
		{"%Y%m%d%H%M%S", "20060102150405", "20240105030405", "2024-01-05T03:04:05Z"},
		{"%d/%b/%Y:%H:%M:%S %z", "2/Jan/2006:15:04:05 -0700|2/Jan/2006:15:04:05 -07:00", "15/Jan/2024:03:00:00 +09:00", "2024-01-15T03:00:00+09:00"},
		{"%Y-%m-%dT%H:%M:%S.%f%z", "2006-1-2T15:04:05.999999999Z0700|2006-1-2T15:04:05.999999999Z07:00", "2024-01-05T03:04:05.25Z", "2024-01-05T03:04:05.25Z"},
		{"%Y-%m-%d %H:%M:%S,%f", "2006-1-2 15:04:05,999999999", "2024-01-05 03:04:05,123456", "2024-01-05T03:04:05.123456Z"},
		{"%b %d, %Y, %I:%M:%S %p", "Jan 2, 2006, 3:04:05 PM", "Jan  5, 2024, 11:04:05 PM", "2024-01-05T23:04:05Z"},
		{"%A %B %d %y %H%%", "Monday January 2 06 15%", "Friday January 5 24 03%", "2024-01-05T03:00:00Z"},
		{"%a %b %d %H:%M:%S.%f %Y", "Mon Jan 2 15:04:05.999999999 2006", "Fri Jan 05 03:04:05.000001 2024", "2024-01-05T03:04:05.000001Z"},
		{"%c", "Mon Jan 2 15:04:05 2006", "Fri Jan  5 03:04:05 2024", "2024-01-05T03:04:05Z"},
		{"%x %X", "1/2/06 15:04:05", "01/05/24 03:04:05", "2024-01-05T03:04:05Z"},
		{"%Y-%j", "2006-002", "2024-005", "2024-01-05T00:00:00Z"},
		{"%d.%m.%Y %H:%M %Z", "2.1.2006 15:04 MST", "05.01.2024 03:04 UTC", "2024-01-05T03:04:00Z"},
	} {
		got, err := layouts(c.format)
		if err != nil || strings.Join(got, "|") != c.layouts {
			t.Errorf("%s is %q (%v), want %s", c.format, got, err, c.layouts)
			continue
		}
		read := ""
		for _, layout := range got {
			if at, err := time.Parse(layout, c.text); err == nil {
				read = at.Format(time.RFC3339Nano)
			}
		}
		if read != c.want {
			t.Errorf("%s: %q is read as %s, want %s", c.format, c.text, read, c.want)
		}
	}
	if got, err := layouts("%b %d %H:%M:%S"); err != nil || len(got) != 1 || got[0] != "syslog" {
		t.Errorf("a time without a year is %q (%v)", got, err)
	}
	for format, want := range map[string]string{
		"%Y-W%U":      "weeks",
		"%Y %q":       "no directive",
		"%T":          "no directive",
		"%S%f":        "fraction",
		"%H:%M:%S:%f": "fraction",
		"%Y%":         "% at its end",
		"%Y 2006":     "a layout cannot say it",
	} {
		if got, err := layouts(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %q (%v), want an error with %q", format, got, err, want)
		}
	}
}

// FuzzPattern: what is turned compiles, and has the same groups.
func FuzzPattern(f *testing.F) {
	f.Add(`^(?P<ts>\S+) \[(?P<a>[^\]]*)\](?= x)`)
	f.Fuzz(func(t *testing.T, python string) {
		re, err := pattern(python)
		if err != nil {
			return
		}
		compiled, err := regexp.Compile(re)
		if err != nil {
			t.Fatalf("%q became %q: %v", python, re, err)
		}
		for _, name := range compiled.SubexpNames()[1:] {
			if name != "" && !strings.Contains(python, "(?P<"+name+">") {
				t.Errorf("%q became %q, with a group %q", python, re, name)
			}
		}
	})
}

// FuzzLayouts: never panics, and a layout reads what it writes.
func FuzzLayouts(f *testing.F) {
	f.Add("%d/%b/%Y:%H:%M:%S.%f %z")
	f.Fuzz(func(t *testing.T, format string) {
		all, err := layouts(format)
		if err != nil {
			return
		}
		for _, layout := range all {
			if layout == "syslog" {
				continue
			}
			if _, err := time.Parse(layout, trialTimes[0].Format(layout)); err != nil {
				t.Errorf("%q became %q: %v", format, layout, err)
			}
		}
	})
}
