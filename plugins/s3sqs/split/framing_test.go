package split

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	severalLines = Framing{FirstLine: regexp.MustCompile(`^#`)}
	quoted       = Framing{Kind: CSV, Quote: '"', Separator: ','}
	headless     = Framing{Kind: CSV, Headless: true}
	elements     = Framing{Kind: XML, Element: "Event"}
)

func TestFramings(t *testing.T) {
	for _, c := range []struct {
		name    string
		framing Framing
		lim     Limits
		in      string
		want    []string
		err     Reason
	}{
		{"several lines", severalLines, Limits{}, "#a\n b\n\n c\n#d\r\n#e\n f\n\n", []string{"1:#a\n b\n\n c", "2:#d", "3:#e\n f"}, ""},
		{"lines before the first record", severalLines, Limits{}, "x\n\n y\n#a\n", []string{"1:#a"}, ""},
		{"no record at all", severalLines, Limits{}, "x\n y\n", []string{"1:x\n y\n!no_record"}, ""},
		{"only blank lines", severalLines, Limits{}, "\n \n", nil, ""},
		{"header of several lines", Framing{FirstLine: severalLines.FirstLine, HeaderLines: 2}, Limits{}, "#v\n#f\n#a\nb", []string{"1:#a\nb"}, ""},
		{"positions of several lines", Framing{FirstLine: severalLines.FirstLine, First: 2, Last: 2}, Limits{}, "#a\n#b\nc\n#d\n", []string{"2:#b\nc"}, ""},
		{"long record of several lines", severalLines, Limits{Record: 6}, "#a\nb\nc\nd\n#e\nf\n", []string{"1:#a\nb\nc\nd!too_long", "2:#e\nf"}, ""},
		{"long line in a record", severalLines, Limits{Record: 6}, "#a\n#23456789012#\n#e\nf\n", []string{"1:#a", "2:#23456789012#!too_long", "3:#e\nf"}, ""},
		{"several lines, zeros at the end", severalLines, Limits{}, "#a\nb\n" + zeros, []string{"1:#a\nb"}, ""},
		{"several lines in broken gzip", severalLines, Limits{}, cutGzip("#a\nb\n#c\nd"), []string{"1:#a\nb", "2:#c\nd!truncated"}, Truncated},

		{"quoted line breaks", quoted, Limits{}, "h,i\n\"a\n\"\"b\",c\r\nd,\"e\r\nf\"\r\ng,h", []string{"2:\"a\n\"\"b\",c", "4:d,\"e\r\nf\"", "6:g,h"}, ""},
		{"quoted line breaks in the header", quoted, Limits{}, "\"h\nh\",i\na,b", []string{"3:a,b"}, ""},
		{"a quote within a column", quoted, Limits{}, "h\na\"b,c\nd\"e\n", []string{"2:a\"b,c", "3:d\"e"}, ""},
		{"a quote that is not closed", quoted, Limits{}, "h\na,\"b\nc,d\ne,f\n", []string{"2:a,\"b", "3:c,d", "4:e,f"}, ""},
		{"a quote that the next record closes", quoted, Limits{}, "h\na,\"b\nc,\"d\"\ne,f\n", []string{"2:a,\"b", "3:c,\"d\"", "4:e,f"}, ""},
		{"a quoted column that is too long", quoted, Limits{Record: 8}, "h\n\"a\nb\n4567890\"\nc\n", []string{"2:\"a", "3:b", "4:4567890\"", "5:c"}, ""},
		{"quotes that are closed at the end", quoted, Limits{}, "h\na,\"b\n\"", []string{"2:a,\"b\n\""}, ""},
		{"quotes elsewhere", Framing{Kind: CSV}, Limits{}, "h\na,\"b\nc\"\n", []string{"2:a,\"b", "3:c\""}, ""},

		{"a header", headless, Limits{}, "version account-id v2\n2 1\n", []string{"2:2 1"}, ""},
		{"no header", headless, Limits{}, "2 1 -\n3 -\n", []string{"1:2 1 -", "2:3 -"}, ""},
		{"no header, separated", headless, Limits{}, "a,\"1\",b\n", []string{"1:a,\"1\",b"}, ""},

		{"zeros at the end of lines", Framing{}, Limits{}, "a longer first line\nb\x00\x00\n" + zeros, []string{"1:a longer first line", "2:b"}, ""},
		{"zeros behind a line", Framing{}, Limits{}, "a\nb\x00\x00", []string{"1:a", "2:b"}, ""},
		{"zeros at the end of JSON", Framing{Kind: JSON}, Limits{}, "{}" + zeros, []string{"1:{}"}, ""},

		{"elements", elements, Limits{}, "<?xml version='1.0'?>\n<Events><Event a=\"1\"><EventID>1</EventID></Event><Event>\n2\n</Event>\n<Event x='>'/></Events>", []string{`1:<Event a="1"><EventID>1</EventID></Event>`, "2:<Event>\n2\n</Event>\n", "3:<Event x='>'/>"}, ""},
		{"tags that are text", elements, Limits{}, "<Event><![CDATA[</Event>]]><!-- </Event> --></Event >", []string{"1:<Event><![CDATA[</Event>]]><!-- </Event> --></Event >"}, ""},
		{"an element that breaks off", elements, Limits{}, "<Event><EventID>1\n<Event>2</Event>", []string{"1:<Event><EventID>1!not_xml", "2:<Event>2</Event>"}, ""},
		{"text between elements", elements, Limits{}, "junk\n<Event/> more <Event/>", []string{"1:junk!not_xml", "2:<Event/>", "3:more!not_xml", "4:<Event/>"}, ""},
		{"a long element", elements, Limits{Record: 16}, "<Event>1234567890</Event><Event>1</Event>", []string{"1:<Event>1234567890!too_long", "2:<Event>1</Event>"}, ""},
		{"an element that does not end", elements, Limits{}, "<Event>1</Even", []string{"1:<Event>1</Even!truncated"}, ""},
		{"a tag that does not end", elements, Limits{}, "<Event a=\"", []string{"1:<Event a=\"!truncated"}, ""},
		{"positions of elements", Framing{Kind: XML, Element: "Event", First: 2, Last: 2}, Limits{}, "<Event>1</Event><Event>2</Event><Event>3</Event>", []string{"2:<Event>2</Event>"}, ""},
		{"zeros behind elements", elements, Limits{}, "<Event/>\n" + zeros, []string{"1:<Event/>\n"}, ""},
		{"line breaks behind elements", elements, Limits{}, "<Event/>\r\n<Event></Event>\n\n<Event/>\r<Event/> \n", []string{"1:<Event/>\r\n", "2:<Event></Event>\n", "3:<Event/>", "4:<Event/>"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := collect(strings.NewReader(c.in), c.framing, c.lim)
			if !slices.Equal(texts(got), c.want) {
				t.Errorf("got  %q\nwant %q", texts(got), c.want)
			}
			var e *Error
			if errors.As(err, &e); c.err == "" && err != nil || c.err != "" && (e == nil || e.Reason != c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// cutGzip lacks the end of the stream, but no text.
func cutGzip(s string) string { z := gz(s); return z[:len(z)-8] }

// zeros are what a file ends with that was allocated in advance.
var zeros = strings.Repeat("\x00", 300<<10)

func TestLinesBeforeTheFirstRecordAreCounted(t *testing.T) {
	if _, res, err := collect(strings.NewReader("x\n\n y\n#a\n"), severalLines, Limits{}); err != nil || res.Skipped != 2 || res.Bad != 0 {
		t.Errorf("%d skipped, %d bad, %v; want 2 skipped", res.Skipped, res.Bad, err)
	}
}

func TestQuotesThatAreNotRFC4180AreNotLookedForForever(t *testing.T) {
	object := "h\n" + strings.Repeat("a,\"b\nc\n", mostBroken) + "\"d\ne\",f\n"
	got, _, err := collect(strings.NewReader(object), quoted, Limits{})
	if err != nil || len(got) != 2*mostBroken+2 {
		t.Errorf("%d records, %v; want %d", len(got), err, 2*mostBroken+2)
	}
}

func TestHeadersWithinAnObject(t *testing.T) {
	object := "#Version: 1\n0 0\n#Fields: a b\r\n1 2\n#Date: x\n#Fields:  a b \n3 4\n\n#Fields: c\n5\n"
	var got []string
	heads := map[*Head]bool{}
	_, err := Records(strings.NewReader(object), Framing{Kind: CSV, HeaderPrefix: "#Fields:", First: 4}, Limits{}, func(r Record) error {
		heads[r.Head] = true
		got = append(got, fmt.Sprintf("%d %s: %s", r.Number, r.Head.Header, r.Raw))
		return nil
	})
	want := []string{"4 a b: 1 2", "5 a b: #Date: x", "7 a b: 3 4", "10 c: 5"}
	if err != nil || !slices.Equal(got, want) || len(heads) != 2 {
		t.Errorf("%q with %d heads, %v; want %q", got, len(heads), err, want)
	}
}
