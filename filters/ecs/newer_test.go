package ecs

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// What services wrote later than the original knew: new events, new columns, new
// versions. Records are written from the vendor's documentation where the name
// of the case does not say a sample.

// objectDocuments converts an object of the type that claims its key. What is
// unreadable is an error.
func objectDocuments(t *testing.T, types *logtype.Registry, key, object string) (docs []made) {
	t.Helper()
	lt, why := types.Match("b", key)
	if lt == nil {
		t.Fatalf("%s: %s", key, why)
	}
	c := (&Engine{IDs: Natural}).NewConverter()
	var head *split.Head
	var o *Object
	_, err := split.Records(strings.NewReader(object), lt.Framing(), split.Limits{}, func(r split.Record) (err error) {
		if r.Bad != nil {
			return r.Bad
		}
		if r.Head != head {
			head = r.Head
			if o, err = c.Object(lt, lease.Source{Bucket: "b", Key: key, LogType: lt.Name, Header: head.Header}); err != nil {
				return err
			}
		}
		if err := c.Convert(o, r.Number, r.Envelope, r.Raw); err != nil {
			return fmt.Errorf("%s: %w", r.Raw, err)
		}
		m := made{index: string(c.Target().Index), id: string(c.Target().ID), json: c.AppendJSON(nil)}
		docs = append(docs, m)
		return json.Unmarshal(m.json, &docs[len(docs)-1].doc)
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func (m made) check(t *testing.T, name string, want map[string]any) {
	t.Helper()
	for path, w := range want {
		if got := m.at(path); !reflect.DeepEqual(got, w) {
			t.Errorf("%s: %s is %#v, want %#v", name, path, got, w)
		}
	}
}

// flowFields are the fields of flow logs with an example, by the version that
// brought them ("Flow log records", Amazon VPC user guide, available fields; 6 is
// transit gateways'), and the ECS fields that come of them.
var flowFields = []struct {
	version     int
	name, value string
	ecs         string
}{
	{2, "version", "10", ""}, {2, "account-id", "111122223333", "cloud.account.id"}, {2, "interface-id", "eni-1", ""}, {2, "srcaddr", "10.0.0.1", "source.ip"}, {2, "dstaddr", "203.0.113.7", "destination.ip"},
	{2, "srcport", "49152", "source.port"}, {2, "dstport", "443", "destination.port"}, {2, "protocol", "6", "network.iana_number"}, {2, "packets", "15", "network.packets"}, {2, "bytes", "3500", "network.bytes"},
	{2, "start", "1700000000", ""}, {2, "end", "1700000060", ""}, {2, "action", "REJECT", "event.action"}, {2, "log-status", "OK", ""},
	{3, "vpc-id", "vpc-1", ""}, {3, "subnet-id", "subnet-1", ""}, {3, "instance-id", "i-0badcafe", "cloud.instance.id"}, {3, "tcp-flags", "2", ""}, {3, "type", "ipv4", "network.type"}, {3, "pkt-srcaddr", "10.0.0.9", ""}, {3, "pkt-dstaddr", "203.0.113.8", ""},
	{4, "region", "eu-west-1", "cloud.region"}, {4, "az-id", "euw1-az1", ""}, {4, "sublocation-type", "outpost", ""}, {4, "sublocation-id", "op-1", ""},
	{5, "pkt-src-aws-service", "S3", ""}, {5, "pkt-dst-aws-service", "AMAZON", ""}, {5, "flow-direction", "egress", "network.direction"}, {5, "traffic-path", "8", ""},
	{7, "ecs-cluster-arn", "arn:aws:ecs:eu-west-1:111122223333:cluster/c", ""}, {7, "ecs-cluster-name", "c", ""}, {7, "ecs-container-instance-arn", "arn:aws:ecs:eu-west-1:111122223333:container-instance/c/x", ""},
	{7, "ecs-container-instance-id", "x", ""}, {7, "ecs-container-id", "k1", ""}, {7, "ecs-second-container-id", "k2", ""}, {7, "ecs-service-name", "web", ""},
	{7, "ecs-task-definition-arn", "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:1", ""}, {7, "ecs-task-arn", "arn:aws:ecs:eu-west-1:111122223333:task/c/y", ""}, {7, "ecs-task-id", "y", ""},
	{8, "reject-reason", "BPA", ""}, {9, "resource-id", "nat-1", ""}, {10, "encryption-status", "1", ""},
}

// TestFlowLogColumns: the fields of any version, in any order, named by a header;
// each keeps its name, and becomes its ECS field.
func TestFlowLogColumns(t *testing.T) {
	types, err := shippedTypes()
	if err != nil {
		t.Fatal(err)
	}
	const seed = 20241124
	r := rand.New(rand.NewPCG(seed, 0))
	for version := 2; version <= 10; version++ {
		for range 5 {
			var names, values []string
			want := map[string]any{"@timestamp": "2023-11-14T22:14:20Z", "event.outcome": "failure", "network.transport": "tcp"}
			for _, i := range r.Perm(len(flowFields)) {
				f := flowFields[i]
				if f.version > version {
					continue
				}
				names, values = append(names, f.name), append(values, f.value)
				want[strings.ReplaceAll(f.name, "-", "_")] = f.value
				if f.ecs != "" {
					want[f.ecs] = f.value
				}
			}
			docs := objectDocuments(t, types, "AWSLogs/1/vpcflowlogs/x.log", strings.Join(names, " ")+"\n"+strings.Join(values, " ")+"\n")
			if len(docs) != 1 {
				t.Fatalf("%d documents", len(docs))
			}
			docs[0].check(t, fmt.Sprintf("seed %d, version %d, %v", seed, version, names), want)
		}
	}
}

// TestFlowLogsWithoutAHeader: where flow logs have none, they have the columns of
// version 2, or those that a file of the operator names: plain, in the envelope of
// CloudWatch Logs, and as Firehose gets them.
func TestFlowLogsWithoutAHeader(t *testing.T) {
	dir := t.TempDir()
	own := map[string]string{
		// The same for all flow logs …
		"vpcflowlogs.yaml": "name: vpcflowlogs\nextends: vpcflowlogs\ncolumns: {default: [version, vpc-id, interface-id, srcaddr, dstaddr, dstport, reject-reason, end]}\n",
		// … or for those under one prefix.
		"nat-flows.yaml": "name: nat-flows\nextends: vpcflowlogs\nkey: ^nat-flows/\ncolumns: {default: [instance-id, interface-id, srcaddr, dstaddr, pkt-srcaddr, pkt-dstaddr]}\n",
	}
	for name, text := range own {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	types, err := logtype.NewRegistry()
	if err == nil {
		err = types.Load(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := shippedTypes()
	if err != nil {
		t.Fatal(err)
	}
	v2 := "2 111122223333 eni-1 10.0.0.1 203.0.113.7 49152 443 6 15 3500 1700000000 1700000060 ACCEPT OK"
	v8 := "8 vpc-1 eni-1 10.0.0.1 203.0.113.7 443 BPA 1700000060"
	nat := "- eni-1 10.0.0.1 10.0.0.220 10.0.0.1 203.0.113.7"
	logs := func(line string) string {
		return `{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"/vpc","logStream":"eni-1","subscriptionFilters":["f"],"logEvents":[{"id":"1","timestamp":1700000061000,"message":"` + line + `"}]}`
	}
	for _, try := range []struct {
		name, key, object string
		types             *logtype.Registry
		want              map[string]any
	}{
		{"version 2", "vpcflowlogs/x", v2, shipped, map[string]any{"account_id": "111122223333", "source.ip": "10.0.0.1", "event.outcome": "success", "@timestamp": "2023-11-14T22:14:20Z"}},
		{"version 2, CloudWatch Logs", "vpcflowlogs/x", logs(v2), shipped, map[string]any{"destination.ip": "203.0.113.7", "@log_group": "/vpc", "@timestamp": "2023-11-14T22:14:20Z"}},
		{"version 2, Firehose", "vpcflowlogs/x", `{"message":"` + v2 + `"}` + "\n", shipped, map[string]any{"destination.ip": "203.0.113.7", "destination.port": "443"}},
		{"the operator's, plain", "vpcflowlogs/x", v8, types, map[string]any{"reject_reason": "BPA", "vpc_id": "vpc-1", "destination.port": "443", "@timestamp": "2023-11-14T22:14:20Z"}},
		{"the operator's, CloudWatch Logs", "vpcflowlogs/x", logs(v8), types, map[string]any{"reject_reason": "BPA", "cloud.account.id": "111122223333"}},
		{"the operator's, Firehose", "vpcflowlogs/x", `{"message":"` + v8 + `"}` + "\n", types, map[string]any{"reject_reason": "BPA", "source.ip": "10.0.0.1"}},
		{"the operator's, but the object has a header", "vpcflowlogs/x", "srcaddr end\n10.0.0.1 1700000060\n", types, map[string]any{"source.ip": "10.0.0.1", "vpc_id": nil}},
		{"of one prefix, CloudWatch Logs", "nat-flows/x", logs(nat), types, map[string]any{"pkt_dstaddr": "203.0.113.7", "destination.ip": "10.0.0.220", "@timestamp": "2023-11-14T22:14:21Z"}},
	} {
		docs := objectDocuments(t, try.types, try.key, try.object)
		if len(docs) != 1 {
			t.Errorf("%s: %d documents", try.name, len(docs))
			continue
		}
		docs[0].check(t, try.name, try.want)
	}
}

// TestNewerRecords: what services began to write later.
func TestNewerRecords(t *testing.T) {
	types, err := shippedTypes()
	if err != nil {
		t.Fatal(err)
	}
	const trail = "AWSLogs/111122223333/CloudTrail"
	lb := "AWSLogs/111122223333/elasticloadbalancing/us-east-1/2024/01/15/111122223333_elasticloadbalancing_us-east-1_"
	alb := `h2 2024-01-15T03:50:00.000000Z app/a/b 203.0.113.7:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET https://www.example.com:443/x HTTP/2.0" "curl/8" ECDHE TLSv1.3 arn:t "Root=1-5" "www.example.com" "arn:c" 0 2024-01-15T03:49:59.000000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1 "-" "-" "-"`
	for _, try := range []struct {
		name, key, object string
		want              map[string]any
	}{
		{"CloudTrail Insights, from a sample", trail + "-Insight/us-east-1/x", `{"Records":[{"eventVersion":"1.08","eventTime":"2022-04-12T16:10:00Z","awsRegion":"eu-central-1","eventID":"49dfd327","eventType":"AwsCloudTrailInsight","recipientAccountId":"246337027688","sharedEventID":"26acc406","insightDetails":{"state":"Start","eventSource":"autoscaling.amazonaws.com","eventName":"CompleteLifecycleAction","insightType":"ApiCallRateInsight","insightContext":{"statistics":{"baseline":{"average":0.0000882145},"insight":{"average":0.6},"insightDuration":5}}},"eventCategory":"Insight"}]}`,
			map[string]any{"@id": "49dfd327", "event.action": "CompleteLifecycleAction", "event.module": "autoscaling.amazonaws.com", "cloud.account.id": "246337027688", "insightDetails.insightContext.statistics.insight.average": 0.6, "@timestamp": "2022-04-12T16:10:00Z"}},
		{"CloudTrail Insights of an error rate", trail + "-Insight/us-east-1/x", `{"Records":[{"eventTime":"2022-04-12T16:10:00Z","eventID":"a","eventType":"AwsCloudTrailInsight","insightDetails":{"state":"End","eventName":"GetFunction","errorCode":"ResourceNotFoundException","insightType":"ApiErrorRateInsight"},"eventCategory":"Insight"}]}`,
			map[string]any{"error.code": "ResourceNotFoundException", "event.action": "GetFunction", "insightDetails.state": "End"}},
		{"CloudTrail network activity", trail + "-NetworkActivity/us-east-1/x", `{"Records":[{"eventVersion":"1.09","userIdentity":{"type":"AWSAccount","principalId":"AKIAEXAMPLE","accountId":"777788889999"},"eventTime":"2024-07-15T23:57:12Z","eventSource":"kms.amazonaws.com","eventName":"ListKeys","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","errorCode":"VpceAccessDenied","errorMessage":"The request was denied due to a VPC endpoint policy","requestID":"r","eventID":"n","eventType":"AwsVpceEvent","recipientAccountId":"123456789012","sharedEventID":"s","vpcEndpointId":"vpce-1","vpcEndpointAccountId":"123456789012","eventCategory":"NetworkActivity"}]}`,
			map[string]any{"event.outcome": "failure", "error.code": "VpceAccessDenied", "vpcEndpointId": "vpce-1", "source.ip": "192.0.2.1", "event.category": []any{"iam", "network"}, "event.action": "ListKeys", "@id": "n"}},
		{"CloudTrail, aggregated data events", trail + "-Aggregated/us-east-1/x", `{"Records":[{"eventVersion":"1.0","accountId":"111122223333","eventId":"62759c1a","eventCategory":"Aggregated","eventType":"AwsAggregatedEvent","awsRegion":"us-west-2","eventSource":"s3.amazonaws.com","timeWindow":{"windowStart":"2025-11-17T19:20:00Z","windowEnd":"2025-11-17T19:25:00Z","windowSize":"PT5M"},"summary":{"primaryDimension":{"dimension":"eventName","statistics":[{"name":"PutObject","value":1000}],"aggregationType":"Count"}}}]}`,
			map[string]any{"@id": "62759c1a", "@timestamp": "2025-11-17T19:20:00Z", "cloud.account.id": "111122223333", "event.module": "s3.amazonaws.com", "summary.primaryDimension.dimension": "eventName"}},
		{"CloudTrail, texts where objects are", trail + "/us-east-1/x", `{"Records":[{"eventTime":"2024-01-01T00:00:00Z","eventID":"t","eventName":"CreateAccount","requestParameters":"{\"roleName\":\"r\"}","responseElements":"done","resources":["arn:aws:iam::1:role/r",{"ARN":"a"}]}]}`,
			map[string]any{"requestParameters.value": `{"roleName":"r"}`, "responseElements.value": "done", "resources": []any{map[string]any{"ARN": "arn:aws:iam::1:role/r"}, map[string]any{"ARN": "a"}}}},
		{"ALB with columns that nobody knows", lb + "app.a.b_20240115T0351Z_10.0.51.7_4a.log.gz", alb + ` "new" 7`,
			map[string]any{"extra_columns": []any{"new", "7"}, "source.ip": "203.0.113.7", "url.full": "https://www.example.com:443/x"}},
		{"ALB without the newest columns", lb + "app.a.b_20240115T0351Z_10.0.51.7_4a.log.gz", alb[:strings.Index(alb, " TID_1")],
			map[string]any{"extra_columns": nil, "conn_trace_id": nil, "http.response.status_code": "200"}},
		{"NLB with columns that nobody knows", lb + "net.a.b_20240115T0351Z_0badcafe.log.gz", `tls 2.0 2024-01-15T03:50:00 net/a/b c 203.0.113.7:1 10.0.0.1:443 5 2 98 246 - arn:c - ECDHE tlsv13 x25519 www.example.com h2 h2 "h2" 2024-01-15T03:49:00 new1 new2`,
			map[string]any{"extra_columns": []any{"new1", "new2"}, "url.domain": "www.example.com", "source.ip": "203.0.113.7"}},
		{"CLB with columns that nobody knows", lb + "a_20240115T0351Z_10.0.51.7_4a.log", `2024-01-15T03:50:00.000000Z a 203.0.113.7:1 10.0.0.1:80 0.1 0.2 0.3 200 200 0 29 "GET http://www.example.com:80/x HTTP/1.1" "curl/8" - - "new"`,
			map[string]any{"extra_columns": []any{"new"}, "url.path": "/x", "source.ip": "203.0.113.7"}},
		{"WAF labels", "aws-waf-logs-siem/x", `{"timestamp":1704067200000,"formatVersion":1,"webaclId":"arn:aws:wafv2:us-east-1:111122223333:regional/webacl/acl/1","terminatingRuleId":"r","action":"BLOCK","httpRequest":{"clientIp":"203.0.113.7","uri":"/","httpMethod":"GET"},"labels":[{"name":"awswaf:managed:aws:bot-control:bot:verified"},{"name":"awswaf:clientip:geo:country:US"}]}`,
			map[string]any{"tags": []any{"awswaf:clientip:geo:country:US", "awswaf:managed:aws:bot-control:bot:verified"}, "event.action": "BLOCK"}},
		{"Network Firewall TLS", "x/111122223333_network-firewall_tls_us-east-1_fw_x", `{"firewall_name":"fw","availability_zone":"us-east-1a","event_timestamp":"1704067200","event":{"timestamp":"2024-01-01T00:00:00.000000+0000","src_ip":"10.0.0.5","src_port":"5000","dest_ip":"203.0.113.7","dest_port":"443","sni":"www.example.com","tls_error":{"error_message":"x509 unknown authority"},"event_type":"tls"}}`,
			map[string]any{"tls.client.server_name": "www.example.com", "url.domain": "www.example.com", "error.message": "x509 unknown authority", "destination.ip": "203.0.113.7"}},
		{"Network Firewall TLS, revoked", "x/111122223333_network-firewall_tls_us-east-1_fw_x", `{"firewall_name":"fw","event_timestamp":"1704067200","event":{"timestamp":"2024-01-01T00:00:00.000000+0000","src_ip":"10.0.0.5","dest_ip":"203.0.113.7","sni":"bad.example.com","leaf_cert_fpr":"1234","status":"REVOKED","action":"DROP","revocation_check":{"leaf_cert_fpr":"1234","status":"REVOKED","action":"DROP"},"event_type":"tls"}}`,
			map[string]any{"event.action": "DROP", "event.revocation_check.status": "REVOKED", "tls.client.server_name": "bad.example.com"}},
		{"OCSF 1.0.0-rc.2", "ocsf-json/x", `{"metadata":{"version":"1.0.0-rc.2"},"category_uid":4,"category_name":"Network Activity","class_uid":4001,"time":1704067200000,"src_endpoint":{"ip":"10.0.0.5","port":5000},"dst_endpoint":{"ip":"203.0.113.7","port":443},"cloud":{"account_uid":"111122223333","region":"us-east-1","provider":"AWS"}}`,
			map[string]any{"@log_type": "ocsf-network-activity", "source.ip": "10.0.0.5", "cloud.account.id": "111122223333"}},
		{"OCSF 1.1.0", "ocsf-json/x", `{"metadata":{"version":"1.1.0"},"category_uid":3,"category_name":"Identity & Access Management","class_uid":3002,"time":1704067200000,"actor":{"user":{"name":"bob"}},"src_endpoint":{"ip":"203.0.113.7"},"cloud":{"account":{"uid":"111122223333"},"region":"us-east-1","provider":"AWS"}}`,
			map[string]any{"@log_type": "ocsf-identity-&-access-management", "source.ip": "203.0.113.7", "cloud.account.id": "111122223333", "user.name": "bob"}},
		{"OCSF 1.4.0, a finding", "ocsf-json/x", `{"metadata":{"version":"1.4.0"},"category_uid":2,"category_name":"Findings","class_uid":2004,"time":1704067200000,"finding_info":{"uid":"f","modified_time":1704153600000},"cloud":{"account":{"uid":"111122223333"}},"unmapped":{"a":{"b":1}}}`,
			map[string]any{"@log_type": "ocsf-findings", "@timestamp": "2024-01-02T00:00:00Z", "unmapped": `{"a":{"b":1}}`}},
	} {
		docs := objectDocuments(t, types, try.key, try.object)
		if len(docs) != 1 {
			t.Errorf("%s: %d documents", try.name, len(docs))
			continue
		}
		docs[0].check(t, try.name, try.want)
	}
}
