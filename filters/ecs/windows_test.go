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
