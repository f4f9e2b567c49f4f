package ecs

import (
	"bufio"
	"encoding/base64"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestDeepSecurity: every line of the sample becomes a document, with the fields
// of the module that it is from.
func TestDeepSecurity(t *testing.T) {
	file, err := os.Open("../../test/golden/samples/deepsecurity/sc4s-deep-security.cef.log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	want := map[string]map[string]any{
		"600": {"event.category": nil, "user.name": "admin", "source.ip": "10.52.116.160", "rule.name": "600 User Signed In", "agent.name": "Trend Micro Deep Security Manager 0.0.0", "host.hostname": "dsa-host01", "deepsecurity.suser": "admin"},
		"4000000": {"event.category": []any{"malware"}, "file.path": `C:\Users\trend\Desktop\eicar.exe`, "event.action": "Delete", "host.id": "1", "file.hash.sha256": "275A021BBFB6489E54D471899F7DB9D1663FC695EC2FE2A2C4538AABF651FD0F",
			"deepsecurity.Quarantine File Size": "205"},
		"6001200": {"event.category": []any{"process"}, "host.ip": []any{"192.168.33.128"}, "source.ip": "192.168.33.128", "user.id": "0", "rule.category": "notWhitelisted", "file.hash.md5": "7EA8EF10BEB2E9876D4D7F7E5A46CF8D", "deepsecurity.TrendMicroDsTenant": "Primary"},
		"20":      {"event.category": []any{"network"}, "destination.ip": "72.14.204.147", "destination.port": "80", "source.mac": "00:0C:29:EB:35:DE", "destination.bytes": "1019", "network.transport": "TCP", "deepsecurity.TCP Flags": "0x00 ACK PSH"},
		"30":      {"event.category": []any{"file"}, "event.action": "updated", "event.severity": "6"},
		"1001111": {"event.category": []any{"intrusion_detection"}, "event.action": "DetectOnly:NotReset", "deepsecurity.act": "IDS:Reset", "event.count": "1"},
		"3002795": {"event.category": []any{"intrusion_detection"}, "rule.category": "Multiple Windows Logon Failures", "destination.user.name": "(no user)", "related.hosts": []any{"WIN-RM6HM42G65V", "dsa-host01"}},
		"5000000": {"event.category": []any{"web"}, "url.original": "example.com", "event.original": "Blocked By Admin"},
	}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		m := document(t, "deepsecurity", "", lines.Text())
		id, _ := m.at("rule.id").(string)
		if want[id] == nil {
			t.Fatalf("%s is met twice, or not known", id)
		}
		for path, v := range want[id] {
			if got := m.at(path); !reflect.DeepEqual(got, v) {
				t.Errorf("%s: %s is %#v, want %#v", id, path, got, v)
			}
		}
		if at := m.at("@timestamp").(string); !strings.HasSuffix(at, "-11-23T10:15:32Z") || m.at("error") != nil {
			t.Errorf("%s: at %s, %v", id, at, m.at("error"))
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Errorf("not in the sample: %v", want)
	}
}

// TestDeepSecurityPackets: the request in a packet is decoded; what lets someone
// in is nowhere in the document.
func TestDeepSecurityPackets(t *testing.T) {
	packet := base64.StdEncoding.EncodeToString([]byte("GET / HTTP/1.1\r\nHost: a.example\r\nCOOKIE: s3cr3t\r\nAuthorization: Basic s3cr3t\r\nX-Forwarded-For: 203.0.113.7, 10.0.0.1\r\n\r\n"))
	for _, sent := range []string{packet, strings.ReplaceAll(packet, "=", `\=`)} {
		line := "CEF:0|Trend Micro|Deep Security Agent|20.0|1000552|Generic Cross Site Scripting|6|src=10.0.0.1 TrendMicroDsPacketData=" + sent + " cnt=1 rt=1706745601000"
		for _, record := range []string{line, `{"message":"` + strings.ReplaceAll(line, `\`, `\\`) + `","fluent_hostname":"web-1"}`} {
			m := document(t, "deepsecurity", "", record)
			data, _ := m.at("deepsecurity.TrendMicroDsPacketData").(string)
			if !strings.HasPrefix(data, "GET / HTTP/1.1") || strings.Contains(data, "s3cr3t") || m.at("source.ip") != "203.0.113.7" || m.at("event.count") != "1" {
				t.Errorf("%s became %s", record, m.json)
			}
			message := m.at("@message").(string)
			_, value, _ := strings.Cut(message, "PacketData=")
			value, after, _ := strings.Cut(value, " ")
			clean, err := base64.RawStdEncoding.DecodeString(value)
			if err != nil || strings.Contains(string(clean), "s3cr3t") || !strings.HasPrefix(after, "cnt=1 ") {
				t.Errorf("@message is %s: %v", message, err)
			}
		}
	}
}
