package ecs

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLongTextsAreCut: in whatever format and wherever a text stands, in lists and
// computed too, it fits a keyword field, is cut between characters, and is marked.
// @message stays whole.
func TestLongTextsAreCut(t *testing.T) {
	for _, shift := range []string{"", "a", "ab"} { // the cut falls before, in and behind a character of three bytes
		long := shift + strings.Repeat("語", 20_000)
		for _, c := range []struct{ name, file, object string }{
			{"a text of JSON", "format: json\necs: {x.y: a}\n", fmt.Sprintf(`{"a":%q}`, long)},
			{"lists of JSON", "format: json\necs: {x.y: a, related.user: a}\n", fmt.Sprintf(`{"a":["b",%q,["c",%q],{"d":[%q]}]}`, long, long, long)},
			{"JSON as text", "format: json\ntext: [a]\n", fmt.Sprintf(`{"a":{"b":%q}}`, long)},
			{"columns", "format: columns\ncolumns: {names: [a, b]}\necs: {x.y: b, related.user: b}\n", "1 " + long + " " + long},
			{"a pattern", "format: pattern\npattern: '(?P<a>\\S+)'\necs: {x.y: a}\n", long},
			{"CEF", "format: cef\necs: {x.y: l}\n", "CEF:0|V|P|1|2|" + long + "|5|a=" + long + " cs1=" + long + " cs1Label=l"},
			{"LEEF", "format: leef\n", "LEEF:1.0|V|P|1|2|a=" + long + "\tb=c"},
			{"pairs", "format: kv\n", `a="` + long + `" b=` + long},
			{"syslog", "format: syslog\n", `<1>1 - h a - - [x y="` + long + `"] ` + long},
			{"JSON in syslog", "format: syslog\nsyslog: {message: json}\n", fmt.Sprintf(`<1>1 - h a - - - {"a":[%q]}`, long)},
			{"what syslog does not expect", "format: syslog\nsyslog: {message: cef}\n", `<1>1 - h a - - - ` + long},
			{"wrapped", "format: kv\nwrapped: log\n", fmt.Sprintf(`{"log":%q,"c":[%q]}`, "a="+long, long)},
			{"XML", "format: xml\nelement: e\n", "<e a='" + long + "'><f>" + long + "</f><f>" + long + "</f></e>"},
			{"Windows events", "format: winevt\nelement: Event\n", "<Event><EventData><Data Name='a'>" + long + "</Data></EventData></Event>"},
			{"under a prefix", "format: json\nprefix: p\n", fmt.Sprintf(`{"a":[%q]}`, long)},
			{"expressions", "format: json\nraw: drop\nexpressions: {x.y: 'upper(a)', x.z: '[a, a]', related.user: a}\n", fmt.Sprintf(`{"a":%q}`, long)},
		} {
			docs, failed := convertAll(t, ownType+c.file, "own/1", c.object+"\n")
			if len(docs) != 1 || len(failed) > 0 {
				t.Fatalf("%s: %d documents, %.200v", c.name, len(docs), failed)
			}
			if m := strings.TrimSpace(at(docs[0], "@message")); m != strings.TrimSpace(c.object) {
				t.Errorf("%s: @message has %d of %d bytes", c.name, len(m), len(c.object))
			}
			delete(docs[0], "@message")
			if cut := countCut(t, c.name, "", docs[0]); cut == 0 {
				t.Errorf("%s: nothing was cut", c.name)
			}
		}
	}
}

// countCut looks at every text of a value, and counts those that were cut.
func countCut(t *testing.T, name, path string, v any) (cut int) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			cut += countCut(t, name, path+"."+k, item)
		}
	case []any:
		for i, item := range v {
			cut += countCut(t, name, fmt.Sprintf("%s[%d]", path, i), item)
		}
	case string:
		if len(v) > maxText || strings.ContainsRune(v, utf8.RuneError) {
			t.Errorf("%s: %s has %d bytes, or was cut within a character", name, path, len(v))
		}
		if strings.HasSuffix(v, string(truncated)) {
			cut++
		}
	}
	return cut
}
