package ecs

import (
	"reflect"
	"strings"
	"testing"
)

// TestServices tries what the golden cases of these types do not.
func TestServices(t *testing.T) {
	stream := func(group, stream string) string {
		return `{"account":"123456789012","log_group":"` + group + `","log_stream":"` + stream + `","id":"1","time":"1704067200000"}`
	}
	for _, try := range []struct {
		name, envelope, record string
		want                   map[string]any
	}{
		{"workspaces-event", "", `{"actionType":"failedLogin","workspaceId":"ws-1","loginTime":"2024-01-01T00:00:00Z"}`,
			map[string]any{"event.outcome": "failure", "host.id": "ws-1", "WorkspaceId": "ws-1", "workspaceId": nil}},
		{"clb", "", `2024-01-01T00:00:00.000000Z my-clb 192.0.2.1:1 [2001:db8::1]:80 0.1 0.2 0.3 200 200 0 29 "GET http://a:80/ HTTP/1.1" "x" - -`,
			map[string]any{"destination.ip": "2001:db8::1", "url.full": "http://a:80/", "url.port": "80"}},
		{"nlb", "", `tls 2.0 2024-01-01T00:00:00 net/a/b c 192.0.2.1:1 10.0.0.1:443 5 2 98 246 - - - - - - - - - - 2024-01-01T00:00:00 more`,
			map[string]any{"source.ip": "192.0.2.1", "http.request.bytes": "98", "extra_columns": []any{"more"}}},
		{"s3accesslog", "", `o b [06/Feb/2019:00:00:38 +0000] 192.0.2.3 arn:aws:sts::1:assumed-role/R/session id REST.GET.OBJECT k "GET /k HTTP/1.1" 200 - 113 - 7 - "-" "a "quoted" agent" - h SigV4 C AuthHeader us-west-2.s3.eu-central-1.amazonaws.com TLSv1.2`,
			map[string]any{"user.name": "session", "RequestURI_key": "/k", "UserAgent": `a "quoted" agent`, "EndPoint": "us-west-2.s3.eu-central-1.amazonaws.com", "@timestamp": "2019-02-06T00:00:38Z"}},
		{"cloudfront-standard", "", "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td.cloudfront.net\t/index.html\t200\t-\tA%20B\tq=1\t-\tHit\tid\twww.example.com\thttps\t23\t0.001\t-\tTLSv1.2\tX\tHit\tHTTP/2.0\t-\t-",
			map[string]any{"url.full": "https://www.example.com/index.html?q=1", "http.version": "2.0", "user_agent.original": "A B", "date_time": "2019-12-04 21:02:31", "date": nil, "cloud.region": "global"}},
		{"okta", "", `{"published":"2024-01-01T20:00:00Z","eventType":"user.session.start","outcome":{"result":"DENY"},"actor":{"id":"1","type":"User","alternateId":"a@b.example","displayName":"A B"},"client":{"ipAddress":"192.0.2.1","userAgent":{"rawUserAgent":"x"}}}`,
			map[string]any{"event.outcome": "failure", "user.name": "a", "user.domain": "b.example", "okta.client.user_agent.raw_user_agent": "x", "okta.published": "2024-01-01T20:00:00Z", "client.ip": "192.0.2.1", "client.userAgent": nil}},
		{"clientvpn", "", `{"connection-attempt-status":"failed","connection-last-update-time":"2024-01-06 03:05:15","egress-bytes":"5"}`,
			map[string]any{"event.outcome": "failure", "network.bytes": 5.0, "clientvpn.connection-last-update-time": "2024-01-06T03:05:15+00:00"}},
		{"nginx-ingress", "", `203.0.113.9 - - [07/Feb/2020:12:02:42 +0000] "GET /a?b HTTP/1.1" 502 61 "-" "curl/7.54.0" 348 0.105 [default-web2-8080] [] 172.17.0.6:8080, [2001:db8::7]:8080 : unix:/run/s 61, 100 : 7 0.1, 0.004 : - 200, 203 : 502 835136ae`,
			map[string]any{"source.ip": "203.0.113.9", "http.request.bytes": "348", "http.request.id": "835136ae", "event.duration": 105e6, "event.outcome": "failure", "destination.address": "unix:/run/s", "destination.ip": "2001:db8::7", "destination.port": "8080", "url.query": "b",
				"related.ip": []any{"172.17.0.6", "2001:db8::7", "203.0.113.9"}, "nginx.ingress_controller.upstream.name": "default-web2-8080", "nginx.ingress_controller.upstream.alternative_name": nil,
				"nginx.ingress_controller.upstream.response.length": "7", "nginx.ingress_controller.upstream.response.time": 0.104, "nginx.ingress_controller.upstream.response.status_code": "502"}},
		{"nginx-ingress", "", `203.0.113.9 - - [07/Feb/2020:12:02:42 +0000] "-" 400 0 "-" "-" 0 0.000 [] [] - - - - 835136ae`,
			map[string]any{"source.ip": "203.0.113.9", "http.request.id": "835136ae", "destination.address": nil, "nginx": nil}},
		{"route53-query", stream("/aws/route53/example.com", "Z1/IAD12"), `1.0 2024-01-01T08:15:50.235Z Z1 Sub.Example.com. AAAA NXDOMAIN TCP IAD12 2001:db8::1234 192.0.2.0/24`,
			map[string]any{"@timestamp": "2024-01-01T08:15:50.235Z", "dns.question.name": "Sub.Example.com", "dns.question.type": "AAAA", "dns.response_code": "NXDOMAIN", "network.transport": "tcp", "source.ip": "2001:db8::1234", "edns_client_subnet": "192.0.2.0/24", "edge_location": "IAD12"}},
		{"elasticache-redis-enginelog", stream("/redis", "cart-0001"), `cart/0001:M 29 Oct 2020 20:12:20.499 UTC # Possible SECURITY ATTACK detected.`,
			map[string]any{"@timestamp": "2020-10-29T20:12:20.499Z", "log.level": "WARNING", "host.name": "cart/0001", "elasticache.Message": "Possible SECURITY ATTACK detected.", "elasticache.Role": "M"}},
		{"elasticache-redis-enginelog", "", `{"CacheClusterId":"cart","CacheNodeId":"0001","LogLevel":"WARNING","Role":"M","Time":"29 Oct 2020 20:12:20.499 UTC","Message":"Possible SECURITY ATTACK detected."}`,
			map[string]any{"@timestamp": "2020-10-29T20:12:20.499Z", "log.level": "WARNING", "host.name": "cart/0001", "elasticache.Message": "Possible SECURITY ATTACK detected."}},
		{"deepsecurity-json", "", `{"EventType":"IntegrityEvent","LogDate":"2024-01-15T08:07:01.000Z","Hostname":"web-1.example (shop) [i-0123456789abcdef0]","HostInstanceID":"i-0123456789abcdef0","Action":2,"ChangeString":"Updated","EntityType":"File","Key":"/etc/passwd","User":"root","ProtocolString":"TCP"}`,
			map[string]any{"@timestamp": "2024-01-15T08:07:01Z", "event.category": []any{"file"}, "event.type": []any{"change"}, "event.action": "Updated", "host.hostname": "web-1.example", "cloud.instance.id": "i-0123456789abcdef0", "file.path": "/etc/passwd", "user.name": "root", "network.transport": "tcp", "deepsecurity.Action": "2"}},
		{"rds-postgresql", stream("/aws/rds/instance/db/postgresql", "db"), "2024-01-01 00:00:05 UTC:192.0.2.1(5000):u@d:[7]:LOG:  duration: 1500.5 ms  statement: SELECT 1\n  FROM x;",
			map[string]any{"rds.query": "SELECT 1\n  FROM x", "rds.query_time": 1.5005, "postgresql.query_step": "execute", "rds.instance_identifier": "db"}},
		{"rds-postgresql", "", "2024-07-01 12:00:00.5 CEST [7] u@d LOG:  disconnection: session time: 1:02:03.5 user=u",
			map[string]any{"@timestamp": "2024-07-01T10:00:00.5Z", "postgresql.session_time_seconds": 3723.5, "user.name": "u", "rds.database_name": "d", "postgresql.pid": "7"}},
		{"rds-mysql-audit", stream("/aws/rds/cluster/c/audit", "i.x"), `1706745600000003,h,u,192.0.2.1,1,2,QUERY,db,'SELECT \'日本\', 1;',0,,`,
			map[string]any{"event.outcome": "success", "rds.query": "SELECT '日本', 1;", "mysql.retcode": "0", "mysql.timestamp": 1706745600.000003, "rds.cluster_identifier": "c", "rds.instance_identifier": "i"}},
		{"rds-mysql-slowquery", "", "# User@Host: root[root] @  [192.0.2.9]\n# Thread_id: 25844  Schema: blah  QC_hit: No\n# Query_time: 178.3  Lock_time: 0.0\n# Rows_affected: 3062\nSET timestamp=1547741058;\ncall P('x');",
			map[string]any{"rds.query": "call P('x')", "rds.database_name": "blah", "mysql.thread_id": "25844", "source.ip": "192.0.2.9", "@timestamp": "2019-01-17T16:04:18Z"}},
		{"linux-secure", stream("/var/log/secure", "i-0123456789abcdef0"), "2024-01-15T10:00:00.25+02:00 host sshd[5]: Accepted none for bob from 2001:db8::1 port 7",
			map[string]any{"@timestamp": "2024-01-15T08:00:00.25Z", "source.ip": "2001:db8::1", "related.user": []any{"bob"}, "cloud.instance.id": "i-0123456789abcdef0", "related.hosts": []any{"host", "i-0123456789abcdef0"}}},
		{"apache-error", "", "[Mon Dec 26 16:22:08 2016] [error] [client 192.0.2.33] File does not exist: /x, referer: http://r.example/",
			map[string]any{"@timestamp": "2016-12-26T16:22:08Z", "http.request.referrer": "http://r.example/", "event.type": []any{"error"}}},
		{"nginx-error", "", `2024/01/15 10:00:00 [error] 1#2: *3 open() "/x" failed, client: 192.0.2.1, server: s, referrer: "http://r/", host: "h:8080"`,
			map[string]any{"url.domain": "h", "url.port": "8080", "http.request.referrer": "http://r/", "nginx.error.connection_id": "3"}},
		{"apache-ecs", `{"account":"1","container":{"container_name":"/web","source":"stdout"}}`, `172.17.0.1 - - [03/Oct/2019:00:06:20 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/7.54.0" "-"`,
			map[string]any{"@log_type": "apache", "url.path": "/", "response_bytes": "612", "container.name": "/web"}},
	} {
		m := document(t, try.name, try.envelope, try.record)
		for path, want := range try.want {
			if got := m.at(path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s is %v, want %v\n%s", try.name, path, got, want, try.record)
			}
		}
	}
}

// TestCloudHSM: the id is the HSM's own count, and only SUCCESS is success.
func TestCloudHSM(t *testing.T) {
	record := strings.Join([]string{"Time: 12/19/17 21:01:16.962174, usecs:1513717276962174", "Sequence No : 0x2a", "Reboot counter : 0xe8",
		"Command Type(hex) : CN_MGMT_CMD (0x0)", "Opcode : CN_LOGIN (0xd)", "Session Handle : 0x1004001", "Response : 163:HSM Error: The PIN is wrong",
		"Log type : MGMT_USER_DETAILS_LOG (2)", "User Name : admin", "User Type : CN_CRYPTO_OFFICER (2)"}, "\n")
	m := document(t, "cloudhsm", `{"log_group":"/aws/cloudhsm/cluster-a","log_stream":"hsm-b"}`, record)
	for path, want := range map[string]any{
		"event.outcome": "failure", "cloudhsm.sequence_no": 42.0, "cloudhsm.cluster_id": "cluster-a", "user.name": "admin",
		"user.roles": []any{"CN_CRYPTO_OFFICER"}, "@timestamp": "2017-12-19T21:01:16.962174Z", "related.hosts": []any{"cluster-a", "hsm-b"},
	} {
		if got := m.at(path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if want := "hsm-b0x2a1513717276962174"; m.id != want {
		t.Errorf("id %s, want %s", m.id, want)
	}
}
