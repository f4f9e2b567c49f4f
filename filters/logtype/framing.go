package logtype

import (
	"regexp"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// Framing says how an object of the type is cut into records.
func (t *Type) Framing() split.Framing {
	f := split.Framing{Kind: split.Lines, FirstLine: t.firstLine, HeaderLines: t.HeaderLines, Bare: t.Envelopes == "keep", Stderr: t.ContainerStderr}
	switch {
	case t.Element != "":
		f.Kind, f.Element = split.XML, t.Element
	case t.Format == JSON:
		f.Kind, f.Records, f.Text = split.JSON, t.Records, len(t.Otherwise) > 0
	case t.Format == ColumnF && t.Columns.Header:
		f.Kind, f.HeaderPrefix, f.Headless = split.CSV, t.Columns.HeaderPrefix, len(t.Columns.Default) > 0
		if t.Columns.Quote != "" && len(t.Columns.Separator) == 1 {
			f.Quote, f.Separator = t.Columns.Quote[0], t.Columns.Separator[0]
		}
	}
	return f
}

var elementRE = regexp.MustCompile(`^[A-Za-z_][\w.:-]*$`)

func (t *Type) checkFraming(bad *settings.Problems) {
	if t.Element != "" && !elementRE.MatchString(t.Element) {
		bad.Add("element", "%q is no name of an XML element", t.Element)
	}
	if t.FirstLine != "" && (t.Element != "" || t.Format == JSON || t.Columns.Header) {
		bad.Add("first_line", "is for lines; json, element and a header of columns say by themselves where a record begins")
	}
	switch t.Envelopes {
	case "", "unwrap", "keep":
	default:
		bad.Add("envelopes", "%q; use unwrap or keep", t.Envelopes)
	}
}
