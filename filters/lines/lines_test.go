package lines

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// read takes a line apart in one of the formats, as name=value texts.
func read(format, line string) []string {
	var r Row
	r.Reset()
	var message []byte
	var err error
	kind, option, _ := strings.Cut(format, " ")
	switch kind {
	case "cef":
		err = r.CEF([]byte(line))
	case "leef":
		err = r.LEEF([]byte(line), option)
	case "kv":
		err = r.Pairs([]byte(line), pairsOf[option])
	case "syslog":
		message, err = r.Syslog([]byte(line))
	}
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	var got []string
	for _, f := range r.Fields {
		got = append(got, fmt.Sprintf("%s=%s", f.Name, f.Value))
	}
	for _, d := range r.Data {
		got = append(got, fmt.Sprintf("[%s]%s=%s", d.Element, d.Name, d.Value))
	}
	if kind == "syslog" {
		got = append(got, "> "+string(message))
	}
	return got
}

var pairsOf = map[string]Pairs{
	"comma": {Separator: ","}, "colon": {Separator: "; ", Assign: ": "}, "single": {Quotes: `"'`}, "arrow": {Assign: "=>"}, "wide": {Assign: ": "},
}

func TestLines(t *testing.T) {
	head := func(fields string) string {
		return "cef_version=0|cef_device_vendor=V|cef_device_product=P|cef_device_version=1|cef_device_event_class_id=100|cef_name=N|cef_severity=5" + fields
	}
	for _, c := range []struct{ name, format, line, want string }{
		{"CEF", "cef", `CEF:0|V|P|1|100|N|5|src=203.0.113.7 msg=a long message dst=198.51.100.1`, head(`|src=203.0.113.7|msg=a long message|dst=198.51.100.1`)},
		{"CEF, no extension", "cef", `CEF:0|V|P|1|100|N|5`, head(``)},
		{"CEF, an empty one", "cef", `CEF:0|V|P|1|100|N|5|`, head(``)},
		{"CEF behind a head", "cef", `<34>Oct 11 22:14:15 host CEF: 0|V|P|1|100|N|5|a=b`, head(`|a=b`)},
		{"CEF, escapes", "cef", `CEF:0|V|P|1|100|N|5|request=http://x/?a\=b&c\=d path=c:\\new msg=one\ntwo\rthree bar=x|y end=\\`, head("|request=http://x/?a=b&c=d|path=c:\\new|msg=one\ntwo\rthree|bar=x|y|end=\\")},
		{"CEF, backslashes that nobody escaped", "cef", `CEF:0|V|P|1|100|N|5|a=c:\windows\new.dll b=c:\new c=\d+`, head(`|a=c:\windows\new.dll|b=c:\new|c=\d+`)},
		{"CEF, escapes in the header", "cef", `CEF:0|V\|W|P\\|1|1=2|N|5|a=b`, `cef_version=0|cef_device_vendor=V|W|cef_device_product=P\|cef_device_version=1|cef_device_event_class_id=1=2|cef_name=N|cef_severity=5|a=b`},
		{"CEF, = in values", "cef", `CEF:0|V|P|1|100|N|5|a=N/B=C d=abc== e=x (f=g) h==`, head(`|a=N/B=C|d=abc==|e=x (f=g)|h==`)},
		{"CEF, no value", "cef", `CEF:0|V|P|1|100|N|5|a= b=  c=d`, head(`|c=d`)},
		{"CEF, labels", "cef", `CEF:0|V|P|1|100|N|5|cs1Label=My Label cs1=x y cn1=3 cn1Label=Count c6a1Label=alone cs2=z`, head(`|My Label=x y|Count=3|c6a1Label=alone|cs2=z`)},
		{"CEF, a label that is taken", "cef", `CEF:0|V|P|1|100|N|5|src=a cs1=x cs1Label=src`, head(`|src=a|cs1=x|cs1Label=src`)},
		{"CEF, no severity", "cef", `CEF: 0|V|P|1|100|N|rt=1 msg=a|b`, strings.TrimSuffix(head(``), "|cef_severity=5") + `|rt=1|msg=a|b`},
		{"CEF, a short header", "cef", `CEF:0|vendor|product1|version`, "error: invalid cef file: its header has less than six parts"},
		{"no CEF", "cef", `XCEF:0|a|b|c CEF:x`, "error: invalid cef file"},
		{"keys with dots and brackets", "cef", `CEF:0|V|P|1|100|N|5|ad.user[0]=x .a=1 b..c=2`, head(`|ad.user[0]=x .a=1 b..c=2`)},

		{"LEEF 1.0", "leef", "<13>Jan 18 11:07:53 192.168.1.1 LEEF:1.0|Microsoft|MSExchange|4.0 SP1|15345|src=192.0.2.0\tdst=172.50.123.1\tmsg=a=b c=d\tflag", "leef_version=1.0|leef_vendor=Microsoft|leef_product=MSExchange|leef_product_version=4.0 SP1|leef_event_id=15345|src=192.0.2.0|dst=172.50.123.1|msg=a=b c=d\tflag"},
		{"LEEF 2.0", "leef", `LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=10.0.1.8^dst=10.0.0.5^sev=5^srcPort=81^`, `leef_version=2.0|leef_vendor=Lancope|leef_product=StealthWatch|leef_product_version=1.0|leef_event_id=41|src=10.0.1.8|dst=10.0.0.5|sev=5|srcPort=81`},
		{"LEEF 2.0, by number", "leef", `LEEF:2.0|V|P|1|41|0x7C|a=1|b=2`, `leef_version=2.0|leef_vendor=V|leef_product=P|leef_product_version=1|leef_event_id=41|a=1|b=2`},
		{"LEEF 2.0, by a short number", "leef", "LEEF:2.0|V|P|1|41|x09|a=1\tb=2", `leef_version=2.0|leef_vendor=V|leef_product=P|leef_product_version=1|leef_event_id=41|a=1|b=2`},
		{"LEEF 2.0, beyond ASCII", "leef", `LEEF:2.0|V|P|1|41|xA6|a=1¦b=2`, `leef_version=2.0|leef_vendor=V|leef_product=P|leef_product_version=1|leef_event_id=41|a=1|b=2`},
		{"LEEF 2.0, no delimiter", "leef", "LEEF:2.0|V|P|1|41||a=1\tb=2", `leef_version=2.0|leef_vendor=V|leef_product=P|leef_product_version=1|leef_event_id=41|a=1|b=2`},
		{"LEEF 2.0, its part missing", "leef", "LEEF:2.0|V|P|1|41|a=1\tb=2|3", `leef_version=2.0|leef_vendor=V|leef_product=P|leef_product_version=1|leef_event_id=41|a=1|b=2|3`},
		{"LEEF with blanks", "leef", "LEEF:1.0|V|P|1|41|a=1 b=two words c=3", `leef_version=1.0|leef_vendor=V|leef_product=P|leef_product_version=1|leef_event_id=41|a=1|b=two words|c=3`},
		{"LEEF, a product's own", "leef ;", "LEEF:1.0|V|P|1|41|a=1;b=2", `leef_version=1.0|leef_vendor=V|leef_product=P|leef_product_version=1|leef_event_id=41|a=1|b=2`},
		{"LEEF, a short header", "leef", "LEEF:1.0|V|P|1", "error: invalid leef file: its header has less than five parts"},
		{"no LEEF", "leef", "CEF:0|V", "error: invalid leef file"},

		{"logfmt", "kv", `ts=2024-06-15T12:00:00Z level=info msg="a \"b\" c\nd" empty="" flag n=1`, "ts=2024-06-15T12:00:00Z|level=info|msg=a \"b\" c\nd|n=1"},
		{"a firewall", "kv", `<189>date=2019-05-10 time=11:37:47 devname="FG T" path="C:\Users\new" url="http://x/?a=b" eventtime=1557513467369913239`, `date=2019-05-10|time=11:37:47|devname=FG T|path=C:\Users\new|url=http://x/?a=b|eventtime=1557513467369913239`},
		{"quotes inside", "kv", `msg="a"b"c" x=1 open="a b`, `msg=a"b"c|x=1|open="a`},
		{"commas", "kv comma", `a=1, b = "x, y",c=two words,d,e=`, `a=1|b=x, y|c=two words`},
		{"other signs", "kv colon", `user: bob; msg: a: b; c`, `user=bob|msg=a: b`},
		{"a blank in the sign", "kv wide", `user: bob name: ann`, `user=bob|name=ann`},
		{"another quote", "kv single", `a='b c' d="e'f"`, `a=b c|d=e'f`},
		{"arrows", "kv arrow", `a=>b c=>d=e`, `a=b|c=d=e`},
		{"no pairs", "kv", `hello world`, "error: no key=value in it"},

		{"RFC 3164", "syslog", `<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed`, `syslog_priority=34|syslog_facility=auth|syslog_facility_code=4|syslog_severity=crit|syslog_severity_code=2|syslog_timestamp=Oct 11 22:14:15|syslog_hostname=mymachine|syslog_program=su|syslog_pid=230|> 'su root' failed`},
		{"a file", "syslog", `Jan  2 03:04:05 web-1 kernel: [ 12.3] up: now`, `syslog_timestamp=Jan  2 03:04:05|syslog_hostname=web-1|syslog_program=kernel|> [ 12.3] up: now`},
		{"rsyslog", "syslog", `2024-02-29T23:59:59.123456+09:00 web-1 sshd(pam_unix)[7]: x`, `syslog_timestamp=2024-02-29T23:59:59.123456+09:00|syslog_hostname=web-1|syslog_program=sshd(pam_unix)|syslog_pid=7|> x`},
		{"IPv4", "syslog", `<13>Feb 29 00:00:00 192.0.2.1 CEF:0|V|P|1|2|N|5|`, `syslog_priority=13|syslog_facility=user|syslog_facility_code=1|syslog_severity=notice|syslog_severity_code=5|syslog_timestamp=Feb 29 00:00:00|syslog_hostname=192.0.2.1|> CEF:0|V|P|1|2|N|5|`},
		{"IPv6", "syslog", `Feb 29 00:00:00 2001:db8:: app: x`, `syslog_timestamp=Feb 29 00:00:00|syslog_hostname=2001:db8::|syslog_program=app|> x`},
		{"IPv6 in brackets", "syslog", `Feb 29 00:00:00 [2001:db8::1] x`, `syslog_timestamp=Feb 29 00:00:00|syslog_hostname=2001:db8::1|> x`},
		{"no host", "syslog", `<191>Feb 29 00:00:00 app[1]: x`, `syslog_priority=191|syslog_facility=local7|syslog_facility_code=23|syslog_severity=debug|syslog_severity_code=7|syslog_timestamp=Feb 29 00:00:00|syslog_program=app|syslog_pid=1|> x`},
		{"no program", "syslog", `Feb 29 00:00:00 host last message repeated 2 times`, `syslog_timestamp=Feb 29 00:00:00|syslog_hostname=host|> last message repeated 2 times`},
		{"JSON", "syslog", `Feb 29 00:00:00 host {"a": "b:c"}`, `syslog_timestamp=Feb 29 00:00:00|syslog_hostname=host|> {"a": "b:c"}`},
		{"pairs without a time", "syslog", `<189>date=2019-05-10 x=y`, `syslog_priority=189|syslog_facility=local7|syslog_facility_code=23|syslog_severity=notice|syslog_severity_code=5|> date=2019-05-10 x=y`},
		{"Cisco ASA", "syslog", `<166>Jul 10 2024 10:11:12: %ASA-6-302013: Built`, `syslog_priority=166|syslog_facility=local4|syslog_facility_code=20|syslog_severity=info|syslog_severity_code=6|syslog_timestamp=Jul 10 2024 10:11:12|syslog_program=%ASA-6-302013|> Built`},
		{"Cisco IOS", "syslog", `<189>38: *Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: Configured`, `syslog_priority=189|syslog_facility=local7|syslog_facility_code=23|syslog_severity=notice|syslog_severity_code=5|syslog_timestamp=Mar  1 18:46:11.123|syslog_program=%SYS-5-CONFIG_I|> Configured`},
		{"RFC 5424", "syslog", `<165>1 2003-10-11T22:14:15.003Z host.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App \"x\" \]"][priority@32473 class="high"] ` + "\xef\xbb\xbf" + `An event`, `syslog_priority=165|syslog_facility=local4|syslog_facility_code=20|syslog_severity=notice|syslog_severity_code=5|syslog_timestamp=2003-10-11T22:14:15.003Z|syslog_hostname=host.example.com|syslog_program=evntslog|syslog_msgid=ID47|[exampleSDID@32473]iut=3|[exampleSDID@32473]eventSource=App "x" ]|[priority@32473]class=high|> An event`},
		{"RFC 5424, nothing", "syslog", `<0>1 - - - - - -`, `syslog_priority=0|syslog_facility=kern|syslog_facility_code=0|syslog_severity=emerg|syslog_severity_code=0|> `},
		{"RFC 5424, no data", "syslog", `<0>1 - h a 1 m [not data`, `syslog_priority=0|syslog_facility=kern|syslog_facility_code=0|syslog_severity=emerg|syslog_severity_code=0|syslog_hostname=h|syslog_program=a|syslog_pid=1|syslog_msgid=m|> [not data`},
		{"counted", "syslog", `47 <34>Oct 11 22:14:15 h su: x`, `syslog_priority=34|syslog_facility=auth|syslog_facility_code=4|syslog_severity=crit|syslog_severity_code=2|syslog_timestamp=Oct 11 22:14:15|syslog_hostname=h|syslog_program=su|> x`},
		{"no syslog", "syslog", `<192>x`, "error: " + ErrSyslog.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(read(c.format, c.line), "|"); got != c.want {
				t.Errorf("%s\ngot  %q\nwant %q", c.line, got, c.want)
			}
		})
	}
}

func TestFieldsAreBounded(t *testing.T) {
	many := strings.Repeat(" a=1", MaxFields+1)
	for format, line := range map[string]string{
		"cef": "CEF:0|V|P|1|2|N|5|" + many, "leef": "LEEF:2.0|V|P|1|2| |" + many, "kv": many,
		"syslog": "<1>1 - - - - - [a" + strings.Repeat(` a="1"`, MaxFields+1) + "] x",
	} {
		var r Row
		r.Reset()
		switch format {
		case "cef":
			_ = r.CEF([]byte(line))
		case "leef":
			_ = r.LEEF([]byte(line), "")
		case "kv":
			_ = r.Pairs([]byte(line), Pairs{})
		case "syslog":
			_, _ = r.Syslog([]byte(line))
		}
		if n := len(r.Fields) + len(r.Data); n != MaxFields || !r.Cut {
			t.Errorf("%s: %d fields, cut %v", format, n, r.Cut)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var r Row
	cef := []byte(`Oct 11 22:14:15 host CEF:0|V\|W|P|1|2|N|5|src=1.2.3.4 request=a\=b cs1=x cs1Label=y`)
	leef := []byte("LEEF:2.0|V|P|1|2|x5E|a=1^b=2")
	pairs := []byte(`a=1 b="x \"y\""`)
	sys := []byte(`<34>1 2003-10-11T22:14:15.003Z h a 1 m [x y="z\""] m`)
	if n := testing.AllocsPerRun(100, func() {
		r.Reset()
		_ = r.CEF(cef)
		_ = r.LEEF(leef, "")
		_ = r.Pairs(pairs, Pairs{})
		_, _ = r.Syslog(sys)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestUnescapeLeavesTheLineAlone(t *testing.T) {
	line := []byte(`CEF:0|V|P|1|2|N|5|a=b\=c`)
	before := bytes.Clone(line)
	var r Row
	if err := r.CEF(line); err != nil || !bytes.Equal(line, before) {
		t.Errorf("%v, %s", err, line)
	}
}
