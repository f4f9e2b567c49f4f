package ecs

import (
	"reflect"
	"testing"
)

// TestApplications tries types whose records are written from the vendor's
// documentation, for no public sample exists (test/golden/samples/SOURCES.md).
func TestApplications(t *testing.T) {
	for _, try := range []struct {
		name, kind, envelope, record string
		want                         map[string]any
	}{
		{"OCSF 0.1, denied", "verifiedaccess", "", `{"activity":"Access Denied","activity_id":"2","device":null,"duration":"0.023","time":"1704067200344","http_request":{"http_method":"POST","url":{"hostname":"app.example.com","path":"/q","port":443,"scheme":"h2","text":"https://app.example.com:443/q"},"user_agent":"curl/8.4.0","version":"HTTP/2.0"},"http_response":{"code":401},"identity":{"authorizations":[{"decision":"Deny","policy":{"name":"inline"}}],"user":{"email_addr":"a@example.com","name":"A B","uid":"a@example.com","uuid":"00u6"}},"metadata":{"uid":"Root=1-63748362-0","version":"0.1"},"proxy":{"uid":"vai-1"},"src_endpoint":{"ip":"203.0.113.7","port":"48234"},"status_details":"Authorization Denied","status_id":"2","unmapped":null}`,
			map[string]any{"@timestamp": "2024-01-01T00:00:00.344Z", "event.action": "Access Denied", "event.outcome": "failure", "event.reason": "Authorization Denied", "event.type": []any{"denied"}, "event.duration": 23000000.0,
				"url.scheme": "https", "url.domain": "app.example.com", "http.version": "2.0", "source.ip": "203.0.113.7", "user.name": "a@example.com", "user.full_name": "A B", "rule.name": "inline", "trace.id": "Root=1-63748362-0"}},
		{"OCSF 1.0.0-rc.2, a flow", "verifiedaccess", "", `{"activity_name":"Assign Privileges","class_uid":"3003","data":{"endpoint_type":"cidr","authorizations":[{"decision":"Allow","policy":{"name":"inline"}}],"context":{"oidc":{"exp":1670631145}}},"device":{"ip":"10.2.7.68","port":1002},"duration":"0.004","time":"1704067200344","status_id":"1","dst_endpoint":{"ip":"107.22.231.155","port":22},"user":{"email_addr":"j@example.com","uid":"j","uuid":"9bcc"}}`,
			map[string]any{"event.outcome": "success", "event.type": []any{"allowed"}, "source.ip": "10.2.7.68", "destination.port": "22", "user.id": "9bcc", "user.name": "j", "user.email_addr": "j@example.com", "related.ip": []any{"10.2.7.68", "107.22.231.155"},
				"data": `{"endpoint_type":"cidr","authorizations":[{"decision":"Allow","policy":{"name":"inline"}}],"context":{"oidc":{"exp":1670631145}}}`}},
		{"a model", "bedrock", `{"account":"111122223333","log_group":"bedrock","log_stream":"aws/bedrock/modelinvocations","id":"1","time":"1704067200000"}`,
			`{"schemaType":"ModelInvocationLog","schemaVersion":"1.0","timestamp":"2024-01-15T12:00:00Z","accountId":"123456789012","identity":{"arn":"arn:aws:sts::123456789012:assumed-role/App/session"},"region":"us-east-1","requestId":"r-1","operation":"Converse","modelId":"amazon.nova-lite-v1:0","input":{"inputContentType":"application/json","inputBodyJson":{"messages":[{"role":"user"}]},"inputTokenCount":12},"output":{"outputContentType":"application/json","outputBodyJson":[{"a":1},{"a":"x"}],"outputTokenCount":34},"inferenceRegion":"us-west-2"}`,
			map[string]any{"@id": "r-1", "cloud.account.id": "123456789012", "user.name": "session", "event.outcome": "success", "gen_ai.request.model": "amazon.nova-lite-v1:0", "gen_ai.usage.input_tokens": "12",
				"input.inputBodyJson": `{"messages":[{"role":"user"}]}`, "output.outputBodyJson": `[{"a":1},{"a":"x"}]`, "@log_group": "bedrock", "identity.arn": "arn:aws:sts::123456789012:assumed-role/App/session"}},
		{"a model that refused", "bedrock", "", `{"schemaType":"ModelInvocationLog","timestamp":"2024-01-15T12:00:00Z","requestId":"r-2","operation":"InvokeModel","modelId":"m","errorCode":"AccessDeniedException","input":{"inputBodyS3Path":"s3://b/k"}}`,
			map[string]any{"event.outcome": "failure", "error.code": "AccessDeniedException", "input.inputBodyS3Path": "s3://b/k"}},
		// Through a Route 53 Profile the record says the VPC's account and region; the vendor documents no field of the profile itself.
		{"Route 53", "route53resolver", "", `{"version":"1.100000","account_id":"111122223333","region":"us-east-1","vpc_id":"vpc-1","query_timestamp":"2024-01-01T00:00:00Z","query_name":"www.example.com.","query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"203.0.113.7","Type":"A","Class":"IN"}],"srcaddr":"10.0.0.5","srcport":"5000","transport":"UDP","srcids":{"resolver_endpoint":"rslvr-in-1","resolver_network_interface":"rni-1"},"firewall_rule_action":"ALERT","firewall_rule_group_id":"rslvr-frg-1","firewall_domain_list_id":"rslvr-fdl-1","a_new_field":"kept"}`,
			map[string]any{"srcids.resolver_endpoint": "rslvr-in-1", "rule.ruleset": "rslvr-frg-1", "firewall_domain_list_id": "rslvr-fdl-1", "a_new_field": "kept", "dns.answers.data": "203.0.113.7", "event.action": "ALERT"}},
	} {
		m := document(t, try.kind, try.envelope, try.record)
		for path, want := range try.want {
			if got := m.at(path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s is %#v, want %#v", try.name, path, got, want)
			}
		}
	}
}
