package importer

import (
	"fmt"
	"strings"
	"testing"
)

// dump writes what was read, one key a line.
func dump(f *ini) string {
	var b strings.Builder
	for _, s := range append([]*section{f.defaults}, f.sections...) {
		for _, e := range s.entries {
			fmt.Fprintf(&b, "%s.%s=%q\n", s.name, e.key, e.value)
		}
	}
	return b.String()
}

// TestINI: files are read as configparser of Python 3.11 reads them.
func TestINI(t *testing.T) {
	for text, want := range map[string]string{
		"[a]\nk = v\n":          "a.k=\"v\"\n",
		"\ufeff[a]\r\nk: v\r\n": "a.k=\"v\"\n",
		"[a]\nk = v # no comment\n; one\n# two\nK=\n": "a.k=\"v # no comment\"\na.K=\"\"\n",
		"[a]\nk = 1\n  2\n\n  3\n\n\nl = 4\n":         "a.k=\"1\\n2\\n\\n3\"\na.l=\"4\"\n",
		"[a]\nk = 1\n  # not this\n  2\n":             "a.k=\"1\\n2\"\n",
		"[a]\n  k = 1\n    2\n  l = 3\n":              "a.k=\"1\\n2\"\na.l=\"3\"\n",
		"[a]\nk =\n  1\n":                             "a.k=\"\\n1\"\n",
		"[a]\nk = a = b : c\nl : d = e\n":             "a.k=\"a = b : c\"\na.l=\"d = e\"\n",
		"[DEFAULT]\nk = 1\n[a b]\n@x.y = [1, 2]\n":    "DEFAULT.k=\"1\"\na b.@x.y=\"[1, 2]\"\n",
		"[a]\nk = 1\n[b]\nk = 2\n[a]\nk = 3\nl = 4\n": "a.k=\"3\"\na.l=\"4\"\nb.k=\"2\"\n",
		"[a]\nk = 1\n[a]]\nl = 2\n":                   "a.k=\"1\"\na].l=\"2\"\n",
	} {
		f, err := parseINI(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := dump(f); got != want {
			t.Errorf("%q is\n%s, want\n%s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"k = 1\n":                      `line 1: "k = 1" stands before the first [section]`,
		"[a]\nk\n":                     `line 2: "k" is neither`,
		"[a]\n= 1\n":                   `line 2: "= 1" is neither`,
		"[]\n":                         `line 1: "[]" stands before`,
		"{\"a\": {}}\n":                "line 1",
		strings.Repeat("\n", maxLines): "lines, which is no user.ini",
	} {
		if _, err := parseINI(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
}

// TestReferences: ${key}, ${section:key}, $$, and [DEFAULT] behind each section.
func TestReferences(t *testing.T) {
	base, err := parseINI("[DEFAULT]\nd = 0\nz = ${d}\n[b]\nx = ${y}!\ny = base\n")
	if err != nil {
		t.Fatal(err)
	}
	users, err := parseINI("[DEFAULT]\nd = 1\n[a]\nk = ${b:x} ${d} $$ $ ${z}\nd = 2\nbad = ${c}\nloop = ${loop}\nwide = ${w1}${w1}${w1}${w1}${w1}${w1}${w1}${w1}\nw1 = ${w2}${w2}${w2}${w2}${w2}${w2}${w2}${w2}\nw2 = ${w3}${w3}${w3}${w3}${w3}${w3}${w3}${w3}\nw3 = " +
		strings.Repeat("x", 10000) + "\n[b]\ny = user\n")
	if err != nil {
		t.Fatal(err)
	}
	c := config{files: []*ini{base, users}}
	for key, want := range map[string]string{"k": "user! 2 $ $ 2", "z": "2", "nothing": ""} {
		if got, _, err := c.get("a", key); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", key, got, err, want)
		}
	}
	for key, want := range map[string]string{"bad": "${c}, which is nowhere", "loop": "without end", "wide": "too long"} {
		if _, _, err := c.get("a", key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", key, err, want)
		}
	}
	if e := (config{files: c.files, without: map[*entry]bool{users.section("b").entry("y"): true}}).raw("b", "y"); e.value != "base" {
		t.Errorf("without the user's y it is %q", e.value)
	}
}
