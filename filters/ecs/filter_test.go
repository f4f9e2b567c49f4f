package ecs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

func TestManual(t *testing.T) {
	settingstest.CheckManual(t, "../../conf/ecs.md", "config.go", Defaults())
}

var discard = slog.New(slog.DiscardHandler)

// bench is a filter and a lease of one VPC flow log.
type bench struct {
	*Filter
	p      *process.Process
	credit *lease.Credit
	lease  *lease.Lease
	object *lease.Object
}

func newBench(t testing.TB, change func(*Config)) *bench {
	t.Helper()
	cfg := Defaults()
	cfg.Threads = 4
	if change != nil {
		change(&cfg)
	}
	b := &bench{p: process.New(), credit: lease.NewCredit(1 << 30)}
	var err error
	if b.Filter, err = New(cfg, b.p, WithLogger(discard)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	b.lease = b.p.Leases.Open(b.credit)
	b.object = b.lease.Add(lease.Source{Bucket: "b", Key: "AWSLogs/123456789012/vpcflowlogs/us-east-1/x.log.gz", LogType: "vpcflowlogs",
		Header: []byte("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status")})
	b.lease.Seal()
	return b
}

func (b *bench) record(buf []byte, number int, line string) []byte {
	b.object.Read(1, int64(len(line)))
	return event.AppendRecord(buf, time.Unix(5, 0), event.Origin{Object: b.object.ID, Record: uint64(number), Size: int64(len(line))}, []byte(line))
}

const flow = "2 123456789012 eni-0123 192.0.2.%d 10.0.0.1 1024 443 6 10 8400 1705287600 1705287660 ACCEPT OK"

func events(t *testing.T, buf []byte) (all []event.Event) {
	t.Helper()
	for len(buf) > 0 {
		ev, rest, err := event.Next(buf)
		if err != nil {
			t.Fatal(err)
		}
		all, buf = append(all, ev), rest
	}
	return all
}

// A record becomes a document, is excluded, or is unreadable; in order, however
// many cores share the work.
func TestEveryRecordBecomesExactlyOneThing(t *testing.T) {
	b := newBench(t, nil)
	var in []byte
	const n = 1000
	for i := 1; i <= n; i++ {
		line := fmt.Sprintf(flow, i%250)
		if i%100 == 0 {
			line = "garbage"
		}
		in = b.record(in, i, line)
	}
	out, changed := b.Process(nil, "siem.vpcflowlogs", in)
	if !changed {
		t.Fatal("reported as unchanged")
	}
	got := events(t, out)
	if len(got) != n {
		t.Fatalf("%d events of %d records", len(got), n)
	}
	for i, ev := range got {
		if ev.Origin.Record != uint64(i+1) || ev.Origin.Object != b.object.ID {
			t.Fatalf("event %d is of record %d", i, ev.Origin.Record)
		}
		if bad := (i+1)%100 == 0; bad != (ev.Target.Op == event.OpUnreadable) {
			t.Fatalf("record %d: %v %s", i+1, ev.Target.Op, ev.Target.Reason)
		} else if bad {
			if m, _ := ev.Message(); string(m) != "garbage" || !strings.Contains(string(ev.Target.Reason), "1 columns") {
				t.Errorf("unreadable: %q %s", m, ev.Target.Reason)
			}
			continue
		}
		if string(ev.Target.Index) != "log-aws-vpcflowlogs-2024-01" || len(ev.Target.ID) != 32 || !ev.Time.Equal(time.Unix(1705287660, 0)) {
			t.Fatalf("record %d: %s %s %v", i+1, ev.Target.Index, ev.Target.ID, ev.Time)
		}
	}
}

func TestTheSameRecordGetsTheSameIDAndEqualLinesAreTwoEvents(t *testing.T) {
	ids := map[string]int{}
	for range 2 {
		b := newBench(t, nil)
		var in []byte
		for i := range 10 {
			in = b.record(in, i+2, fmt.Sprintf(flow, 7))
		}
		out, _ := b.Process(nil, "siem.vpcflowlogs", in)
		for _, ev := range events(t, out) {
			ids[string(ev.Target.ID)]++
		}
	}
	if len(ids) != 10 {
		t.Errorf("%d ids for 10 records", len(ids))
	}
	for id, n := range ids {
		if n != 2 {
			t.Errorf("id %s was given %d times in 2 runs", id, n)
		}
	}
}

func TestExcludedRecordsGetTheirVerdictHere(t *testing.T) {
	b := newBench(t, nil)
	l := b.p.Leases.Open(b.credit)
	o := l.Add(lease.Source{Bucket: "b", Key: "elb", LogType: "alb"})
	l.Seal()
	if err := b.credit.Take(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	o.Read(1, 10)
	o.Seal(nil)
	in := event.AppendRecord(nil, time.Now(), event.Origin{Object: o.ID, Record: 1, Size: 10}, []byte("Enable AccessLog for ELB: app/x at 2025-05-30T16:47:00.781Z"))
	if out, changed := b.Process(nil, "siem.alb", in); len(out) != 0 || !changed {
		t.Errorf("%d bytes, changed %v", len(out), changed)
	}
	select {
	case <-l.Settled():
	default:
		t.Error("the excluded record has no verdict")
	}
	if b.credit.Used() != 0 {
		t.Errorf("credit %d", b.credit.Used())
	}
}

func TestRecordsOfALeaseThatEndedAreDropped(t *testing.T) {
	b := newBench(t, nil)
	in := b.record(nil, 2, fmt.Sprintf(flow, 1))
	b.lease.GiveBack(nil)
	if out, changed := b.Process(nil, "siem.vpcflowlogs", in); len(out) != 0 || !changed {
		t.Error("a record whose notification comes again was passed on")
	}
}

// A bug in the conversion costs the record that it befalls, and no other.
func TestAPanicCostsOneRecord(t *testing.T) {
	was := steps["vpcflowlogs"]
	t.Cleanup(func() { steps["vpcflowlogs"] = was })
	steps["vpcflowlogs"] = stepDef{was.from, was.slots, func(c *Converter, from []*source, slots []int) {
		if c.time.Year() == 2023 {
			panic("planted")
		}
		was.run(c, from, slots)
	}}
	b := newBench(t, nil)
	var in []byte
	for i := range 500 {
		line := fmt.Sprintf(flow, 1)
		if i == 321 {
			line = strings.Replace(line, "1705287660", "1673750000", 1)
		}
		in = b.record(in, i+2, line)
	}
	out, _ := b.Process(nil, "siem.vpcflowlogs", in)
	got := events(t, out)
	if len(got) != 500 {
		t.Fatalf("%d events of 500", len(got))
	}
	for i, ev := range got {
		if bad := i == 321; bad != (ev.Target.Op == event.OpUnreadable) || bad && !strings.Contains(string(ev.Target.Reason), "planted") {
			t.Errorf("record %d: %v %.80s", i+2, ev.Target.Op, ev.Target.Reason)
		}
	}
}

func TestRecordsOfOtherInputs(t *testing.T) {
	b := newBench(t, func(c *Config) { c.LogType = "alb" })
	line := `http 2018-07-02T22:23:00.186641Z app/lb/1 192.0.2.1:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - -`
	legacy := append([]byte{0x92}, msgp.AppendInt(nil, 1700000000)...)
	legacy = msgp.AppendMapHeader(legacy, 1)
	legacy = msgp.AppendString(msgp.AppendString(legacy, "log"), line)
	marker := []byte{0x92, 0x92, 0xd7, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x80, 0x80}
	in := append(append(append([]byte(nil), legacy...), marker...), legacy...)
	out, _ := b.Process(nil, "tail.0", in)
	got := events(t, out)
	if len(got) != 3 || !got[1].Group {
		t.Fatalf("%d events", len(got))
	}
	if string(got[0].Target.ID) == string(got[2].Target.ID) || string(got[0].Target.Index) != "log-aws-elb-2018-07" {
		t.Errorf("%s %s %s", got[0].Target.Index, got[0].Target.ID, got[2].Target.ID)
	}
	text, _, err := event.AppendJSON(nil, got[0].Record)
	if err != nil || !strings.Contains(string(text), `"source":{"address":"192.0.2.1"`) {
		t.Errorf("%s %v", text, err)
	}
	if got[0].HasOrigin {
		t.Error("it has an origin although no lease is open for it")
	}
}

func TestForeignEventsWithoutATypePassUnchanged(t *testing.T) {
	b := newBench(t, nil)
	in := append([]byte{0x92, 5}, 0x81, 0xa1, 'x', 0xa1, 'y')
	out, changed := b.Process(nil, "tail.0", in)
	if string(out) != string(in) || changed {
		t.Errorf("%x, changed %v", out, changed)
	}
}

func TestEmitDocumentAndRecordAreTheSame(t *testing.T) {
	var docs [2]string
	for i, emit := range []string{"record", "document"} {
		b := newBench(t, func(c *Config) { c.Emit = emit })
		out, _ := b.Process(nil, "siem.vpcflowlogs", b.record(nil, 2, fmt.Sprintf(flow, 1)))
		ev := events(t, out)[0]
		text, ok := ev.Document()
		if !ok {
			var err error
			if text, _, err = event.AppendJSON(nil, ev.Record); err != nil {
				t.Fatal(err)
			}
		}
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		delete(doc["event"].(map[string]any), "ingested")
		normal, _ := json.Marshal(doc)
		docs[i] = string(normal)
	}
	if docs[0] != docs[1] {
		t.Errorf("\n%s\n%s", docs[0], docs[1])
	}
}

// Whatever bytes a record has, it becomes exactly one thing, and what is
// written is JSON.
func FuzzConvert(f *testing.F) {
	p := process.New()
	e := &Engine{IDs: Content}
	c := e.NewConverter()
	f.Add("cloudtrail", []byte(`{"eventID":"1","eventTime":"2024-01-15T03:00:00Z","requestParameters":{"tags":"x","filter":[1.50],"a":{"b":[{},[]]}},"eventID":"2"}`))
	f.Add("alb", []byte(`http 2018-07-02T22:23:00.186641Z app/lb/1 [::1]:2817 - 0 0 0 200 - 34 366 "GET http://h:80/ HTTP/1.1" "ü" - -`))
	f.Add("vpcflowlogs", []byte("2 - eni 1.2.3.4 ::1 1 2 6 1 2 3 4 ACCEPT OK extra"))
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		lt := p.LogTypes.Set().Type(name)
		if lt == nil {
			return
		}
		o, err := c.Object(lt, lease.Source{Bucket: "b", Key: "k", Header: []byte("version account-id interface-id srcaddr dstaddr type")})
		if err != nil {
			t.Fatal(err)
		}
		if c.Convert(o, 1, nil, raw) != nil {
			return
		}
		doc := c.AppendJSON(nil)
		if !json.Valid(doc) {
			t.Fatalf("%q became %s", raw, doc)
		}
		text, rest, err := event.AppendJSON(nil, c.AppendMsgpack(nil))
		if err != nil || len(rest) > 0 || !json.Valid(text) {
			t.Fatalf("%q became %s: %v, %d bytes left", raw, text, err, len(rest))
		}
		if id := c.Target().ID; len(id) == 0 || strings.ContainsFunc(string(id), func(r rune) bool { return r < ' ' }) {
			t.Fatalf("id %q", id)
		}
	})
}
