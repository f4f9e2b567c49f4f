package ecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

const ownType = "name: own\nkey: own/\nprovider: none\nindex: {name: log-own}\n"

// TestLinesThatNameTheirFields: each format makes fields that a mapping can name,
// alone, in syslog, and in JSON that an agent wrapped around it.
func TestLinesThatNameTheirFields(t *testing.T) {
	for _, c := range []struct {
		name, file, object string
		want               map[string]string
	}{
		{"CEF", "format: cef\ntime: [{field: rt, layout: epoch}]\necs: {source.ip: src, rule.name: cef_name, event.severity: cef_severity, host.id: Host ID}\n",
			`Nov 23 10:15:32 h CEF:0|V|P|1|100|A\|B|5|rt=1706745601000 src=203.0.113.7 cn1=7 cn1Label=Host ID request=x\=y`,
			map[string]string{"@timestamp": "2024-02-01T00:00:01Z", "source.ip": "203.0.113.7", "rule.name": "A|B", "event.severity": "5", "host.id": "7", "request": "x=y", "cef_device_vendor": "V", "syslog_hostname": ""}},
		{"no CEF", "format: cef\n", `what?`, map[string]string{"error.message": "invalid cef file", "@message": "what?"}},
		{"LEEF", "format: leef\necs: {source.ip: src, user.name: usrName}\n", "LEEF:2.0|V|P|1|100|^|src=203.0.113.7^usrName=bob b",
			map[string]string{"source.ip": "203.0.113.7", "user.name": "bob b", "leef_event_id": "100"}},
		{"LEEF of a product", "format: leef\nleef: {separator: ';'}\n", "LEEF:1.0|V|P|1|100|src=203.0.113.7;usrName=bob b", map[string]string{"usrName": "bob b"}},
		{"pairs", "format: kv\nkv: {separator: ','}\necs: {source.ip: srcip}\n", `srcip=203.0.113.7, msg="a, b"`, map[string]string{"source.ip": "203.0.113.7", "msg": "a, b"}},
		{"syslog", "format: syslog\ntime: [{field: syslog_timestamp, layout: syslog, zone: '+09:00'}]\necs: {host.name: syslog_hostname, log.level: syslog_severity, process.pid: syslog_pid, x.y: 'syslog_data.a@1.b'}\n",
			`<34>1 2024-02-29T00:00:00+01:00 web-1 su 7 - [a@1 b="c"] hello`,
			map[string]string{"@timestamp": "2024-02-28T23:00:00Z", "host.name": "web-1", "log.level": "crit", "process.pid": "7", "message": "hello", "x.y": "c"}},
		{"older syslog", "format: syslog\ntime: [{field: syslog_timestamp, layout: syslog, zone: '+09:00'}]\n", "<34>Feb 29 00:00:00 web-1 su[7]: hello",
			map[string]string{"@timestamp": "2024-02-28T15:00:00Z", "syslog_hostname": "web-1", "message": "hello"}},
		{"CEF in syslog", "format: syslog\nsyslog: {message: cef}\n", "<34>Feb 29 00:00:00 web-1 CEF:0|V|P|1|100|N|5|act=x",
			map[string]string{"syslog_hostname": "web-1", "cef_name": "N", "act": "x", "message": ""}},
		{"CEF without syslog", "format: syslog\nsyslog: {message: cef}\n", "CEF:0|V|P|1|100|N|5|act=x", map[string]string{"cef_name": "N", "act": "x"}},
		{"LEEF in syslog", "format: syslog\nsyslog: {message: leef}\n", "<34>Feb 29 00:00:00 web-1 LEEF:1.0|V|P|1|100|a=b\tc=d", map[string]string{"syslog_hostname": "web-1", "a": "b", "c": "d"}},
		{"pairs in syslog", "format: syslog\nsyslog: {message: kv}\nkv: {quotes: \"'\"}\n", "<34>Feb 29 00:00:00 web-1 app: a='b c'", map[string]string{"syslog_program": "app", "a": "b c"}},
		{"JSON in syslog", "format: syslog\nsyslog: {message: json}\nrename: {z: y}\n", `<34>1 - web-1 app - - - {"a":{"b":"c"},"y":"x","message":"m"}`,
			map[string]string{"syslog_program": "app", "a.b": "c", "z": "x", "message": "m"}},
		{"text where JSON is expected", "format: syslog\nsyslog: {message: json}\n", `<34>1 - web-1 app - - - restarted`,
			map[string]string{"syslog_program": "app", "message": "restarted", "error.message": "the message is not a JSON object"}},
		{"text where CEF is expected", "format: syslog\nsyslog: {message: cef}\n", `<34>1 - web-1 app - - - CEF:0|a|b`,
			map[string]string{"syslog_program": "app", "message": "CEF:0|a|b", "cef_version": "", "error.message": "invalid cef file: its header has less than six parts"}},
		{"wrapped", "format: syslog\nsyslog: {message: cef}\nwrapped: message\necs: {host.name: fluent_hostname}\n", `{"message":"CEF:0|V|P|1|100|N|5|act=\"x\"","fluent_hostname":"web-2"}`,
			map[string]string{"act": `"x"`, "host.name": "web-2", "message": "", "@message": `{"message":"CEF:0|V|P|1|100|N|5|act=\"x\"","fluent_hostname":"web-2"}`}},
		{"wrapped JSON", "format: syslog\nsyslog: {message: json}\nwrapped: log\n", `{"log":"<1>1 - h a - - - {\"b\":\"c\"}","n":"2"}`, map[string]string{"b": "c", "n": "2", "syslog_hostname": "h"}},
		{"not wrapped", "format: kv\nwrapped: log\n", `a=b`, map[string]string{"a": "b"}},
		{"wrapped, but no line", "format: kv\nwrapped: log\n", `{"n":"1"}`, map[string]string{"n": "1", "error.message": "no line in field log"}},
		{"wrapped, but no pairs", "format: kv\nwrapped: log\n", `{"n":"1","log":"x"}`, map[string]string{"n": "1", "message": "x", "error.message": "no key=value in it"}},
		{"in CloudWatch Logs", "format: cef\n", `{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1706745601000,"message":"CEF:0|V|P|1|100|N|5|act=x"}]}`,
			map[string]string{"act": "x", "@log_group": "g", "@timestamp": "2024-02-01T00:00:01Z"}},
		{"more fields than an index takes", "format: kv\nraw: drop\necs: {x.y: b}\n", strings.Repeat("a=1 ", 1000) + "b=1", map[string]string{"x.y": "", "error.message": "the line has more than 1000 fields; the others are in @message only"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			docs, failed := convertAll(t, ownType+c.file, "own/1", c.object+"\n")
			if len(docs) != 1 || len(failed) > 0 {
				t.Fatalf("%d documents, %v", len(docs), failed)
			}
			wantAt(t, docs[0], c.want)
		})
	}
	for file, object := range map[string]string{"format: kv\n": "hello", "format: syslog\n": "hello", "format: kv\nwrapped: log\n": `{"a":`} {
		if docs, failed := convertAll(t, ownType+file, "own/1", object+"\n"); len(docs) != 0 || len(failed) != 1 {
			t.Errorf("%s%s: %v, %v; want it unreadable", file, object, docs, failed)
		}
	}
}

// TestYearOfTheObject: a time without a year has that of the object it stands in,
// at the turn of a year, too.
func TestYearOfTheObject(t *testing.T) {
	lt, err := parseType(t, ownType+"format: syslog\ntime: [{field: syslog_timestamp, layout: syslog}]\n")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		key, stored, line, want string
	}{
		{"own/x", "2022-01-01T00:05:00Z", "Dec 31 23:59:59", "2021-12-31T23:59:59Z"},
		{"own/x", "2021-12-31T23:59:00Z", "Jan  1 00:01:00", "2022-01-01T00:01:00Z"},
		{"own/x", "2022-01-01T00:05:00Z", "Jan  1 00:04:00", "2022-01-01T00:04:00Z"},
		{"own/20210301T0000Z.log", "2022-01-01T00:05:00Z", "Feb 28 10:00:00", "2021-02-28T10:00:00Z"},
		{"own/20210301T0000Z.log", "", "Feb 29 10:00:00", "2020-02-29T10:00:00Z"},
		{"own/x", "", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
		{"own/x", "2022-01-01T00:05:00Z", "Jan  1 2019 00:04:00", "2019-01-01T00:04:00Z"},
		{"own/x", "2022-01-01T00:05:00Z", "2018-02-03T04:05:06.5-03:30", "2018-02-03T07:35:06.5Z"},
	} {
		e := &Engine{Now: func() time.Time { return now }}
		conv := e.NewConverter()
		stored, _ := time.Parse(time.RFC3339, c.stored)
		o, err := conv.Object(lt, lease.Source{Bucket: "b", Key: c.key, EventTime: stored})
		if err == nil {
			err = conv.Convert(o, 1, nil, []byte(c.line+" host app: x"))
		}
		if got := string(appendTime(nil, conv.Time())); err != nil || got != c.want {
			t.Errorf("%s in %s of %q: %s, %v; want %s", c.line, c.key, c.stored, got, err, c.want)
		}
	}
}

// TestLinesAreChecked: what does not belong to a format is said.
func TestLinesAreChecked(t *testing.T) {
	for file, want := range map[string]string{
		"format: cef\nkv: {separator: ','}\n":               "kv: does not belong to format cef",
		"format: json\nwrapped: log\n":                      "wrapped: does not belong",
		"format: syslog\nsyslog: {message: pattern}\n":      `syslog.message: "pattern"; use cef`,
		"format: kv\nkv: {separator: '=', assign: '='}\n":   "kv.assign",
		"format: leef\nleef: {separator: 'abcde'}\n":        "leef.separator",
		"format: syslog\nleef: {separator: '^'}\n":          "leef: does not belong",
		"format: kv\nsyslog: {message: kv}\n":               "syslog: does not belong",
		"format: syslog\nsyslog: {messages: kv}\n":          "messages",
		"format: kv\nkv: {separator: ','}\nwrapped: [a]\n":  "wrapped",
		"format: syslog\nsyslog: {message: kv}\nkv: {a: b}": "\"a\"",
	} {
		if _, err := parseType(t, ownType+file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}

// lineTypes are lines of usual length, for the benchmark.
var lineTypes = []struct{ name, file, line string }{
	{"cef", "format: cef\ntime: [{field: rt, layout: epoch}]\necs: {source.ip: src, destination.ip: dst, event.action: act, rule.name: cef_name, event.severity: cef_severity, network.transport: proto}\nstatic: {event.kind: event}\n",
		`CEF:0|Trend Micro|Deep Security Agent|10.2.229|1001111|Test Intrusion Prevention Rule|3|rt=1706745601000 cn1=1 cn1Label=Host ID dvchost=dsa-host01 dmac=00:50:56:F5:7F:47 smac=00:0C:29:EB:35:DE TrendMicroDsFrameType=IP src=192.168.126.150 dst=72.14.204.105 out=1093 cs3=DF MF cs3Label=Fragmentation Bits proto=TCP spt=49786 dpt=80 cs2=0x00 ACK PSH cs2Label=TCP Flags cnt=1 act=IDS:Reset cn3=10 cn3Label=Intrusion Prevention Packet Position cs5=10 cs5Label=Intrusion Prevention Stream Position cs6=8 cs6Label=Intrusion Prevention Flags`},
	{"leef", "format: leef\necs: {source.ip: src, destination.ip: dst, user.name: usrName, event.code: leef_event_id}\n",
		"LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=10.0.1.8^dst=10.0.0.5^sev=5^srcPort=81^dstPort=21^proto=TCP^usrName=bob^cat=anomaly^msg=a message of usual length with some words"},
	{"kv", "format: kv\ntime: [{field: eventtime, layout: epoch}]\necs: {source.ip: srcip, destination.ip: dstip, source.port: srcport, destination.port: dstport, event.action: action, rule.id: policyid}\n",
		`date=2019-05-10 time=11:37:47 logid="0000000013" type="traffic" subtype="forward" level="notice" vd="vdom1" eventtime=1557513467369913239 srcip=10.1.100.11 srcport=58012 srcintf="port12" srcintfrole="undefined" dstip=23.59.154.35 dstport=80 dstintf="port11" dstintfrole="undefined" srcuuid="ae28f494-5735-51e9-f247-d1d2ce663f4b" poluuid="ccb269e0-5735-51e9-a218-a397dd08b7eb" sessionid=105048 proto=6 action="close" policyid=1 policytype="policy" service="HTTP" dstcountry="Canada" srccountry="Reserved" trandisp="snat" transip=172.16.200.2 transport=58012 appid=34050 app="HTTP.BROWSER_Firefox" appcat="Web.Client" apprisk="elevated" duration=116 sentbyte=1188 rcvdbyte=1224`},
	{"syslog-3164", "format: syslog\ntime: [{field: syslog_timestamp, layout: syslog}]\necs: {host.name: syslog_hostname, process.name: syslog_program, process.pid: syslog_pid}\n",
		`<86>Oct 11 22:14:15 web-1 sshd[2301]: Accepted publickey for deploy from 203.0.113.7 port 52022 ssh2: RSA SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG`},
	{"syslog-5424", "format: syslog\ntime: [{field: syslog_timestamp, layout: syslog}]\necs: {host.name: syslog_hostname, process.name: syslog_program, process.pid: syslog_pid}\n",
		`<165>1 2003-10-11T22:14:15.003Z host.example.com evntslog 42 ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] An application event log entry of usual length`},
	{"syslog-cef", "format: syslog\nsyslog: {message: cef}\necs: {source.ip: src, host.name: syslog_hostname}\n",
		`<13>Nov 23 10:15:32 dsa-host01 CEF:0|Trend Micro|Deep Security Manager|0.0.0|600|User Signed In|3|src=10.52.116.160 suser=admin target=admin msg=User signed in from 2001:db8::5`},
	{"syslog-json", "format: syslog\nsyslog: {message: json}\necs: {source.ip: client.ip, host.name: syslog_hostname}\n",
		`<13>1 2003-10-11T22:14:15.003Z h app 42 - - {"client":{"ip":"203.0.113.7","port":443},"status":200,"path":"/a/b/c","user":"bob","duration":0.12}`},
}

// BenchmarkLines measures the formats of lines that name their fields, records to
// documents. The goal is 20,000 events/s or 30 MB/s of one core.
func BenchmarkLines(b *testing.B) {
	for _, c := range lineTypes {
		b.Run(c.name, func(b *testing.B) {
			lt, err := parseType(b, ownType+c.file)
			if err != nil {
				b.Fatal(err)
			}
			conv := (&Engine{IDs: Natural}).NewConverter()
			o, err := conv.Object(lt, lease.Source{Bucket: "b", Key: "own/x"})
			if err != nil {
				b.Fatal(err)
			}
			line := []byte(c.line)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			var out []byte
			n := uint64(0)
			for b.Loop() {
				if err := conv.Convert(o, n, nil, line); err != nil {
					b.Fatal(err)
				}
				out = conv.AppendJSON(out[:0])
				n++
			}
			if bytes.Contains(out, []byte(`"error"`)) {
				b.Fatalf("%s", out)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// parseType reads a type as an operator's directory would have it.
func parseType(t testing.TB, file string) (*logtype.Type, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := logtype.NewRegistry()
	if err == nil {
		err = r.Load(dir)
	}
	if err == nil {
		err = r.AddCheck(Check)
	}
	if err != nil {
		return nil, err
	}
	return r.Set().Type("own"), nil
}

// FuzzLines: whatever a line holds, each of the formats refuses it with a reason
// or makes a document of it, and the record is in it whole.
func FuzzLines(f *testing.F) {
	var types []*logtype.Type
	for i, c := range lineTypes {
		lt, err := parseType(f, ownType+c.file+"wrapped: log\n")
		if err != nil {
			f.Fatal(err)
		}
		types = append(types, lt)
		f.Add(uint8(i), []byte(c.line))
		f.Add(uint8(i), fmt.Appendf(nil, `{"log":%q,"a":{"b":1}}`, c.line))
	}
	conv := (&Engine{IDs: Natural}).NewConverter()
	f.Fuzz(func(t *testing.T, kind uint8, line []byte) {
		lt := types[int(kind)%len(types)]
		o, err := conv.Object(lt, lease.Source{Bucket: "b", Key: "own/x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := conv.Convert(o, 1, nil, line); err != nil {
			if err.Error() == "" {
				t.Errorf("%q is refused without a reason", line)
			}
			return
		}
		doc := conv.AppendJSON(nil)
		text, rest, err := event.AppendJSON(nil, conv.AppendMsgpack(nil))
		if err != nil || len(rest) > 0 || !json.Valid(doc) || !json.Valid(text) {
			t.Fatalf("%q became %s, or %s: %v, %d bytes left", line, doc, text, err, len(rest))
		}
		var d struct {
			Message string `json:"@message"`
		}
		if err := json.Unmarshal(doc, &d); err != nil || utf8.Valid(line) && d.Message != string(bytes.TrimSpace(line)) {
			t.Errorf("%q: @message is %q, %v", line, d.Message, err)
		}
	})
}
