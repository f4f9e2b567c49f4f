package ecs

import (
	"reflect"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// windowsRecord is an event of the channel Security with this id and data.
func windowsRecord(id, data string) string {
	return `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>` + id +
		`</EventID><TimeCreated SystemTime='2024-01-03T01:30:33.754919318Z'/><Channel>Security</Channel></System>` + data + `</Event>`
}

// TestWindows tries what the golden cases do not.
func TestWindows(t *testing.T) {
	data := func(items string) string { return windowsRecord("1", "<EventData>"+items+"</EventData>") }
	const at = "Event.EventData.Data"
	for _, try := range []struct {
		record string
		want   map[string]any
	}{
		{data(`<Data Name='a'>1</Data><Data Name='a'>2</Data>`), map[string]any{at: map[string]any{"a": "2"}}},
		{data(`<Data Name='a'>-</Data><Data>x</Data><Data/><Data>y</Data><Data Name='b'/>`), map[string]any{at: map[string]any{"2": "x", "4": "y"}}},
		{data(`<Data Name='a'>-</Data>`), map[string]any{"Event.EventData": nil}},
		{data(`<Data Name='a'><x>1</x><x>2</x></Data>`), map[string]any{at: map[string]any{"a": map[string]any{"x": []any{"1", "2"}}}}},
		{data(`<Data Type='t'>1</Data>`), map[string]any{at: map[string]any{"0": map[string]any{"Type": "t", "#text": "1"}}}},
		{data(`<Data Name='PrivilegeList'>A` + "\n\t\t" + `B</Data>`), map[string]any{at + ".PrivilegeList": []any{"A", "B"}}},
		{data(`<Data Name='x'><![CDATA[<&>]]>&#x1F600;</Data>`), map[string]any{at + ".x": "<&>\U0001F600"}},
		{data(`<Data Name='x'>1</Data><Binary>00FF</Binary>`), map[string]any{"Event.EventData.Binary": "00FF"}},
		{windowsRecord(`</EventID><EventID Qualifiers='3'>7`, ""), map[string]any{"Event.System.EventID": []any{nil, map[string]any{"Qualifiers": "3", "#text": "7"}}}},
		{strings.Replace(data(`<Data Name='x'>1`+"\x02"+`2</Data>`), "<EventID>", "<EventID Qualifiers='3'>", 1),
			map[string]any{"Event.System.EventID": "1", "Event.System.Qualifiers": "3", at + ".x": "12", "event.code": "1"}},
	} {
		m := document(t, "windows-event", "", try.record)
		for path, want := range try.want {
			if got := m.at(path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s is %v, want %v\n%s", path, got, want, try.record)
			}
		}
	}
}

// TestWindowsEvents: what the original's table has wrong or lacks, and channels
// with numbers of their own.
func TestWindowsEvents(t *testing.T) {
	for _, try := range []struct{ channel, id, action, outcome string }{
		{"Security", "4624", "logon", "success"},
		{"Security", "4625", "logon-failed", "failure"},
		{"Security", "4656", "objcet-handle-requested", "unknown"},
		{"Security", "4728", "added-member-to-global-security-group", "success"},
		{"Security", "4732", "added-member-to-local-security-group", "success"},
		{"Security", "4800", "workstation-locked", "success"},
		{"Security", "4803", "screen-saver-dismissed", "success"},
		{"Security", "5060", "verification-operation-failed", "failure"},
		{"Security", "5145", "network-share-object-checked", "unknown"},
		{"Microsoft-Windows-Sysmon/Operational", "1", "process-created", "success"},
		{"Security", "1", "", ""},
		{"Security", "99999", "", ""},
	} {
		record := strings.Replace(windowsRecord(try.id, ""), "Security", try.channel, 1)
		m := document(t, "windows-event", `{"log_group":"g","log_stream":"i-0123456789abcdef0"}`, record)
		action, _ := m.at("event.action").(string)
		outcome, _ := m.at("event.outcome").(string)
		if action != try.action || outcome != try.outcome {
			t.Errorf("%s %s: %q, %q; want %q, %q", try.channel, try.id, action, outcome, try.action, try.outcome)
		}
		if got := m.at("cloud.instance.id"); got != "i-0123456789abcdef0" {
			t.Errorf("cloud.instance.id is %v", got)
		}
	}
}

func TestNoWindowsEvent(t *testing.T) {
	types, err := shippedTypes()
	if err != nil {
		t.Fatal(err)
	}
	c := (&Engine{}).NewConverter()
	o, err := c.Object(types.Set().Type("windows-event"), lease.Source{})
	if err != nil {
		t.Fatal(err)
	}
	for record, want := range map[string]string{
		"4624 An account was logged on": "not XML: text outside",
		"<Event/>":                      `want an Event with something in it`,
		"<Other><a>1</a></Other>":       `an element "Other"`,
		"<Event><System></Event>":       `ends where "System" should`,
		"<Event>\x01<System></Event>":   "control character",
		"":                              "there is no element",
	} {
		if err := c.Convert(o, 1, nil, []byte(record)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", record, err, want)
		}
	}
}

// TestIIS tries what Filebeat's files do not.
func TestIIS(t *testing.T) {
	for _, try := range []struct {
		name, record string
		want         map[string]any
	}{
		{"windows-iis", `2024-01-15 09:05:00 10.0.0.1 POST /a%20b/x.aspx q=1+2 443 CORP\alice 192.0.2.1 curl/8.0+(x) https://r.example/ 500 19 5 1250 198.51.100.7,+203.0.113.9:4711`,
			map[string]any{"@timestamp": "2024-01-15T09:05:00Z", "event.outcome": "failure", "event.duration": 1.25e9, "user.name": "alice", "user.domain": "CORP", "url.original": "/a%20b/x.aspx?q=1+2",
				"url.path": "/a b/x.aspx", "url.query": "q=1+2", "url.extension": "aspx", "user_agent.original": "curl/8.0 (x)", "iis.sc_substatus": "19", "iis.date": nil, "date": nil,
				"http.request.header.x_forwarded_for": []any{"198.51.100.7"}, "related.ip": []any{"10.0.0.1", "192.0.2.1", "198.51.100.7"}}},
		{"windows-iis", "2024-01-15 09:05:00 fe80::1%4 GET / - 80 - ::ffff:192.0.2.1%3 - - 200 0 0 0",
			map[string]any{"destination.ip": "fe80::1", "destination.address": "fe80::1%4", "source.ip": "::ffff:192.0.2.1", "related.ip": []any{"::ffff:192.0.2.1", "fe80::1"}, "event.outcome": "success", "event.duration": 0.0, "user": nil, "url.query": nil}},
		{"windows-httperr", "2024-01-15 09:05:00 192.0.2.1 4711 10.0.0.1 80 HTTP/1.1 GET /x?y=%00 400 - BadRequest -",
			map[string]any{"source.port": "4711", "event.reason": "BadRequest", "url.query": "y=\x00", "http.version": "1.1", "event.type": []any{"error"}, "event.category": []any{"web"}}},
	} {
		m := document(t, try.name, "", try.record)
		for path, want := range try.want {
			if got := m.at(path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s is %#v, want %#v\n%s", try.name, path, got, want, try.record)
			}
		}
	}
}
