package opensearch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// anything is what the defaults allow.
var anything = bounds{allow: Defaults().AllowIndex, depth: Defaults().DepthLimit, width: Defaults().WidthLimit}

func (p *problem) String() string {
	if p == nil {
		return ""
	}
	return p.class
}

func TestWhichIndexIsAllowed(t *testing.T) {
	for _, c := range []struct{ allow, index, want string }{
		{"*", "log-aws-cloudtrail-2024-01", ""},
		{"*", "log-x_01", ""},
		{"*", ".opendistro_security", "index_not_allowed"},
		{"*,.siem-*", ".opendistro_security", "index_not_allowed"},
		{"*,.siem-*", ".siem-own", ""},
		{"log-*,metrics-*", "log-x", ""},
		{"log-*,metrics-*", "metrics-x", ""},
		{"log-*,metrics-*", "xlog-x", "index_not_allowed"},
		{"log-?", "log-ab", "index_not_allowed"},
		{"*", "", "invalid_index_name"},
		{"*", "log-\n", "invalid_index_name"},
		{"*", "log-\x00x", "invalid_index_name"},
		{"*", "log-\x7fx", "invalid_index_name"},
		{"*", "log-*", "invalid_index_name"},
		{"*", "log/_doc", "invalid_index_name"},
		{"*", "LOG", "invalid_index_name"},
		{"*", strings.Repeat("x", 256), "invalid_index_name"},
	} {
		if got := (bounds{allow: strings.Split(c.allow, ",")}).index([]byte(c.index)).String(); got != c.want {
			t.Errorf("%q with allow_index %s: %q, want %q", c.index, c.allow, got, c.want)
		}
	}
}

func TestWhichIDIsRefused(t *testing.T) {
	for id, want := range map[string]string{
		"": "", "a": "", "ä b/c": "", strings.Repeat("i", 512): "",
		"a\nb": "bad_id", "\x00": "bad_id", "a\x7f": "bad_id", "\t": "bad_id", strings.Repeat("i", 513): "id_too_long",
	} {
		if got := anything.id([]byte(id)).String(); got != want {
			t.Errorf("%.20q: %q, want %q", id, got, want)
		}
	}
}

func TestDepthAndWidthOfADocument(t *testing.T) {
	l := bounds{depth: 5, width: 6}
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}" }
	for doc, want := range map[string]string{
		deep(5): "", deep(6): "nested_too_deep", deep(100000): "nested_too_deep",
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}`:               "",
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}`:         "too_wide",
		`{"a":[1,2,3,4,5]}`:                                   "",
		`{"a":[1,2,3,4,5,6]}`:                                 "too_wide",
		`{"a":[{},{},{},[],[]]}`:                              "",
		`{"a":[{},{},{},[],[],[]]}`:                           "too_wide",
		`{"a":{"b":{"c":{"d":{"e":1}}}}}`:                     "",
		`{"a":"{[,:{[,:{[,:{[,:{[,:","b":"\"{[{[{[,,,,,,,,"}`: "",
		`{"a":"\\","b":[1,2,3,4]}`:                            "",
		`{}`:                                                  "",
	} {
		if got := l.document([]byte(doc)).String(); got != want {
			t.Errorf("%.60s: %q, want %q", doc, got, want)
		}
	}
}

// FuzzShape: depth and width are those that a parser finds.
func FuzzShape(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"\\\""},[]],"c":{}}`, `{}`, `[1,[2,[3]],"x,y:{"]`, " {\"a\" : [ 1 , true , null ] }\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if !json.Valid(doc) {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(doc))
		dec.UseNumber()
		depth, open, width := 0, []int{0}, 0 // open: tokens so far in each object or list, negative in objects
		for {
			tok, err := dec.Token()
			if err != nil {
				break
			}
			d, isDelim := tok.(json.Delim)
			if isDelim && (d == '}' || d == ']') {
				open = open[:len(open)-1]
				continue
			}
			last := &open[len(open)-1]
			switch {
			case len(open) == 1: // the document itself
			case *last < 0: // an object: key, value, key, …
				if *last--; *last%2 == 0 {
					width++
				}
			default:
				width++
			}
			if isDelim {
				if d == '{' {
					open = append(open, -1)
				} else {
					open = append(open, 0)
				}
				depth = max(depth, len(open)-1)
			}
		}
		if gotDepth, gotWidth := shape(doc); gotDepth != depth || gotWidth != width {
			t.Errorf("%q: %d deep and %d wide, want %d and %d", doc, gotDepth, gotWidth, depth, width)
		}
	})
}

// TestWhatKeepsToNoBoundIsADeadLetter: counted under its reason, kept whole, and
// its neighbours are stored.
func TestWhatKeepsToNoBoundIsADeadLetter(t *testing.T) {
	c := &cluster{}
	r := newRig(t, c, func(cfg *Config) { cfg.WidthLimit, cfg.AllowIndex = 1000, []string{"log-*"} })
	l := r.p.Leases.Open(lease.NewCredit(1 << 30))
	o := l.Add(lease.Source{Bucket: "trail", Key: "a/b.json.gz", LogType: "cloudtrail"})
	l.Seal()
	wide, deep := `{"a":[1`+strings.Repeat(",1", 1000)+"]}", `{"a":`+strings.Repeat("[", 150)+strings.Repeat("]", 150)+"}"
	var chunk []byte
	for i, e := range []struct{ index, id, doc string }{
		{"log-x", "1", `{"n":1}`}, {"log-x", "2", wide}, {"log-x", "3", deep}, {"other", "4", `{"n":4}`}, {"log-\nx", "5", `{"n":5}`}, {"log-x", "6\x00", `{"n":6}`}, {"log-x", "7", `{"n":7}`},
	} {
		chunk = event.AppendDocument(event.AppendTarget(chunk, time.Unix(1, 0), &event.Origin{Object: o.ID, Record: uint64(i + 1), Size: 100},
			event.Target{Index: []byte(e.index), ID: []byte(e.id), Op: event.OpCreate}, nil, nil), []byte(e.doc))
	}
	o.Read(7, 700)
	o.Seal(nil)
	if err := r.Write(t.Context(), "siem", chunk); err != nil {
		t.Fatal(err)
	}
	if b := o.Totals(); b.Of(lease.Stored) != 2 || b.Of(lease.DeadLettered) != 5 || !settled(l) {
		t.Errorf("books %+v", b)
	}
	var classes []string
	for _, letter := range lettersIn(t, r.dir) {
		classes = append(classes, letter.Class)
		if n := counted(t, r.p, "siem_output_documents_total", letter.Class, "dead-lettered"); n != 1 {
			t.Errorf("%s is counted %v times", letter.Class, n)
		}
		if letter.Class == "too_wide" && string(letter.Document) != wide {
			t.Errorf("the letter has %.100s", letter.Document)
		}
	}
	if got, want := fmt.Sprint(classes), "[too_wide nested_too_deep index_not_allowed invalid_index_name bad_id]"; got != want {
		t.Errorf("letters %s, want %s", got, want)
	}
}

// counted is the value of a counter by its labels in alphabetic order.
func counted(t *testing.T, p *process.Process, name string, labels ...string) float64 {
	t.Helper()
	families, err := p.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && slices.Equal(values, labels) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
