package opensearch

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

func render(t *testing.T, d documents, chunk []byte) (*bulk, string) {
	t.Helper()
	ev, _, err := event.Next(chunk)
	if err != nil {
		t.Fatal(err)
	}
	b := &bulk{}
	if _, problem := d.add(b, &ev, 7, nil); problem != nil {
		d.refuse(b, &ev, newItem(b, &ev, 7, nil), problem)
	}
	return b, string(b.lines)
}

func TestDocuments(t *testing.T) {
	d := documents{index: []byte("other"), ids: true, generate: true, series: newSeries(1, 2), bounds: anything}
	timeseries, bare := d, d
	timeseries.ids, bare.generate = false, false
	target := event.Target{Index: []byte("log-x"), ID: []byte("i<d>&\"")}
	at := time.Unix(1700000000, 0)
	replace := target
	replace.Op = event.OpIndex
	record := map[string]string{"a": "ä\n"}
	for _, c := range []struct {
		name  string
		docs  documents
		chunk []byte
		want  string
	}{
		{"create", d, appendEvent(nil, nil, target, record), `{"create":{"_index":"log-x","_id":"i<d>&\""}}` + "\n" + `{"a":"ä\n"}` + "\n"},
		{"index", d, appendEvent(nil, nil, replace, record), `{"index":{"_index":"log-x","_id":"i<d>&\""}}` + "\n" + `{"a":"ä\n"}` + "\n"},
		{"time series", timeseries, appendEvent(nil, nil, target, record), `{"index":{"_index":"log-x"}}` + "\n" + `{"a":"ä\n"}` + "\n"},
		{"without id", bare, appendEvent(nil, nil, event.Target{Index: []byte("log-x")}, record), `{"create":{"_index":"log-x"}}` + "\n" + `{"a":"ä\n"}` + "\n"},
		{"with an id of ours", d, appendEvent(nil, nil, event.Target{Index: []byte("log-x")}, record),
			`{"create":{"_index":"log-x","_id":"AAAAAAAAAAEAAAACAAAH"}}` + "\n" + `{"a":"ä\n"}` + "\n"},
		{"other input", bare, plain(nil, at, map[string]any{"log": "x"}),
			`{"create":{"_index":"other"}}` + "\n" + `{"@timestamp":"2023-11-14T22:13:20Z","log":"x"}` + "\n"},
		{"other input with a time", bare, plain(nil, at, map[string]any{"@timestamp": "x"}),
			`{"create":{"_index":"other"}}` + "\n" + `{"@timestamp":"x"}` + "\n"},
		{"empty", bare, plain(nil, at, map[string]any{}),
			`{"create":{"_index":"other"}}` + "\n" + `{"@timestamp":"2023-11-14T22:13:20Z"}` + "\n"},
		{"finished", d, event.AppendDocument(event.AppendTarget(nil, at, nil, target, nil, nil), []byte(`{"a": 1.50}`)),
			`{"create":{"_index":"log-x","_id":"i<d>&\""}}` + "\n" + `{"a": 1.50}` + "\n"},
		{"finished on two lines", d, event.AppendDocument(event.AppendTarget(nil, at, nil, target, nil, nil), []byte("{\"a\":\r\n1}")),
			`{"create":{"_index":"log-x","_id":"i<d>&\""}}` + "\n" + `{"a":  1}` + "\n"},
	} {
		b, got := render(t, c.docs, c.chunk)
		if got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.name, got, c.want)
		}
		if len(b.items) != 1 || string(b.lines[b.items[0].doc:b.items[0].end]) != c.want[strings.Index(c.want, "\n")+1:] {
			t.Errorf("%s: the item is %+v", c.name, b.items)
		}
		if index, _ := b.action(0); index == "" {
			t.Errorf("%s: the action cannot be read back", c.name)
		}
	}
}

// What becomes no document is refused with its reason, and nothing of it stays
// in the body.
func TestRefusals(t *testing.T) {
	d := documents{index: []byte("other"), ids: true, bounds: anything}
	deep := []byte{0x92, 1, 0x81, 0xa1, 'a'}
	for range 300 {
		deep = append(deep, 0x91)
	}
	deep = append(deep, 0xc0)
	for name, c := range map[string]struct {
		chunk []byte
		class string
		final lease.Outcome
	}{
		"unreadable": {event.AppendRefusal(nil, time.Unix(1, 0), event.Origin{Object: 1, Record: 2}, event.Refusal{Op: event.OpUnreadable, Class: "unreadable", Reason: "no JSON"}, []byte("{")), "unreadable", lease.Unreadable},
		"no map":     {msgp.AppendString([]byte{0x92, 1}, "text"), "no_document", lease.DeadLettered},
		"deep":       {deep, "nested_too_deep", lease.DeadLettered},
		"long id": {appendEvent(nil, nil, event.Target{Index: []byte("x"), ID: bytes.Repeat([]byte("i"), 513)}, map[string]string{"message": "m"}),
			"id_too_long", lease.DeadLettered},
		"finished but no object": {event.AppendDocument(event.AppendTarget(nil, time.Unix(1, 0), nil, event.Target{Index: []byte("x")}, nil, nil), []byte("1")),
			"no_document", lease.DeadLettered},
	} {
		b, lines := render(t, d, c.chunk)
		if lines != "" || len(b.items) != 0 || len(b.refused) != 1 || b.refused[0].letter.Class != c.class || b.refused[0].final != c.final {
			t.Errorf("%s: lines %q, refused %+v", name, lines, b.refused)
			continue
		}
		l := b.refused[0].letter
		if l.Message == "" && l.Document == nil && l.Text == "" && l.Msgpack == nil {
			t.Errorf("%s: the dead letter holds nothing of the record: %+v", name, l)
		}
		if _, err := json.Marshal(l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two events have two ids; the same event has the same one.
func TestGeneratedIDs(t *testing.T) {
	d := documents{series: newSeries(1, 2)}
	seen := map[string]bool{}
	for n := range int32(1 << 17) {
		id := string(d.appendID(nil, n))
		if seen[id] || id != string(d.appendID(nil, n)) {
			t.Fatalf("the id of event %d is %s, which is not its own", n, id)
		}
		seen[id] = true
	}
}

func TestHalves(t *testing.T) {
	for n := 2; n < 20; n++ {
		b := &bulk{}
		for i := range n {
			size := int32(10)
			if i == 0 || i == n-1 && n%2 == 0 {
				size = 1000 // a giant at the begin or the end
			}
			from := int32(len(b.lines))
			b.lines = append(b.lines, make([]byte, size)...)
			b.items = append(b.items, item{line: from, end: from + size})
		}
		l, r := b.halves(b.all())
		if len(l) == 0 || len(r) == 0 || len(l)+len(r) != n {
			t.Errorf("%d items in %d and %d", n, len(l), len(r))
		}
	}
}
