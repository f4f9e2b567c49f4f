package xmltok

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// read returns the tokens of a document as text.
func read(r *Reader) (string, error) {
	var b strings.Builder
	for {
		kind, err := r.Next()
		switch {
		case err != nil:
			return b.String(), err
		case kind == EOF:
			return b.String(), nil
		case kind == Start:
			fmt.Fprintf(&b, "<%s", r.Name)
			for _, a := range r.Attrs {
				fmt.Fprintf(&b, " %s=%q", a.Name, a.Value)
			}
			b.WriteString(">")
		case kind == End:
			fmt.Fprintf(&b, "</%s>", r.Name)
		case kind == Text:
			fmt.Fprintf(&b, "%q", r.Text)
		}
	}
}

func TestReader(t *testing.T) {
	for _, c := range []struct{ in, want, err string }{
		{`<a/>`, `<a></a>`, ""},
		{"\ufeff<?xml version='1.0'?>\n<!-- x --><a b = 'c\"d' e:f=\"\">x</a>\n", `<a b="c\"d" e:f="">"x"</a>`, ""},
		{`<a>&lt;&amp;&gt;&#65;&#x42;&quot;&apos;</a>`, `<a>"<&>AB\"'"</a>`, ""},
		{`<a>1<![CDATA[<&amp;]]>2<b/>3</a>`, `<a>"1""<&amp;""2"<b></b>"3"</a>`, ""},
		{"<a b='1\r\n2\t3&#10;4'>\r\nx\ry</a>", `<a b="1 2 3\n4">"\nx\ny"</a>`, ""},
		{`<a></b>`, "", "ends where"},
		{`<a><b></a>`, "", "ends where"},
		{`<a>`, "", "ends within"},
		{`<a/><b/>`, "", "second element"},
		{`<a/>x`, "", "outside"},
		{`x<a/>`, "", "outside"},
		{``, "", "no element"},
		{`</a>`, "", "did not begin"},
		{`<a>&x;</a>`, "", "unknown"},
		{`<a>& b</a>`, "", "no reference"},
		{`<a>&#1;</a>`, "", "cannot have"},
		{`<a>&#x110000;</a>`, "", "no character"},
		{"<a>\x01</a>", "", "control character 0x1"},
		{`<a b>x</a>`, "", "no value"},
		{`<a b=c>x</a>`, "", "no value"},
		{`<a b="c>x</a>`, "", "does not end"},
		{`<a b="<">x</a>`, "", "a < in"},
		{`<a>1< /a>`, "", "begins no tag"},
		{`<!DOCTYPE a [<!ENTITY x "y">]><a/>`, "", "a declaration"},
		{strings.Repeat("<a>", MaxDepth+1), "", "deep"},
		{`<a ` + strings.Repeat(`b="" `, MaxAttrs+1) + `/>`, "", "attributes"},
	} {
		var r Reader
		r.Reset([]byte(c.in))
		got, err := read(&r)
		var e *Error
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%.60q: %s, %v; want %s", c.in, got, err, c.want)
		case c.err != "" && (!errors.As(err, &e) || !strings.Contains(e.Detail, c.err) || e.Offset > len(c.in)):
			t.Errorf("%.60q: %v; want an error with %q", c.in, err, c.err)
		}
	}
}

func TestControlsAreLeftOut(t *testing.T) {
	var r Reader
	r.ResetLenient(WithoutControls(nil, []byte("<a>x\x01\n&#11;y</a>")))
	if got, err := read(&r); got != `<a>"xy"</a>` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	document := []byte(`<a b="c&amp;d"><e>1&lt;2</e><f x="y"/></a>`)
	var r Reader
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(document)
		for {
			if kind, err := r.Next(); err != nil || kind == EOF {
				return
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations a document", n)
	}
}

// oracle reads a document with encoding/xml, in the form of read.
func oracle(document []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(document))
	var b strings.Builder
	roots, text := 0, ""
	var open []string
	flush := func() {
		if text != "" {
			fmt.Fprintf(&b, "%q", text)
		}
		text = ""
	}
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			if len(open) != 0 || roots != 1 {
				return "", errors.New("not one element")
			}
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.StartElement:
			flush()
			if len(open) == 0 {
				roots++
			}
			open = append(open, join(t.Name))
			fmt.Fprintf(&b, "<%s", join(t.Name))
			for _, a := range t.Attr {
				fmt.Fprintf(&b, " %s=%q", join(a.Name), blanks(a.Value))
			}
			b.WriteString(">")
		case xml.EndElement:
			flush()
			if len(open) == 0 || open[len(open)-1] != join(t.Name) {
				return "", errors.New("the tags do not match")
			}
			open = open[:len(open)-1]
			fmt.Fprintf(&b, "</%s>", join(t.Name))
		case xml.CharData:
			if len(open) > 0 {
				text += string(t)
			} else if strings.TrimSpace(string(t)) != "" {
				return "", errors.New("text outside")
			}
		case xml.Directive:
			return "", errors.New("a declaration")
		}
	}
}

func join(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

func blanks(s string) string {
	return strings.NewReplacer("\n", " ", "\t", " ", "\r", " ").Replace(s)
}

// FuzzReader: what encoding/xml reads, and whose tags match, is read the same;
// and however a document is broken, reading it ends.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		`<Event xmlns='http://x'><System><EventID Qualifiers="1">4624</EventID><Correlation/></System><EventData><Data Name='a'>x &amp; y</Data></EventData></Event>`,
		"<a b='1\r\n2'>\r\nx<![CDATA[<]]></a>", "<?xml version='1.0'?><!-- c --><a:b c:d='&#65;'/>", "<a>&#1;</a>", "<a\n/>", "<a></ a>",
	} {
		f.Add([]byte(s))
	}
	var r Reader
	f.Fuzz(func(t *testing.T, document []byte) {
		want, oracleErr := oracle(document)
		r.Reset(document)
		var b strings.Builder
		text := ""
		for steps := 0; ; steps++ {
			if steps > 2*len(document)+2 {
				t.Fatalf("%q does not end", document)
			}
			kind, err := r.Next()
			if kind == Text {
				text += string(r.Text)
				continue
			}
			if text != "" {
				fmt.Fprintf(&b, "%q", text)
				text = ""
			}
			if err != nil {
				if limit := err.Error(); oracleErr == nil && !strings.Contains(limit, "nested more than") && !strings.Contains(limit, "attributes") {
					t.Fatalf("%q: %v; encoding/xml reads %s", document, err, want)
				}
				return
			}
			if kind == EOF {
				break
			}
			if kind == End {
				fmt.Fprintf(&b, "</%s>", r.Name)
				continue
			}
			fmt.Fprintf(&b, "<%s", r.Name)
			for _, a := range r.Attrs {
				fmt.Fprintf(&b, " %s=%q", a.Name, blanks(string(a.Value)))
			}
			b.WriteString(">")
		}
		if oracleErr == nil && b.String() != want {
			t.Errorf("%q: %s; encoding/xml reads %s", document, b.String(), want)
		}
	})
}

// BenchmarkReader compares the Reader with encoding/xml, on a Windows event.
func BenchmarkReader(b *testing.B) {
	document := []byte(`<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing' Guid='{54849625-5478-4994-A5BA-3E3B0328C30D}'/><EventID>4688</EventID><Version>2</Version><TimeCreated SystemTime='2024-01-03T01:30:33.754919318Z'/><Correlation/><Channel>Security</Channel><Computer>host.example.com</Computer></System><EventData><Data Name='SubjectUserSid'>S-1-5-18</Data><Data Name='NewProcessName'>C:\Windows\System32\cmd.exe</Data><Data Name='CommandLine'>cmd /c &quot;dir&quot; &amp; exit</Data></EventData></Event>`)
	b.Run("xmltok", func(b *testing.B) {
		b.SetBytes(int64(len(document)))
		b.ReportAllocs()
		var r Reader
		for b.Loop() {
			r.Reset(document)
			for {
				kind, err := r.Next()
				if err != nil {
					b.Fatal(err)
				}
				if kind == EOF {
					break
				}
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.SetBytes(int64(len(document)))
		b.ReportAllocs()
		for b.Loop() {
			d := xml.NewDecoder(bytes.NewReader(document))
			for {
				if _, err := d.RawToken(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
