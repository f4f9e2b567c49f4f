package ecs

import (
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// TestForms: one object of a log may have records in each form that its type
// reads, and what a field means does not depend on the form.
func TestForms(t *testing.T) {
	types, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, key string
		records   []string // of one event, in several forms
		want      map[string]any
	}{
		{"PostgreSQL, versions 9 to 17", "AWSLogs/123456789012/RDS/PostgreSQL/1.log", []string{
			`2024-01-15 08:05:01 UTC:203.0.113.7(50123):ann@shop:[77]:LOG:  duration: 12.5 ms  statement: select 1`,
			`2024-01-15 08:05:01.000 UTC,"ann","shop",77,"203.0.113.7:50123",65a4e6c0.4d,3,"SELECT",2024-01-15 08:00:00 UTC,3/4,0,LOG,00000,"duration: 12.5 ms  statement: select 1",,,,,,,,,"psql"`,
			`2024-01-15 08:05:01.000 UTC,"ann","shop",77,"203.0.113.7:50123",65a4e6c0.4d,3,"SELECT",2024-01-15 08:00:00 UTC,3/4,0,LOG,00000,"duration: 12.5 ms  statement: select 1",,,,,,,,,"psql","client backend",,0`,
			`{"timestamp":"2024-01-15 08:05:01.000 UTC","user":"ann","dbname":"shop","pid":77,"remote_host":"203.0.113.7","remote_port":50123,"session_id":"65a4e6c0.4d","line_num":3,"ps":"SELECT","error_severity":"LOG","message":"duration: 12.5 ms  statement: select 1"}`,
		}, map[string]any{"@timestamp": "2024-01-15T08:05:01Z", "user.name": "ann", "rds.database_name": "shop", "source.ip": "203.0.113.7", "log.level": "LOG", "rds.query": "select 1", "rds.query_time": 0.0125, "error.code": nil}},
		{"a statement that failed", "AWSLogs/123456789012/RDS/PostgreSQL/1.log", []string{
			"2024-01-15 08:05:01.000 UTC,\"ann\",\"shop\",77,\"[local]\",65a4e6c0.4d,3,\"SELECT\",2024-01-15 08:00:00 UTC,3/4,0,ERROR,42P01,\"relation \"\"a, b\"\" does not exist\",,\"look, \"\"again\"\"\",,,,\"select *\nfrom t;\",15,,\"psql\",\"client backend\",,7,\"of a version to come\"",
			`{"timestamp":"2024-01-15 08:05:01.000 UTC","user":"ann","dbname":"shop","pid":77,"remote_host":"[local]","error_severity":"ERROR","state_code":"42P01","message":"relation \"a, b\" does not exist","hint":"look, \"again\"","statement":"select *\nfrom t;"}`,
		}, map[string]any{"user.name": "ann", "error.code": "42P01", "rds.query": "select *\nfrom t", "rds.message": `relation "a, b" does not exist`, "postgresql.hint": `look, "again"`, "source.ip": nil}},
		{"Redis", "AWSLogs/123456789012/redis/slow/1.log", []string{
			`{"CacheClusterId":"cart","CacheNodeId":"0001","Id":296,"Timestamp":1605631822,"Duration (us)":30,"Command":"SET a, b ... (1 more arguments)","ClientAddress":"192.168.12.104:55452","ClientName":"web##"}`,
			`cart,0001,296,1605631822,30,SET a, b ... (1 more arguments),192.168.12.104:55452,web## `,
		}, map[string]any{"@timestamp": "2020-11-17T16:50:22Z", "source.ip": "192.168.12.104", "source.port": "55452", "elasticache.CacheClusterId": "cart", "elasticache.Command": "SET a, b ... (1 more arguments)", "elasticache.ClientName": "web##"}},
		{"OpenSearch", "AWSLogs/123456789012/OpenSearch/Audit/1.log", []string{
			`{"audit_category":"FAILED_LOGIN","@timestamp":"2022-02-15T06:40:01.964+00:00","audit_request_remote_address":"203.0.113.7","audit_request_effective_user":"admin"}`,
			`[2022-02-15T06:40:01,965][INFO ][sgaudit ] [opensearch-0] {"audit_category":"FAILED_LOGIN","@timestamp":"2022-02-15T06:40:01.964+00:00","audit_request_remote_address":"203.0.113.7","audit_request_effective_user":"admin"}`,
			`[{"audit_category":"FAILED_LOGIN","@timestamp":"2022-02-15T06:40:01.964+00:00","audit_request_remote_address":"203.0.113.7","audit_request_effective_user":"admin"}]`,
		}, map[string]any{"@timestamp": "2022-02-15T06:40:01.964Z", "event.outcome": "failure", "source.ip": "203.0.113.7", "user.name": "admin", "opensearch.audit_category": "FAILED_LOGIN"}},
	} {
		docs := objectDocuments(t, types, test.key, strings.Join(test.records, "\n")+"\n")
		if len(docs) != len(test.records) {
			t.Errorf("%s: %d documents of %d records", test.name, len(docs), len(test.records))
		}
		for i, doc := range docs {
			doc.check(t, test.name+": "+test.records[i], test.want)
		}
	}
}

// TestNoForm: a record in no form is unreadable, and the reason is that of the
// type's format; one that an agent sent through a log group is kept.
func TestNoForm(t *testing.T) {
	types, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	c := (&Engine{IDs: Content}).NewConverter()
	for _, test := range []struct{ logType, envelope, record, want string }{
		{"rds-postgresql", "", "2024-01-15 08:05:01 UTC, a, b", "the pattern does not match"},
		{"rds-postgresql", "", `{"timestamp":`, "the pattern does not match"},
		{"elasticache-redis-slowlog", "", "cart,0001,soon,30,GET,192.168.12.104:1,x", "not JSON: "},
		{"elasticache-redis-slowlog", `{"log_group":"g","id":"1"}`, "cart", ""},
		{"elasticache-redis-slowlog", `{"log_group":"g","id":"1"}`, "cart,1,1605631822,30,GET,192.168.12.104:1,x", ""},
	} {
		lt := types.Set().Type(test.logType)
		o, err := c.Object(lt, lease.Source{Bucket: "b", Key: "k", LogType: lt.Name})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := c.Convert(o, 1, []byte(test.envelope), []byte(test.record)); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %s: %q, want %q", test.logType, test.record, got, test.want)
		}
	}
}

const ownForms = `
name: app
key: app/
format: columns
columns: {separator: ";", required: 3, names: [time, user, path]}
otherwise:
  - format: pattern
    pattern: '(?P<time>\S+) (?P<user>\S+) took (?P<ms>\d+)'
  - format: columns
    columns: {separator: ",", quote: '"', required: 3, names: [user, time, path]}
time: [{field: time, layout: iso8601}]
index: {name: log-app}
ecs: {user.name: user, url.path: path}
expressions:
  event.duration: number(ms) * 1000000
`

// TestFormsOfOnesOwn: a type of the user's own may have forms, whose fields
// expressions know.
func TestFormsOfOnesOwn(t *testing.T) {
	docs, failed := convertAll(t, ownForms, "app/1.log", "2024-01-01T00:00:00Z;ann;/a b\n2024-01-01T00:00:01Z bob took 7\n\"carol \"\"c\"\"\",2024-01-01T00:00:02Z,\"/x,y\"\nnothing\n")
	if len(docs) != 3 || len(failed) != 1 || failed[0].Error() != "1 columns, want at least 3" {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{"user.name": "ann", "url.path": "/a b", "@timestamp": "2024-01-01T00:00:00Z"})
	wantAt(t, docs[1], map[string]string{"user.name": "bob", "@timestamp": "2024-01-01T00:00:01Z"})
	if d, _ := docs[1]["event"].(map[string]any); d["duration"] != 7e6 {
		t.Errorf("event is %v", d)
	}
	wantAt(t, docs[2], map[string]string{"user.name": `carol "c"`, "url.path": "/x,y", "@timestamp": "2024-01-01T00:00:02Z"})
}

func TestFormsThatCannotWork(t *testing.T) {
	for _, try := range []struct{ from, to, want string }{
		{"number(ms)", "number(millis)", "the record has no field millis; there are"},
		{"format: pattern", "format: syslog", `"syslog" is none of json, columns and pattern`},
		{"took (?P<ms>", "took (?P<ms", "otherwise[0].pattern: error parsing regexp"},
		{"names: [user, time, path]", "names: []", "otherwise[1].columns.names: is empty"},
		{"quote: '\"', required: 3", "header: true", "otherwise[1].columns.header: cannot be"},
		{`took (?P<ms>\d+)'`, "took (?P<ms>\\d+)'\n    object: rest", "otherwise[0].object: the pattern has no group rest"},
		{"required: 3, names: [time, user, path]}", "header: true}", "otherwise: is for types whose objects are lines or JSON"},
	} {
		if _, err := parseType(t, strings.Replace(ownForms, try.from, try.to, 1)); err == nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("%s: %v, want %s", try.to, err, try.want)
		}
	}
}
