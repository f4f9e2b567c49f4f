package ecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// made is what a record became.
type made struct {
	index, id string
	op        event.Op
	json      []byte
	doc       map[string]any
}

// at returns the value at a path; nil when there is none.
func (m made) at(path string) any {
	var v any = m.doc
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

var shippedTypes = sync.OnceValues(func() (*logtype.Registry, error) { return logtype.NewRegistry() })

// document converts one record of a shipped type, and checks that JSON and
// msgpack say the same.
func document(t *testing.T, name, envelope, record string) made {
	t.Helper()
	types, err := shippedTypes()
	if err != nil {
		t.Fatal(err)
	}
	var lt *logtype.Type
	for _, of := range types.Set().Types() {
		if of.Name == name {
			lt = of
		}
	}
	c := (&Engine{IDs: Natural}).NewConverter()
	o, err := c.Object(lt, lease.Source{Bucket: "b", Key: "AWSLogs/123456789012/x/us-east-1/x", LogType: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Convert(o, 1, []byte(envelope), []byte(record)); err != nil {
		t.Fatalf("%s: %v", record, err)
	}
	m := made{index: string(c.Target().Index), id: string(c.Target().ID), op: c.Target().Op, json: c.AppendJSON(nil)}
	packed, _, err := event.AppendJSON(nil, c.AppendMsgpack(nil))
	if err != nil {
		t.Fatal(err)
	}
	var other map[string]any
	if err := json.Unmarshal(m.json, &m.doc); err != nil {
		t.Fatalf("%v: %s", err, m.json)
	}
	if err := json.Unmarshal(packed, &other); err != nil || !reflect.DeepEqual(m.doc, other) {
		t.Errorf("JSON and msgpack differ: %v\n%s\n%s", err, m.json, packed)
	}
	return m
}

// TestFamilies tries what the golden cases do not: what the original did not do,
// or did wrong.
func TestFamilies(t *testing.T) {
	for _, try := range []struct {
		name, envelope, record string
		want                   map[string]any
	}{
		{"guardduty", "", `{"id":"a","severity":9.1,"type":"UnauthorizedAccess:EC2/TorClient","service":{"action":{"actionType":"NETWORK_CONNECTION",
			"networkConnectionAction":{"connectionDirection":"OUTBOUND","localIpDetails":{"ipAddressV4":"10.0.0.1"},"remoteIpDetails":{"ipAddressV4":"192.0.2.1"}}}}}`,
			map[string]any{"severitylabel": "critical", "network.direction": "outbound", "source.ip": "10.0.0.1", "destination.ip": "192.0.2.1", "ThreatFamilyName": "TorClient"}},
		{"guardduty", "", `{"id":"a","severity":"x","type":"no type at all"}`, map[string]any{"severitylabel": nil, "network.direction": nil, "rule.id": "no type at all"}},
		{"securityhub", `{"time":"2024-01-15T10:00:00Z"}`, `{"Id":"a","UpdatedAt":"2024-01-14T10:00:00.5Z","Workflow":{"Status":"RESOLVED"},"ProductFields":{"aws/securityhub/ProductName":"GuardDuty",
			"aws/guardduty/resource/instanceDetails/networkInterfaces.0_/privateIpAddress":"10.0.0.9","aws/guardduty/service/action/portProbeAction/portProbeDetails.0_/remoteIpDetails/ipAddressV4":"192.0.2.7",
			"aws/guardduty/service/action/actionType":"PORT_PROBE"},"Types":["TTPs/Discovery/EC2-PortProbe.B!TCP"]}`,
			map[string]any{"destination.ip": "10.0.0.9", "source.ip": "192.0.2.7", "network.direction": "inbound", "ThreatPurpose": "Discovery", "ThreatFamilyName": "PortProbe",
				"DetectionMechanism": "B", "Artifact": "TCP", "@timestamp": "2024-01-15T10:00:00Z", "cwe_timestamp": "2024-01-15T10:00:00Z"}},
		{"inspector", `{"time":"2024-01-15T10:00:00Z","id":"e"}`, `{"scan-status":"INITIAL_SCAN_COMPLETE"}`,
			map[string]any{"@timestamp": "2024-01-15T10:00:00Z", "inspector.scan-status": "INITIAL_SCAN_COMPLETE", "rule.id": nil}},
		{"inspector", "", `{"findingArn":"x","type":"NETWORK_REACHABILITY","networkReachabilityDetails":{"protocol":"TCP","openPortRange":{"begin":22,"end":23}}}`,
			map[string]any{"rule.id": "NETWORK_REACHABILITY_TCP_22_23"}},
		{"trustedadvisor", "", `{"creation_date":"2024-01-01T00:00:00Z","check":{"metadata":["Resource"]},"result":{"status":"ok","flaggedResource":{"status":"error",
			"metadata":["arn:aws:ec2:us-east-1:123456789012:security-group/sg-1",null,"192.0.2.1","x"]}}}`,
			map[string]any{"event.kind": "alert", "event.category": []any{"network"}, "cloud.service.name": "security-group", "related.ip": []any{"192.0.2.1"}}},
		{"config-history", "", `{"awsAccountId":"1","awsRegion":"r","resourceType":"AWS::Config::ResourceCompliance","resourceId":"AWS::EC2::Instance/i-1","configuration":"text"}`,
			map[string]any{"cloud.instance.id": "i-1", "related.hosts": []any{"i-1"}, "user.id": nil}},
		{"config-history", "", `{"resourceType":"AWS::SSM::ManagedInstanceInventory","resourceId":"i-1","configuration":{"AWS:Network":{"Content":{"eth0":{"IPV4":"10.0.0.1, 10.0.0.2","IPV6":"2001:db8::1"}}},
			"state":{"code":1,"name":"x"},"status":{"code":"ok","message":"m"},"subnets":["s"],"endpoint":"e","stateReason":"r","stateReasonCode":"c","rules":[{"statement":{"a":1}}]},"tags":{"AmazonFSx.FileSystemId":"fs"}}`,
			map[string]any{"related.ip": []any{"10.0.0.1", "10.0.0.2", "2001:db8::1"}, "configuration.state": nil, "configuration.state_code": 1.0, "configuration.status": "ok", "configuration.status_message": "m",
				"configuration.subnets": []any{map[string]any{"subnetIdentifier": "s"}}, "configuration.endpoint.address": "e", "configuration.stateReason": map[string]any{"message": "r", "code": "c"},
				"configuration.rules": []any{map[string]any{"statement": `{"a":1}`}}, "tags.AmazonFSx_FileSystemId": "fs"}},
		{"config-history", "", `{"resourceType":"AWS::EC2::EIP","resourceName":"192.0.2.9","configuration":{"privateIpAddress":"10.0.0.3"}}`, map[string]any{"related.ip": []any{"10.0.0.3", "192.0.2.9"}}},
		{"config-history", "", `{"resourceType":"AWS::EC2::NatGateway","configuration":{"natGatewayAddresses":[{"publicIp":"192.0.2.9","privateIp":"10.0.0.3"}]}}`, map[string]any{"related.ip": []any{"10.0.0.3", "192.0.2.9"}}},
		{"networkfirewall", "", `{"event":{"event_type":"tls","proto":"TCP","sni":"a.example","tls":{"version":"TLSv1.2","ja3":{"hash":"h"}},"tls_error":{"error_message":"no"}},"event_timestamp":"1706745600"}`,
			map[string]any{"tls.version": "1.2", "tls.version_protocol": "tls", "tls.client.server_name": "a.example", "tls.client.ja3": "h", "url.domain": "a.example", "error.message": "no",
				"network.transport": "tcp", "@timestamp": "2024-02-01T00:00:00Z", "event.category": []any{"network"}}},
		{"route53resolver", "", `{"query_name":"a.example..","answers":[{"Rdata":"192.0.2.1."}],"srcids":{"instance":"i-1"},"firewall_rule_action":"BLOCK"}`,
			map[string]any{"dns.question.name": "a.example", "dns.answers.data": "192.0.2.1", "cloud.instance.id": "i-1", "event.action": "BLOCK"}},
		{"waf", "", `{"timestamp":1706745600820,"webaclId":"arn:aws:wafv2:us-east-1:123456789012:global/webacl/acl/1","httpRequest":{"httpVersion":"HTTP/2.0","headers":[{"name":"X-A","value":"1"},{"name":"x-a","value":"2"},{"name":"nothing"}]},"labels":[{"name":"b"},{"name":"a"}]}`,
			map[string]any{"httpRequest.header": map[string]any{"x_a": "2"}, "tags": []any{"a", "b"}, "http.version": "2.0", "cloud.region": "global", "rule.ruleset": "acl"}},
		{"ocsf-json", "", `{"time":1706926481000,"category_uid":2,"finding_info":{"created_time":1706926400000,"modified_time":1706926476000},"cloud":{"provider":"Other","account":null}}`,
			map[string]any{"@timestamp": "2024-02-03T02:14:36Z", "@log_type": "ocsf-findings", "cloud.provider": "Other", "cloud.account.id": "123456789012"}},
		{"ocsf-json", "", `{"time":1706926481000000000,"class_uid":4001,"unmapped":{"a":"\u0001\u007f😀\ud83e\udee8"}}`,
			map[string]any{"@timestamp": "2024-02-03T02:14:41Z", "@log_type": "ocsf-network-activity", "unmapped": `{"a":"\u0001` + "\x7f" + `😀🫨"}`}},
	} {
		m := document(t, try.name, try.envelope, try.record)
		for path, want := range try.want {
			if got := m.at(path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s %.60s…: %s is %v, want %v", try.name, try.record, path, got, want)
			}
		}
	}
}

// TestNoSecretOfAHeaderIsWritten: credentials and cookies are nowhere in the
// document, however the header is written.
func TestNoSecretOfAHeaderIsWritten(t *testing.T) {
	for header := range secretHeaders {
		for _, name := range []string{header, strings.ToUpper(header), strings.ToUpper(header[:1]) + header[1:]} {
			m := document(t, "waf", "", fmt.Sprintf(`{"timestamp":1706745600820,"httpRequest":{"headers":[{"name":"Host","value":"a.example"},{"name":%q,"value":"s3cr3t \"x\" ü"}]}}`, name))
			if bytes.Contains(m.json, []byte("s3cr3t")) {
				t.Errorf("%s: its value is in %s", name, m.json)
			}
			var text map[string]any
			if err := json.Unmarshal([]byte(m.at("@message").(string)), &text); err != nil {
				t.Errorf("%s: @message is not JSON: %v", name, err)
			}
			if got := m.at("httpRequest.header." + strings.ReplaceAll(header, "-", "_")); got != redacted {
				t.Errorf("%s: header is %v, want the mark %s", name, got, redacted)
			}
			if m.at("url.domain") != "a.example" {
				t.Errorf("%s: the other headers are gone: %s", name, m.json)
			}
		}
	}
}

// TestARecordChoosesOnlyAmongTheTypesIndices: no category that a record names
// writes to an index that the type does not list.
func TestARecordChoosesOnlyAmongTheTypesIndices(t *testing.T) {
	for category, want := range map[string]string{
		`"category_name":"Network Activity"`:                   "log-ocsf-network-2024-02",
		`"category_name":"Identity & Access Management"`:       "log-ocsf-identity-2024-02",
		`"category_name":"aws-cloudtrail"`:                     "log-ocsf-2024-02",
		`"category_name":"../x"`:                               "log-ocsf-2024-02",
		`"category_name":" "`:                                  "log-ocsf-2024-02",
		`"category_name":"Anything At All","category_uid":"1"`: "log-ocsf-system-2024-02",
		`"category_uid":5`:                                     "log-ocsf-config-2024-02",
		`"category_uid":99`:                                    "log-ocsf-2024-02",
		`"category_uid":-1`:                                    "log-ocsf-2024-02",
	} {
		if m := document(t, "ocsf-json", "", `{"time":1706926481000,`+category+`}`); m.index != want {
			t.Errorf("%s goes to %s, want %s", category, m.index, want)
		}
	}
}

// TestAFindingsIDFits: an id stays within what the cluster takes, differs
// between states of a finding, and a newer version of a state replaces it.
func TestAFindingsIDFits(t *testing.T) {
	ids := map[string]bool{}
	for _, id := range []string{"short", strings.Repeat("long/", 102)} {
		for _, status := range []string{"NEW", "RESOLVED"} {
			m := document(t, "securityhub", "", fmt.Sprintf(`{"Id":%q,"UpdatedAt":"2024-01-14T10:00:00Z","Workflow":{"Status":%q}}`, id, status))
			if len(m.id) > maxID || m.op != event.OpIndex || ids[m.id] {
				t.Errorf("id %s (%d bytes, %v)", m.id, len(m.id), m.op)
			}
			ids[m.id] = true
		}
	}
}
