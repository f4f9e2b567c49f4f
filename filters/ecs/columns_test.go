package ecs

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

func TestColumns(t *testing.T) {
	quoted := &logtype.Columns{Separator: " ", Quote: `"`}
	bracketed := &logtype.Columns{Separator: " ", Quote: `"`, Brackets: true}
	white := &logtype.Columns{Separator: "whitespace"}
	for _, c := range []struct {
		columns *logtype.Columns
		line    string
		want    []string
	}{
		{quoted, `a "b c" d`, []string{"a", "b c", "d"}},
		{quoted, `a "" "-" `, []string{"a", "", "-", ""}},
		{quoted, `"say "hi", too" x`, []string{`say "hi", too`, "x"}},
		{quoted, `"open ended x`, []string{`"open`, "ended", "x"}},
		{quoted, ``, []string{""}},
		{quoted, `a  b`, []string{"a", "", "b"}},
		{bracketed, `a [06/Feb/2019:00:00:38 +0000] "b c"`, []string{"a", "06/Feb/2019:00:00:38 +0000", "b c"}},
		{bracketed, `[open ended`, []string{"[open", "ended"}},
		{quoted, `"a "quoted" agent" - "x y"`, []string{`a "quoted" agent`, "-", "x y"}},
		{quoted, `"one " too many" x`, []string{`one " too many`, "x"}},
		{quoted, `[a b]`, []string{"[a", "b]"}},
		{white, "  a \t b ", []string{"a", "b"}},
		{white, "", nil},
	} {
		got := splitColumns(nil, []byte(c.line), c.columns)
		if !equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

func equal(got [][]byte, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if string(got[i]) != want[i] {
			return false
		}
	}
	return true
}

// TestColumnsTakeLinearTime: no line, and clients write parts of many, makes its
// columns a matter of its length squared.
func TestColumnsTakeLinearTime(t *testing.T) {
	columns := &logtype.Columns{Separator: ",", Quote: `"`, Brackets: true}
	for _, part := range []string{`"",`, `"a","`, `"a,`, `"a",b"c,`, `[a,`, `[a],`, `"`, `,"x""`, `a"",""b`} {
		for _, head := range []string{"", `"`, `"a",`} {
			line := []byte(head + strings.Repeat(part, 1<<20/len(part)))
			start := time.Now()
			splitColumns(nil, line, columns)
			if took := time.Since(start); took > 5*time.Second { // squared, it is minutes
				t.Errorf("%s%s…: %v for %d bytes", head, part, took, len(line))
			}
		}
	}
}

// naiveColumns is what splitSeparated promises, without its memory.
func naiveColumns(line []byte, sep, quote byte, brackets bool) (all [][]byte) {
	for {
		end := -1
		if len(line) > 0 && (line[0] == quote || brackets && line[0] == '[') {
			by := map[bool]byte{true: quote, false: ']'}[line[0] == quote]
			for i := 1; i < len(line); i++ {
				if line[i] != by || i+1 < len(line) && line[i+1] != sep {
					continue
				}
				if by == ']' || bytes.Count(line[i+1:], []byte{quote})%2 == 0 {
					end = i
					break
				}
				if end < 0 {
					end = i
				}
			}
		}
		if end > 0 {
			all = append(all, line[1:end])
			if end+1 >= len(line) {
				return all
			}
			line = line[end+2:]
			continue
		}
		column, rest, more := bytes.Cut(line, []byte{sep})
		if all = append(all, column); !more {
			return all
		}
		line = rest
	}
}

func TestSplitters(t *testing.T) {
	for _, c := range []struct {
		as, text string
		want     []string
	}{
		{"address", "192.0.2.1:443", []string{"192.0.2.1", "443"}},
		{"address", "[2001:db8::1]:80", []string{"2001:db8::1", "80"}},
		{"address", "2001:db8::1:80", []string{"2001:db8::1", "80"}},
		{"address", "-", []string{"", ""}},
		{"words", "GET /a b HTTP/1.1", []string{"GET", "/a b", "HTTP/1.1"}},
		{"words", "-", []string{"", "", ""}},
		{"request", "GET http://www.example.com:80/a/b?x=1&y=2 HTTP/1.1", []string{"GET", "http", "www.example.com", "80", "/a/b", "x=1&y=2", "1.1"}},
		{"request", "GET https://[2001:db8::1]:443/ HTTP/2.0", []string{"GET", "https", "2001:db8::1", "443", "/", "", "2.0"}},
		{"request", "GET http://no.port/x HTTP/1.1", []string{"GET", "http", "no.port", "", "/x", "", "1.1"}},
		{"request", "- http://host:80- -", []string{"", "http", "host", "80", "", "", ""}},
		{"request", "GET http://a:80/with blank HTTP/1.0", []string{"GET", "http", "a", "80", "/with blank", "", "1.0"}},
		{"request", "GET http://a:80?q HTTP/1.0", []string{"GET", "http", "a", "80", "", "q", "1.0"}},
	} {
		s := splitterTable[c.as]
		into := make([][]byte, s.n)
		if !s.split([]byte(c.text), into) || !equal(into, c.want) {
			t.Errorf("%s %q: %q, want %q", c.as, c.text, into, c.want)
		}
	}
}

func FuzzColumns(f *testing.F) {
	for _, s := range []string{`a "b c" d`, `"a"b" "c" [d "e] f" g`, `"a [b "c" ] "d`, `"a"" "b"" " [x] "`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got := splitSeparated(nil, line, ' ', 0, false)
		if back := bytes.Join(got, []byte(" ")); !bytes.Equal(back, line) {
			t.Errorf("%q came apart as %q", line, got)
		}
		n := 0
		for _, c := range splitSeparated(nil, line, ' ', '"', false) {
			n += len(c)
		}
		if n > len(line) {
			t.Errorf("%q: columns hold more than the line", line)
		}
		for _, brackets := range []bool{false, true} {
			got, want := splitSeparated(nil, line, ' ', '"', brackets), naiveColumns(line, ' ', '"', brackets)
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%q: %q, want %q", line, got, want)
			}
		}
		for _, s := range splitterTable {
			s.split(line, make([][]byte, s.n))
		}
	})
}

func FuzzAddr(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "01.2.3.4", "256.1.1.1", "::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseAddr([]byte(s))
		want, err := netip.ParseAddr(s)
		if len(s) <= 64 && (ok != (err == nil) || got != want) {
			t.Errorf("%q: %v %v, want %v %v", s, got, ok, want, err)
		}
	})
}

// TestHeaderWithAPrefix: names between blanks, where the columns are between
// tabs; parts that are neighbours in one header and not in another.
func TestHeaderWithAPrefix(t *testing.T) {
	lt, err := logtype.Parse("x.yaml", []byte("name: x\nkey: x\nprovider: none\nindex: {name: log-x}\nformat: columns\n"+
		`columns: {header: true, header_prefix: "#Fields:", separator: "\t", merge: [{columns: [date, time], into: at}], default: [[date, time], [ip]]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := (&Engine{}).NewConverter()
	for _, try := range []struct{ header, record, want string }{
		{"date time cs(User-Agent)", "2024-01-01\t00:00:00\ta b", `{"cs_User_Agent":"a b","at":"2024-01-01 00:00:00"}`},
		{"time date", "00:00:00\t2024-01-01", `{"time":"00:00:00","date":"2024-01-01"}`},
		{"", "2024-01-01\t00:00:00", `{"at":"2024-01-01 00:00:00"}`},
		{"", "192.0.2.1", `{"ip":"192.0.2.1"}`},
		{"", "1\t2\t3", "3 columns and no header line that names them; without one there should be 2 or 1 (columns.default of the log type)"},
	} {
		o, err := c.Object(lt, lease.Source{Header: []byte(try.header)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Convert(o, 1, nil, []byte(try.record)); err != nil {
			if err.Error() != try.want {
				t.Errorf("%q: %v, want %s", try.record, err, try.want)
			}
			continue
		}
		c.w.Reset(nil, false)
		m := c.w.Object()
		c.writeColumns()
		c.w.EndObject(m)
		if string(c.w.Buf) != try.want {
			t.Errorf("%q: %s, want %s", try.record, c.w.Buf, try.want)
		}
	}
}
