package lines

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The law of all formats: fields → line → fields is the identity. The fuzzers
// are given names and values as one text, and how each value is written by an
// even or odd number.

// fieldsOf makes fields of a text: names and values by turns, between "\x00".
// Names are made unique and fit for the format; values that no writer could
// write (empty, with blanks at the ends) are left out.
func fieldsOf(text string, bad func(value []byte) bool) (fields []Field) {
	parts := strings.Split(text, "\x00")
	for i := 0; i+1 < len(parts) && len(fields) < 50; i += 2 {
		name := []byte(fmt.Sprintf("k%d%s", i, strings.Map(func(r rune) rune {
			if r < 0x80 && nameByte[r] && r != '.' {
				return r
			}
			return '_'
		}, parts[i])))
		name = name[:min(len(name), maxName)]
		value := []byte(parts[i+1])
		if len(value) == 0 || !bytes.Equal(value, trim(value)) || bad(value) || bytes.HasSuffix(name, []byte("Label")) {
			continue
		}
		fields = append(fields, Field{name, value})
	}
	return fields
}

// unsaid is a value that means something else to a reader who knows Windows: c:
// and a line break.
func unsaid(v []byte) bool {
	return len(v) > 2 && isLetter(v[0]) && v[1] == ':' && (v[2] == '\n' || v[2] == '\r' || v[2] == '\t')
}

func check(t *testing.T, line []byte, got, want []Field) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b Field) bool { return bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value) }) {
		t.Errorf("%q\ngot  %q\nwant %q", line, got, want)
	}
}

var cefWriter = strings.NewReplacer(`\`, `\\`, "=", `\=`, "\n", `\n`, "\r", `\r`)

// FuzzCEF: however much a writer escapes, the fields are the same.
func FuzzCEF(f *testing.F) {
	f.Add("Vendor|x", `N\`, "src\x001.2.3.4\x00msg\x00a=b c|d\ne\\", true)
	f.Add("V", "a b", "path\x00c:\\new\x00x\x00=", false)
	f.Fuzz(func(t *testing.T, vendor, name, text string, bars bool) {
		fields := fieldsOf(text, unsaid)
		header := strings.NewReplacer(`\`, `\\`, "|", `\|`)
		if strings.ContainsAny(vendor+name, "\r\n") || strings.TrimSpace(vendor) != vendor || strings.TrimSpace(name) != name || vendor == "" || name == "" {
			return
		}
		line := fmt.Appendf(nil, "<1>Jan  1 00:00:00 h CEF:0|%s|P|1|2|%s|5|", header.Replace(vendor), header.Replace(name))
		for _, f := range fields {
			value := cefWriter.Replace(string(f.Value))
			if bars {
				value = strings.ReplaceAll(value, "|", `\|`)
			}
			line = fmt.Appendf(line, "%s=%s ", f.Name, value)
		}
		var r Row
		if err := r.CEF(line); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		check(t, line, r.Fields[7:], fields)
		check(t, line, r.Fields[1:2], []Field{{cefNames[1], []byte(vendor)}})
		check(t, line, r.Fields[5:6], []Field{{cefNames[5], []byte(name)}})
	})
}

// FuzzLEEF: whatever the delimiter and however it is announced.
func FuzzLEEF(f *testing.F) {
	f.Add("src\x001.2.3.4\x00msg\x00a=b c|d", byte('^'), true)
	f.Add("src\x001.2.3.4\x00msg\x00a=b c|d", byte('\t'), false)
	f.Fuzz(func(t *testing.T, text string, delimiter byte, number bool) {
		if delimiter < '!' && delimiter != '\t' || delimiter > '~' || nameByte[delimiter] || delimiter == '=' || delimiter == '|' && !number {
			return
		}
		d := string(delimiter)
		fields := fieldsOf(text, func(v []byte) bool { return bytes.Contains(v, []byte(d)) || bytes.ContainsAny(v, "\r\n") })
		said := d
		if number {
			said = fmt.Sprintf("0x%02X", delimiter)
		}
		line := fmt.Appendf(nil, "LEEF:2.0|V|P|1|2|%s|", said)
		for _, f := range fields {
			line = fmt.Appendf(line, "%s=%s%s", f.Name, f.Value, d)
		}
		var r Row
		if err := r.LEEF(line, ""); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		check(t, line, r.Fields[5:], fields)
	})
}

// FuzzPairs: whatever the separator and the quote.
func FuzzPairs(f *testing.F) {
	f.Add("src\x001.2.3.4\x00msg\x00a=\"b\" c, d\\n\n", uint8(0), true)
	f.Add("src\x001.2.3.4\x00msg\x00a=b c", uint8(1), false)
	f.Fuzz(func(t *testing.T, text string, kind uint8, always bool) {
		p := []Pairs{{}, {Separator: ","}, {Separator: "; ", Assign: ": "}, {Quotes: `'`}, {Separator: "||", Assign: "=>", Quotes: "`"}}[kind%5]
		separator, assign, quote := cmpOr(p.Separator, " "), cmpOr(p.Assign, "="), cmpOr(p.Quotes, `"`)
		fields := fieldsOf(text, unsaid)
		var line []byte
		for i, f := range fields {
			if i > 0 {
				line = append(line, separator...)
			}
			value := string(f.Value)
			if always || strings.ContainsAny(value, " \t\r\n\\,;|"+quote) {
				value = quote + strings.NewReplacer(`\`, `\\`, quote, `\`+quote, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(value) + quote
			}
			line = fmt.Appendf(line, "%s%s%s", f.Name, assign, value)
		}
		var r Row
		if err := r.Pairs(line, p); err != nil && len(fields) > 0 {
			t.Fatalf("%q: %v", line, err)
		}
		check(t, line, r.Fields, fields)
	})
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// FuzzSyslog: the head, the data and the message come out as they went in, in
// both forms.
func FuzzSyslog(f *testing.F) {
	f.Add(uint8(34), "host", "app", "12", "a\x00b\"]\\\x00c\x00d", "message: [x] y", true)
	f.Add(uint8(191), "2001:db8::1", "a/b", "", "", "CEF:0|", false)
	f.Fuzz(func(t *testing.T, priority uint8, host, program, pid, data, message string, newer bool) {
		printable := func(s, not string) bool {
			return s != "" && len(s) < 48 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(not, r) })
		}
		if priority > 191 || !printable(host, `:[]=|{}("`) || !printable(program, `:[]="'{}<>|,;`) || pid != "" && !printable(pid, "[]") ||
			strings.HasPrefix(message, " ") || strings.HasPrefix(message, "\xef\xbb\xbf") || host == "-" || program == "-" || pid == "-" || program == "CEF" || program == "LEEF" {
			return
		}
		want := []Field{{sysHostname, []byte(host)}, {sysProgram, []byte(program)}}
		if pid != "" {
			want = append(want, Field{sysPID, []byte(pid)})
		}
		var line []byte
		var params []Field
		if newer {
			params = fieldsOf(strings.NewReplacer("]", "", "[", "").Replace(data), func([]byte) bool { return false })
			said := "-"
			if len(params) > 0 {
				said = "[x@1"
				for _, p := range params {
					said += fmt.Sprintf(` %s="%s"`, p.Name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(string(p.Value)))
				}
				said += "]"
			}
			line = fmt.Appendf(nil, "<%d>1 2024-02-29T00:00:00Z %s %s %s - %s %s", priority, host, program, cmpOr(pid, "-"), said, message)
		} else {
			if pid != "" {
				pid = "[" + pid + "]"
			}
			line = fmt.Appendf(nil, "<%d>Feb 29 00:00:00 %s %s%s: %s", priority, host, program, pid, message)
		}
		var r Row
		got, err := r.Syslog(line)
		if err != nil || string(got) != message {
			t.Fatalf("%q: message %q, want %q: %v", line, got, message, err)
		}
		check(t, line, r.Fields[6:], want)
		var read []Field
		for _, d := range r.Data {
			read = append(read, Field{d.Name, d.Value})
		}
		check(t, line, read, params)
	})
}

// FuzzAnything: whatever the bytes, every field is a part of what was read, and
// nothing panics.
func FuzzAnything(f *testing.F) {
	for _, s := range []string{`CEF:0|a|b|c|d|e|5|x=y xLabel=z`, "LEEF:2.0|a|b|c|d|x09|x=y", `a="b\"c" d`, "<1>1 - - - - - [a b=\"c\"] d", "Jan  1 00:00:00 h a[1]: b", `c:\a=\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		for _, read := range []func(*Row) error{
			func(r *Row) error { return r.CEF(line) },
			func(r *Row) error { return r.LEEF(line, "") },
			func(r *Row) error { return r.Pairs(line, Pairs{}) },
			func(r *Row) error { return r.Pairs(line, Pairs{Separator: ";", Assign: " "}) },
			func(r *Row) error { _, err := r.Syslog(line); return err },
		} {
			var r Row
			if err := read(&r); err != nil && err.Error() == "" {
				t.Errorf("%q is refused without a reason", line)
			}
			if len(r.Fields)+len(r.Data) > MaxFields {
				t.Errorf("%d fields", len(r.Fields)+len(r.Data))
			}
		}
		if !bytes.Equal(line, before) {
			t.Errorf("the line was changed: %q, before %q", line, before)
		}
	})
}
