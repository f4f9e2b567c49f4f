package logtype

import (
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

const framed = "name: x\nkey: x/\nindex: {name: x}\n"

func TestFraming(t *testing.T) {
	for file, want := range map[string]split.Framing{
		"format: json\nrecords: Records\ncontainer_stderr: true":                                      {Kind: split.JSON, Records: "Records", Stderr: true},
		"format: json\nenvelopes: keep":                                                               {Kind: split.JSON, Bare: true},
		"format: pattern\npattern: (?P<a>.)\nheader_lines: 2":                                         {Kind: split.Lines, HeaderLines: 2},
		"format: pattern\npattern: (?P<a>.)\nelement: Event":                                          {Kind: split.XML, Element: "Event"},
		"format: columns\ncolumns: {header: true}":                                                    {Kind: split.CSV},
		"format: columns\ncolumns: {header: true, default: [a, b]}":                                   {Kind: split.CSV, Headless: true},
		"format: columns\ncolumns: {header: true, header_prefix: '#Fields:', default: [[a, b], [a]]}": {Kind: split.CSV, HeaderPrefix: "#Fields:", Headless: true},
		"format: columns\ncolumns: {header: true, separator: \",\", quote: \"'\"}":                    {Kind: split.CSV, Separator: ',', Quote: '\''},
		"format: columns\ncolumns: {names: [a, b], separator: \",\", quote: \"'\"}":                   {Kind: split.Lines}, // one line each
		"format: columns\ncolumns: {names: [a, b], separator: \",\"}\nheader_lines: 1":                {Kind: split.Lines, HeaderLines: 1},
		"format: columns\ncolumns: {header: true, separator: whitespace, quote: \"'\"}":               {Kind: split.CSV},
		"format: columns\ncolumns: {header: true, separator: whitespace, default: [a, b, c]}":         {Kind: split.CSV, Headless: true},
	} {
		lt, err := Parse("x.yaml", []byte(framed+file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if got := lt.Framing(); got != want {
			t.Errorf("%s: %+v, want %+v", file, got, want)
		}
	}
	lt, err := Parse("x.yaml", []byte(framed+"format: pattern\npattern: (?P<a>.)\nfirst_line: ^#"))
	if err != nil || lt.Framing().FirstLine == nil || !lt.Framing().FirstLine.MatchString("#") {
		t.Errorf("first_line: %+v, %v", lt, err)
	}
}

func TestFramingThatCannotBe(t *testing.T) {
	for file, problem := range map[string]string{
		"format: json\nfirst_line: ^#":                                        "first_line",
		"format: pattern\npattern: (?P<a>.)\nelement: <Event>":                "element",
		"format: json\nenvelopes: drop":                                       "envelopes",
		"format: columns\ncolumns: {names: [a, b], default: [a, b]}":          "columns.default",
		"format: columns\ncolumns: {names: [a, b], header_prefix: x}":         "header_prefix",
		"format: columns\ncolumns: {header: true, default: [[a, b], [c, d]]}": "two lists of 2 names",
	} {
		if _, err := Parse("x.yaml", []byte(framed+file)); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v, want a problem of %s", file, err, problem)
		}
	}
}
