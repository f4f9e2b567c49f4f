package split

import (
	"bytes"
	"encoding/csv"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func seeds(f *testing.F) {
	for _, s := range []string{
		"first\nsecond\r\n\n", `{"Records":[{"a":"\"]}"},{"b":[1,{}]}],"x":1}`, "{\"a\":1}{\"b\":2\n{\"c\":\"3\n{\"d\":4}", "[1,\"a\",{}] x\n {}",
		"junk\n# a\n b\n#c\x00\x00", "h,i\na,\"b\n\"\"c\"\r\n\"d\n\n", "#F: a\n1\n#F:b\r\n\n2", "<E x='>'>\n<Ea/></E><E/>t</E><E>\n<E ></E >", "\x00\x00[1]\x00",
		`{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","timestamp":2,"message":"# a\nb"},{"message":"{\"Records\":[1,{}]}"}]}{"Type":"Notification","MessageId":"1","Message":"#a\nb"}`,
		`{"detail-type":"x","detail":{"log":"<E></E>","container_id":"c"}}` + "\n" + `{"awslogs":{"data":"IyBhCmI="}}{"a":1}x`,
		gz("a\nb") + gz("c"), twoXZ, lz4ed("a\nb") + lz4ed("c"), snapped("a\nb"), tarred("a\nb", gz("c")), gz(`{"Records":[{}]}`)[:20], zst("a\nb"), zipped("a\n", "b"), "\xff\xfea\x00\n\x00\x00\xd8", "\xef\xbb\xbf{}",
	} {
		for i := range framings {
			f.Add([]byte(s), uint8(i))
		}
	}
}

// The first ones leave nothing out on purpose.
var framings = []Framing{
	{Kind: Lines}, {Kind: CSV}, {Kind: JSON}, {Kind: CSV, Quote: '"', Separator: ',', Headless: true}, {Kind: Lines, FirstLine: regexp.MustCompile("^#")},
	{Kind: JSON, Text: true},
	{Kind: JSON, Records: "Records"}, {Kind: XML, Element: "E"}, {Kind: CSV, HeaderPrefix: "#F:"},
}

const allKept = 6

// FuzzArrival: records do not depend on how the bytes arrive.
func FuzzArrival(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, object []byte, framing uint8) {
		if bytes.Contains(object, []byte("PAR1")) {
			return // the reader of Parquet has its own fuzz tests
		}
		fr, lim := framings[int(framing)%len(framings)], Limits{Record: 24, Object: 1 << 16, Spool: 1 << 16, TempDir: t.TempDir()}
		whole, _, err1 := collect(bytes.NewReader(object), fr, lim)
		trickled, _, err2 := collect(iotest.OneByteReader(bytes.NewReader(object)), fr, lim)
		if !slices.Equal(whole, trickled) {
			t.Errorf("records depend on how the bytes arrive:\n%q\n%q", texts(whole), texts(trickled))
		}
		var e1, e2 *Error
		if errors.As(err1, &e1) != errors.As(err2, &e2) || e1 != nil && e1.Reason != e2.Reason {
			t.Errorf("errors depend on how the bytes arrive: %v, %v", err1, err2)
		}
	})
}

// FuzzNothingIsLost: records, good and bad, together are the input.
func FuzzNothingIsLost(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, object []byte, framing uint8) {
		fr := framings[framing%allKept]
		fr.Bare = true
		records, res, err := collect(bytes.NewReader(object), fr, Limits{})
		var e *Error
		if errors.As(err, &e) && e.Reason != Truncated || len(res.Head.Layers) > 0 || len(object) > 0 && object[0] >= 0x80 || err != nil && e == nil || res.Skipped > 0 {
			return // packed, encoded, or not read to its end
		}
		frame := " \t\r\n\v\f\x00"
		if fr.Kind == JSON {
			frame += "[],"
		}
		joined := slices.Clone(res.Head.Header)
		for _, r := range records {
			joined = append(joined, r.raw...)
		}
		if got, want := without(joined, frame), without(object, frame); got != want {
			t.Errorf("of %q only %q is in records", want, got)
		}
	})
}

// without returns b without the bytes in frame.
func without(b []byte, frame string) string {
	return string(slices.DeleteFunc(bytes.Clone(b), func(c byte) bool { return strings.IndexByte(frame, c) >= 0 }))
}

// FuzzElements: the text, without tags, is in records.
func FuzzElements(f *testing.F) {
	f.Add("<?xml?><Es><E>1</E>\n<E a='>'/> x </Es>")
	f.Add("<E><E>t</E><![CDATA[<E>]]>")
	tags := regexp.MustCompile(`(?s)<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<(?:"[^"]*"|'[^']*'|[^>"'])*>`)
	f.Fuzz(func(t *testing.T, object string) {
		records, res, err := collect(strings.NewReader(object), Framing{Kind: XML, Element: "E"}, Limits{})
		if err != nil || len(res.Head.Layers) > 0 || object != "" && object[0] >= 0x80 || strings.HasPrefix(object, "{") {
			return // packed, encoded, or not read to its end
		}
		var joined []byte
		for _, r := range records {
			joined = append(joined, r.raw...)
			if r.bad == "" && (!strings.HasPrefix(r.raw, "<E") || !strings.HasSuffix(strings.TrimRight(r.raw, "\r\n"), ">")) {
				t.Errorf("%q is no element", r.raw)
			}
		}
		const blanks = " \t\r\n\v\f\x00"
		if got, want := without(tags.ReplaceAll(joined, nil), blanks), without(tags.ReplaceAll([]byte(object), nil), blanks); got != want {
			t.Errorf("of %q only %q is in records", want, got)
		}
	})
}

// FuzzRows: what a writer of CSV puts into a row comes out as one record.
func FuzzRows(f *testing.F) {
	f.Add("a\x01b\nc\x02d\"\r\n\x01,e")
	f.Fuzz(func(t *testing.T, s string) {
		var rows [][]string
		var object strings.Builder
		w := csv.NewWriter(&object)
		for _, row := range strings.Split("header\x02"+strings.Map(printable, s), "\x02") {
			columns := strings.Split(row, "\x01")
			if blank([]byte(row)) {
				continue // a blank line is no record
			}
			rows = append(rows, columns)
			if err := w.Write(columns); err != nil {
				t.Fatal(err)
			}
		}
		w.Flush()
		records, _, err := collect(strings.NewReader(object.String()), Framing{Kind: CSV, Quote: '"', Separator: ','}, Limits{})
		if err != nil || len(records) != len(rows)-1 {
			t.Fatalf("%d records of %d rows, %v: %q", len(records), len(rows)-1, err, object.String())
		}
		for i, r := range records {
			got, err := csv.NewReader(strings.NewReader(r.raw)).Read()
			want := rows[i+1]
			for j := range want {
				want[j] = strings.ReplaceAll(want[j], "\r\n", "\n") // as the reader does
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("row %q became %q, %v", want, r.raw, err)
			}
		}
	})
}

// printable replaces what makes a text binary, but the marks of FuzzRows.
func printable(r rune) rune {
	if r > 2 && r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0 || r == 0x7f || r == utf8.RuneError {
		return '?'
	}
	return r
}
