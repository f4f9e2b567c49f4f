package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

var at = time.Unix(1718409600, 123456789)

func TestRecordTravels(t *testing.T) {
	origin := Origin{Object: 1<<63 + 5, Record: 70000, Size: 12}
	buf := AppendRecord(nil, at, origin, []byte("a line"))
	buf = AppendRefusal(buf, at, origin, Refusal{Op: OpUnreadable, Class: "no_json", Reason: "not JSON", Envelope: []byte("{}")}, []byte("\xff{"))
	ev, rest, err := Next(buf)
	if err != nil || !ev.Time.Equal(at) || !ev.HasOrigin || ev.Origin != origin || ev.HasTarget {
		t.Fatalf("got %+v, %v", ev, err)
	}
	if m, ok := ev.Message(); !ok || string(m) != "a line" {
		t.Errorf("message %q %v", m, ok)
	}
	ev, rest, err = Next(rest)
	if err != nil || len(rest) != 0 || ev.Target.Op != OpUnreadable || string(ev.Target.Reason) != "not JSON" {
		t.Fatalf("got %+v, %v, %d left", ev, err, len(rest))
	}
	if m, _ := ev.Message(); string(m) != "\xff{" {
		t.Errorf("message %q: the raw bytes must survive", m)
	}
}

func TestTargetTravelsWithForeignMetadata(t *testing.T) {
	foreign := msgp.AppendMapHeader(nil, 2)
	foreign = msgp.AppendString(foreign, "otlp")
	foreign = msgp.AppendInt(foreign, 7)
	foreign = msgp.AppendString(foreign, "siem")
	foreign = msgp.AppendMapHeader(foreign, 0)
	buf := AppendTarget(nil, at, &Origin{1, 2, 3}, Target{Index: []byte("log-x"), ID: []byte("id1"), Op: OpIndex}, []byte("{}"), foreign)
	buf = AppendDocument(buf, []byte(`{"a":1}`))
	ev, _, err := Next(buf)
	if err != nil || string(ev.Target.Index) != "log-x" || string(ev.Target.ID) != "id1" || ev.Target.Op != OpIndex || ev.Origin != (Origin{1, 2, 3}) {
		t.Fatalf("got %+v, %v", ev, err)
	}
	meta, _, err := AppendJSON(nil, ev.Metadata)
	if err != nil || !strings.Contains(string(meta), `"otlp":7`) || strings.Count(string(meta), `"siem"`) != 1 {
		t.Errorf("metadata %s, %v", meta, err)
	}
	if doc, ok := ev.Document(); !ok || string(doc) != `{"a":1}` {
		t.Errorf("document %q %v", doc, ok)
	}
}

func TestEveryFormOfEventIsRead(t *testing.T) {
	record := []byte{0x81, 0xa3, 'l', 'o', 'g', 0xa1, 'x'}
	ext := append([]byte{0xc7, 8, 0}, 0, 0, 0, 5, 0, 0, 0, 6)
	for name, c := range map[string]struct {
		head  []byte
		want  time.Time
		group bool
	}{
		"legacy integer":  {[]byte{5}, time.Unix(5, 0), false},
		"legacy float":    {msgp.AppendFloat64(nil, 5.5), time.Unix(5, 5e8), false},
		"legacy ext 8":    {ext, time.Unix(5, 6), false},
		"metadata":        {append([]byte{0x92, 0xd7, 0, 0, 0, 0, 5, 0, 0, 0, 6}, 0x80), time.Unix(5, 6), false},
		"map32 metadata":  {append([]byte{0x92, 5}, 0xdf, 0, 0, 0, 0), time.Unix(5, 0), false},
		"array16":         {append([]byte{0xdc, 0, 2, 5}, 0x80), time.Unix(5, 0), false},
		"group opens":     {append([]byte{0x92, 0xd7, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 0x80), time.Unix(1<<32-1, 0), true},
		"group closes":    {append([]byte{0x92, 0xd7, 0, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0}, 0x80), time.Unix(1<<32-2, 0), true},
		"not quite group": {append([]byte{0x92, 0xd7, 0, 0xff, 0xff, 0xff, 0xfd, 0, 0, 0, 0}, 0x80), time.Unix(1<<32-3, 0), false},
		"siem is no map":  {append([]byte{0x92, 5}, 0x81, 0xa4, 's', 'i', 'e', 'm', 1), time.Unix(5, 0), false},
	} {
		t.Run(name, func(t *testing.T) {
			buf := append(append([]byte{0x92}, c.head...), record...)
			ev, rest, err := Next(append(buf, 0xff))
			if err != nil || len(rest) != 1 || !ev.Time.Equal(c.want) || ev.Group != c.group || ev.HasOrigin {
				t.Fatalf("%+v %v, rest %x", ev, err, rest)
			}
			if m, ok := ev.Message(); !ok || string(m) != "x" || !bytes.Equal(ev.Raw, buf) {
				t.Errorf("message %q, raw %x", m, ev.Raw)
			}
			for n := range buf { // cut anywhere: an error, no panic
				if _, _, err := Next(buf[:n]); err == nil {
					t.Errorf("cut to %d bytes: no error", n)
				}
			}
		})
	}
}

func TestMsgpackBecomesJSON(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{map[string]any{"a": []any{1, -1, true, nil, "é\"\n"}}, `{"a":[1,-1,true,null,"é\"\n"]}`},
		{1.0, `1.0`}, {1.5, `1.5`}, {uint64(1<<64 - 1), `18446744073709551615`},
		{[]byte("text"), `"text"`}, {[]byte{0xff}, `"/w=="`},
	} {
		b, err := msgp.AppendIntf(nil, c.in)
		if err != nil {
			t.Fatal(err)
		}
		got, rest, err := AppendJSON(nil, b)
		if err != nil || len(rest) != 0 || string(got) != c.want {
			t.Errorf("%v became %s (%v), want %s", c.in, got, err, c.want)
		}
	}
	deep := bytes.Repeat([]byte{0x91}, 1e6)
	if _, _, err := AppendJSON(nil, deep); err == nil {
		t.Error("a million nested arrays: no error")
	}
}

func TestWriterWritesTheSameBothWays(t *testing.T) {
	write := func(w *Writer) {
		o := w.Object()
		w.Key(NewKey("s"))
		w.String([]byte("x"))
		before := w.Save()
		w.Key(NewKey("empty"))
		e := w.Object()
		w.EndObject(e)
		w.Restore(before)
		w.Name([]byte("list"))
		a := w.Array()
		for _, n := range []string{"1", "-2.50", "1e3", "01", "-", "18446744073709551615"} {
			w.Item()
			w.Number([]byte(n))
		}
		w.EndArray(a)
		w.Key(NewKey("f"))
		w.Fragment(Fragment{JSON: []byte(`{"k":true}`), Msgpack: []byte{0x81, 0xa1, 'k', 0xc3}})
		w.Name([]byte("n"))
		w.Null()
		w.EndObject(o)
	}
	var w Writer
	w.Reset(nil, false)
	write(&w)
	text := string(w.Buf)
	if want := `{"s":"x","list":[1,-2.50,1e3,"01","-",18446744073709551615],"f":{"k":true},"n":null}`; text != want {
		t.Fatalf("JSON  %s\nwant  %s", text, want)
	}
	w.Reset(nil, true)
	write(&w)
	got, rest, err := AppendJSON(nil, w.Buf)
	if err != nil || len(rest) != 0 {
		t.Fatal(err, rest)
	}
	if want := `{"s":"x","list":[1,-2.5,1000.0,"01","-",18446744073709551615],"f":{"k":true},"n":null}`; string(got) != want {
		t.Errorf("msgpack %s\nwant    %s", got, want)
	}
}

func FuzzJSONString(f *testing.F) {
	f.Add([]byte("plain text, long enough for words\x00\xff\"\\ \u2028 é 日本 \x7f"))
	f.Fuzz(func(t *testing.T, s []byte) {
		var back string
		out := AppendJSONString(nil, s)
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q became %s: %v", s, out, err)
		}
		if want := strings.ToValidUTF8(string(s), "\ufffd"); utf8.Valid(s) && back != want {
			t.Errorf("%q came back as %q", want, back)
		}
	})
}

func FuzzNext(f *testing.F) {
	f.Add(AppendRecord(nil, at, Origin{1, 2, 3}, []byte("x")))
	f.Add(AppendDocument(AppendTarget(nil, at, nil, Target{Index: []byte("i")}, nil, nil), []byte("{}")))
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			ev, rest, err := Next(b)
			if err != nil {
				return
			}
			if len(ev.Raw)+len(rest) != len(b) {
				t.Fatalf("%d bytes read and %d left of %d", len(ev.Raw), len(rest), len(b))
			}
			ev.Message()
			ev.Document()
			if out, _, err := AppendJSON(nil, ev.Record); err == nil && !json.Valid(out) {
				t.Fatalf("%x became %s", ev.Record, out)
			}
			b = rest
		}
	})
}

func BenchmarkJSONString(b *testing.B) {
	s := []byte(`{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/name/session"},"eventTime":"2022-07-13T20:07:38Z"}`)
	b.SetBytes(int64(len(s)))
	var dst []byte
	for b.Loop() {
		dst = AppendJSONString(dst[:0], s)
	}
}
