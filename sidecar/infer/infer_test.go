package infer

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestPropose(t *testing.T) {
	for name, c := range map[string]struct {
		sample string
		format string
		want   []string // lines of the YAML
		not    []string
	}{
		"values one after another": {`{"ts":1718452860,"src_ip":"203.0.113.7","user":{"name":"bob"},"n":5}` + "\n" + `{"ts":1718452861,"src_ip":"203.0.113.8"}`, "JSON",
			[]string{"format: json", "  - {field: ts, layout: epoch}", "  source.ip: src_ip", "  user.name: user.name", "geo: [source]"}, []string{"records:"}},
		"pretty, a list in an object": {"{\n \"events\": [\n  {\"eventTime\": \"2024-06-15T12:00:00Z\",\n \"id\": \"11111111-2222-3333-4444-555555555555\"}\n ]\n}", "JSON, list events",
			[]string{"records: events", "  - {field: eventTime, layout: iso8601}", "id: {field: id}", "  event.id: id"}, nil},
		"a list":             {`[{"time":"2024-06-15 12:00:00","message":"x"}]`, "JSON", []string{"  - {field: time, layout: iso8601}", "  message: message"}, nil},
		"a name is no proof": {`{"src_ip":"unknown","port":"ssh","status":"fine","n":1718452860}`, "JSON", nil, []string{"source.ip", "destination.port", "status_code", "outcome", "time:"}},
		"an address by its value": {`{"weird":"203.0.113.7"}`, "JSON",
			[]string{"  source.ip: weird"}, nil},
		"a header": {"date;Source IP;Destination-Port;bytes\n2024/06/15 12:00:00;203.0.113.7;443;12\n2024/06/15 12:00:01;203.0.113.8;443;12\n", "separated values with a header",
			[]string{"  header: true", "  separator: ';'", "  - {field: date, layout: '2006/01/02 15:04:05'}", "  source.ip: Source IP", "  destination.port: Destination_Port", "  network.bytes: bytes"}, nil},
		"tabs without a header": {"2024-06-15T12:00:00Z\t203.0.113.7\tGET\t/a b\n2024-06-15T12:00:01Z\t203.0.113.8\tPOST\t/c d\n", "separated values",
			[]string{"  names: [timestamp, src_ip, method, url]", `  separator: "\t"`, "  url.path: url"}, []string{"header: true"}},
		"a date and a time": {"2024-06-15 12:00:00 203.0.113.7 198.51.100.1 ACCEPT\n2024-06-15 12:00:01 203.0.113.8 198.51.100.1 REJECT\n", "columns",
			[]string{"  merge: [{columns: [date, time_of_day], into: timestamp}]", "  destination.ip: dst_ip", "  event.action: action", "  event.category: [network]"}, nil},
		"address and port": {"t1 203.0.113.7:4711 [2001:db8::1]:443 \"GET /x HTTP/1.1\" ok\nt2 203.0.113.7:4711 [2001:db8::1]:443 \"GET /y HTTP/1.1\" ok\n", "columns",
			[]string{"  quote: '\"'", "  source.port: src_port", "  destination.ip: dst_ip", "  http.request.method: http_method"}, nil},
		"W3C": {"#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(User-Agent)\n2024-06-15 12:00:00 203.0.113.7 GET /x 404 curl\n", "columns, W3C extended",
			[]string{"control_lines: ^#", "  header_prefix: '#Fields:'", "  default: [date, time, c_ip, cs_method, cs_uri_stem, sc_status, cs_User_Agent]", "  http.response.status_code: sc_status", "user_agent: user_agent"}, nil},
		"access log": {"203.0.113.7 - bob [15/Jun/2024:12:00:00 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"curl\"\n", "access log",
			[]string{"format: access", "  source.ip: remotehost", "  user.name: authuser"}, nil},
		"syslog": {"<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed\n", "syslog",
			[]string{"format: syslog", "  - {field: syslog_timestamp, layout: syslog}", "  process.pid: syslog_pid", "  host.name: syslog_hostname", "  message: message"}, []string{"syslog_priority"}},
		"newer syslog": {"<165>1 2003-10-11T22:14:15.003Z host.example.com evntslog 42 ID47 [x@1 a=\"b\"] An event\n", "syslog",
			[]string{"format: syslog", "  - {field: syslog_timestamp, layout: syslog}", "  process.name: syslog_program", "  log.level: syslog_severity"}, []string{"no zone"}},
		"JSON in syslog": {"<165>1 2003-10-11T22:14:15.003Z host.example.com app 42 - - {\"client\":{\"ip\":\"203.0.113.7\"},\"status\":200}\n", "JSON in syslog",
			[]string{"syslog: {message: json}", "  source.ip: client.ip", "  http.response.status_code: status", "  process.name: syslog_program"}, nil},
		"pairs in syslog": {"Oct 11 22:14:15 fw-1 fw: src=203.0.113.7,dst=198.51.100.1,user=bob,action=deny\n", "key=value in syslog",
			[]string{"syslog: {message: kv}", "kv: {separator: ','}", "  source.ip: src", "  host.name: syslog_hostname", "  event.action: action"}, nil},
		"CEF": {"CEF:0|V|P|1|100|Name|5|src=203.0.113.7 spt=1 dst=198.51.100.1 suser=bob act=blocked rt=1718452860000\n", "CEF",
			[]string{"format: cef", "  source.ip: src", "  source.port: spt", "  user.name: suser", "  event.action: act", "  - {field: rt, layout: epoch}", "  observer.vendor: cef_device_vendor", "  rule.name: cef_name", "  event.code: cef_device_event_class_id", "  event.severity: cef_severity"}, nil},
		"CEF in syslog": {"Nov 23 10:15:32 host-1 CEF:0|V|P|1|100|Name|5|src=203.0.113.7 cs1Label=User cs1=bob b\n", "CEF in syslog",
			[]string{"format: syslog", "syslog: {message: cef}", "  - {field: syslog_timestamp, layout: syslog}", "  source.ip: src", "  user.name: User", "  host.name: syslog_hostname"}, []string{"cs1"}},
		"wrapped": {`{"log":"Nov 23 10:15:32 host-1 CEF:0|V|P|1|100|Name|5|src=203.0.113.7 suser=bob","computer":"web-1"}` + "\n", "CEF in syslog in JSON",
			[]string{"format: syslog", "syslog: {message: cef}", "wrapped: log", "  source.ip: src", "  host.name: [syslog_hostname, computer]"}, nil},
		"LEEF": {"LEEF:2.0|V|P|1|100|^|src=203.0.113.7^dst=198.51.100.1^usrName=bob\n", "LEEF", []string{"format: leef", "  destination.ip: dst", "  user.name: usrName", "  event.code: leef_event_id"}, nil},
		"pairs": {"date=2024-06-15T12:00:00Z srcip=203.0.113.7 dstport=443 user=\"bob b\" action=deny\n", "key=value",
			[]string{"format: kv", "  - {field: date, layout: iso8601}", "  source.ip: srcip", "  destination.port: dstport"}, nil},
		"Windows events": {"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>1</EventID><TimeCreated SystemTime='2024-01-26T11:21:03.29Z'/></System></Event>\n", "Windows events",
			[]string{"extends: windows-event", "  - {field: Event.System.TimeCreated.SystemTime, layout: iso8601}"}, []string{"format:"}},
		"XML with fields": {"<Events>\n<Event at=\"2024-06-15T12:00:00Z\"><src_ip>203.0.113.7</src_ip></Event>\n<Event at=\"2024-06-15T12:00:00Z\"><src_ip>203.0.113.8</src_ip></Event></Events>", "XML",
			[]string{"element: Event", "  - {field: Event.@at, layout: iso8601}", "  source.ip: Event.src_ip"}, nil},
		"XML": {"<Events>\n<Event><a>1</a></Event>\n<Event><a>2</a></Event></Events>", "XML", []string{"format: xml", "element: Event"}, nil},
		"several lines": {"2024-06-15 12:00:00,123 ERROR it broke\n  at somewhere\n2024-06-15 12:00:01,000 INFO fine\n", "text with a time",
			[]string{"  - {field: timestamp, layout: '2006-01-02 15:04:05,000'}", "  log.level: level", "first_line: "}, nil},
		"anything": {"hello\nworld\n", "text", []string{"format: pattern", "  message: message"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			list := Propose("x", c.sample)
			if len(list) == 0 {
				t.Fatal("nothing is proposed")
			}
			if !reflect.DeepEqual(list, Propose("x", c.sample)) {
				t.Error("another proposal for the same sample")
			}
			got := list[0]
			if got.Format != c.format {
				t.Errorf("taken for %s, want %s", got.Format, c.format)
			}
			lines := strings.Split(got.YAML, "\n")
			for _, want := range c.want {
				if !slices.ContainsFunc(lines, func(l string) bool { return l == want || strings.HasSuffix(want, ": ") && strings.HasPrefix(l, want) }) {
					t.Errorf("lacks %q", want)
				}
			}
			for _, not := range c.not {
				if strings.Contains(got.YAML, not) {
					t.Errorf("has %q", not)
				}
			}
			for _, secret := range []string{"203.0.113.7", "bob"} {
				if strings.Contains(got.YAML, secret) {
					t.Errorf("shows a value, %s", secret)
				}
			}
			if t.Failed() {
				t.Log(got.YAML)
			}
		})
	}
}

// Whatever the sample: proposals are YAML with the name that was asked for.
func FuzzPropose(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,"x"]},"ts":1718452860}`, "a,b,c\n1,2,3\n", "2024-06-15 12:00:00 203.0.113.7 x y\n2024-06-15 12:00:00 203.0.113.7 x y\n", "#Fields: a: {b c\n1 2 3\n", "<a><b/></a>", "CEF:0|a|b|c|d|e|f|k=v", "<1>1 - - - - - -", "a=1 b=2 c=3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range Propose("x", text) {
			var v struct {
				Name string         `yaml:"name"`
				ECS  map[string]any `yaml:"ecs"`
			}
			if err := yaml.Unmarshal([]byte(p.YAML), &v); err != nil || v.Name != "x" {
				t.Errorf("%v in\n%s", err, p.YAML)
			}
		}
	})
}

// CEF that its parser refuses is taken for columns, before it is taken for text.
func TestEachProposalIsFollowedByASimplerOne(t *testing.T) {
	var formats []string
	for _, p := range Propose("x", "CEF:0|V|P|1|100|Name|5|src=203.0.113.7\nCEF:0|V|P|1|100|Name|5|src=203.0.113.8\n") {
		formats = append(formats, p.Format)
	}
	if len(formats) < 3 || formats[0] != "CEF" || formats[1] != "columns between bars" || formats[len(formats)-1] != "text" {
		t.Errorf("%q", formats)
	}
}

func TestName(t *testing.T) {
	for file, want := range map[string]string{"My App_2024.log.gz": "my-app-2024", "-": "sample", "a.b": "a", "é": "sample", strings.Repeat("x", 99): strings.Repeat("x", 60)} {
		if got := Name(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

func TestScalar(t *testing.T) {
	for text, want := range map[string]string{"a b": "a b", "on": "'on'", "it's": "'it''s'", "\t": `"\t"`, "@x": "'@x'", "a: b": "'a: b'", "": "''", "x #y": "'x #y'", "1": "'1'"} {
		if got := scalar(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
