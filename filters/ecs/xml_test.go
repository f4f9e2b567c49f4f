package ecs

import (
	"encoding/json"
	"encoding/xml"
	"reflect"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// xmlType is a user's log type.
func xmlType(t testing.TB, c *Converter) *Object {
	t.Helper()
	lt, err := logtype.Parse("x.yaml", []byte("name: x\nformat: xml\nelement: r\nkey: x\nprovider: none\nindex: {name: log-x}\necs: {user.name: r.user, related.ip: r.ip}\ntime: [{field: r.@at, layout: iso8601}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Object(lt, lease.Source{Key: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestXML: attributes are @name, the text beside them #text, repeated elements
// a list, and what is empty is absent, as the original had it.
func TestXML(t *testing.T) {
	c := (&Engine{IDs: Natural}).NewConverter()
	o := xmlType(t, c)
	for _, try := range []struct{ record, want string }{
		{"<r at='2024-01-01T00:00:00Z'>\n <user>bob</user>\n</r>", `{"r":{"@at":"2024-01-01T00:00:00Z","user":"bob"},"user":{"name":"bob"}}`},
		{"<r><ip>192.0.2.1</ip><ip>192.0.2.2</ip></r>", `{"r":{"ip":["192.0.2.1","192.0.2.2"]},"related":{"ip":["192.0.2.1","192.0.2.2"]}}`},
		{"<r>  text &lt; <b>bold</b> more </r>", `{"r":{"b":"bold","#text":"text <  more"}}`},
		{"<r><a x='1'>t</a><a/><b></b><c> </c></r>", `{"r":{"a":[{"@x":"1","#text":"t"},null]}}`},
		{"<r><n:a n:b='c'>\x0b1</n:a></r>", `{"r":{"n:a":{"@n:b":"c","#text":"1"}}}`},
		{"<r/>", `{}`},
	} {
		if err := c.Convert(o, 1, nil, []byte(try.record)); err != nil {
			t.Errorf("%s: %v", try.record, err)
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal(c.AppendJSON(nil), &doc); err != nil {
			t.Fatal(err)
		}
		for k := range doc {
			if strings.HasPrefix(k, "@") || k == "event" || k == "ecs" {
				delete(doc, k)
			}
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(try.want), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(doc, want) {
			t.Errorf("%s: %v, want %v", try.record, doc, want)
		}
	}
	many := "<r>" + strings.Repeat("<a>1</a>", 2*maxNames)
	if err := c.Convert(o, 1, nil, []byte(many+"</r>")); err != nil {
		t.Errorf("a long list: %v", err)
	}
	var names strings.Builder
	for i := range maxNames + 1 {
		names.WriteString("<a" + strings.Repeat("x", i%64) + string(rune('0'+i/64)) + ">1</a" + strings.Repeat("x", i%64) + string(rune('0'+i/64)) + ">")
	}
	if err := c.Convert(o, 1, nil, []byte("<r>"+names.String()+"</r>")); err == nil {
		t.Errorf("%d names are accepted", maxNames+1)
	}
}

// FuzzXML: no text is lost, and none is invented: the texts and attributes of a
// record that encoding/xml reads are those of the document, but for white space.
func FuzzXML(f *testing.F) {
	for _, s := range []string{"<r a='1'><b>2</b>3<b>4</b></r>", "<r><![CDATA[<x>]]>&amp;\r\n</r>", "<r><a/><a>1</a><b c='d'> </b></r>"} {
		f.Add(s)
	}
	c := (&Engine{IDs: Natural}).NewConverter()
	o := xmlType(f, c)
	f.Fuzz(func(t *testing.T, record string) {
		if strings.ContainsFunc(record, func(r rune) bool { return r < ' ' || r == 0xfffd }) {
			return // another attempt, and replaced
		}
		if c.Convert(o, 1, nil, []byte(record)) != nil {
			return
		}
		want := 0
		d := xml.NewDecoder(strings.NewReader(record))
		for depth := 0; ; {
			token, err := d.RawToken()
			if err != nil {
				if token == nil && err.Error() != "EOF" {
					return // encoding/xml is stricter
				}
				break
			}
			switch token := token.(type) {
			case xml.StartElement:
				depth++
				for _, a := range token.Attr {
					want += letters(a.Value)
				}
			case xml.EndElement:
				depth--
			case xml.CharData:
				if depth > 0 {
					want += letters(string(token))
				}
			}
		}
		got := 0
		var count func(v any)
		count = func(v any) {
			switch v := v.(type) {
			case string:
				got += letters(v)
			case []any:
				for _, item := range v {
					count(item)
				}
			case map[string]any:
				for _, item := range v {
					count(item)
				}
			}
		}
		var v any
		if err := json.Unmarshal(c.rec.MarshalTo(nil), &v); err != nil {
			t.Fatalf("%q: %v", record, err)
		}
		if count(v); got != want {
			t.Errorf("%q: %d characters, want %d: %s", record, got, want, c.rec)
		}
	})
}

// letters counts what is not white space.
func letters(s string) int { return len(strings.Join(strings.Fields(s), "")) }
