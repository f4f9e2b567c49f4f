package golden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// filebeatKeys are keys of objects of each type.
var filebeatKeys = map[string]string{
	"apache-access":       "AWSLogs/123456789012/Apache/Access/us-east-1/1.log",
	"apache-error":        "AWSLogs/123456789012/Apache/Error/us-east-1/1.log",
	"nginx-access":        "AWSLogs/123456789012/Nginx/Access/us-east-1/1.log",
	"nginx-ingress":       "AWSLogs/123456789012/Nginx-Ingress/us-east-1/1.log",
	"nginx-error":         "AWSLogs/123456789012/Nginx/Error/us-east-1/1.log",
	"rds-mysql-error":     "AWSLogs/123456789012/RDS/MySQL/error/1.log",
	"rds-mysql-slowquery": "AWSLogs/123456789012/RDS/MySQL/slowquery/1.log",
	"rds-postgresql":      "AWSLogs/123456789012/RDS/PostgreSQL/1.log",
	"linux-secure":        "AWSLogs/123456789012/Linux/Secure/1.log",
	"linux-os-syslog":     "AWSLogs/123456789012/Linux/1.log",
	"windows-iis":         "AWSLogs/123456789012/IIS/W3SVC1/u_ex240101.log",
	"windows-httperr":     "AWSLogs/123456789012/IIS/HTTPERR/httperr1.log",
	"linux-auditd":        "AWSLogs/123456789012/Linux/Audit/1.log",
}

// TestFilebeat compares documents with those that Filebeat's modules make of
// the same files (filebeat/SOURCES.md): a field that both have agrees, or the
// difference has a row in the table below.
func TestFilebeat(t *testing.T) {
	geo := enrich.OpenGeo("../../filters/enrich/testdata/mmdb", discard)
	defer geo.Close()
	types, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	used := map[*beatsDifference]bool{}
	for name, key := range filebeatKeys {
		lt, why := types.Match("bucket", key)
		if lt == nil || lt.Name != name {
			t.Fatalf("%s: %v, %s", key, lt, why)
		}
		files, err := filepath.Glob(filepath.Join("filebeat", name, "*-expected.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files: %v", name, err)
		}
		for _, path := range files {
			path = strings.TrimSuffix(path, "-expected.json")
			t.Run(name+"/"+filepath.Base(path), func(t *testing.T) { compareBeats(t, path, key, lt, geo, used) })
		}
	}
	for i := range beatsDifferences {
		if !used[&beatsDifferences[i]] {
			t.Errorf("difference %q is met by no file: delete the row", beatsDifferences[i].reason)
		}
	}
}

func compareBeats(t *testing.T, path, key string, lt *logtype.Type, geo *enrich.Geo, used map[*beatsDifference]bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []map[string]any
	expected, err := os.ReadFile(path + "-expected.json")
	if err == nil {
		err = json.Unmarshal(expected, &theirs)
	}
	if err != nil {
		t.Fatal(err)
	}
	ours := byOffset(t, text, key, lt, geo)
	for _, want := range theirs {
		offset := int(want["log.offset"].(float64))
		got, ok := ours[offset]
		if lt.Name == "rds-mysql-slowquery" && !ok && offset > 0 { // theirs begin behind the line # Time
			got, ok = ours[bytes.LastIndexByte(text[:offset-1], '\n')+1]
		}
		if !ok {
			row := beatsRow(lt.Name, "missing", string(text[offset:min(len(text), offset+200)]), nil)
			if row == nil {
				t.Errorf("no document of the record at byte %d: %.200q", offset, text[offset:])
			} else {
				used[row] = true
			}
			continue
		}
		for _, field := range sortedFields(want) {
			mine := field
			if other, ok := beatsNames[lt.Name+" "+field]; ok {
				mine = other
			}
			w, g := beatsValue(field, want[field]), beatsValue(field, got[mine])
			if g == nil || reflect.DeepEqual(w, g) {
				continue
			}
			row := beatsRow(lt.Name, field, w, g)
			if row == nil {
				t.Errorf("byte %d: %s:\n  Filebeat %v\n  ours     %v\n  %.200q", offset, field, w, g, text[offset:min(len(text), offset+200)])
			} else {
				used[row] = true
			}
		}
	}
}

// beatsNames are the fields that have another name here.
var beatsNames = map[string]string{
	"apache-error message":                                       "error.message",
	"nginx-error message":                                        "error.message",
	"linux-secure message":                                       "syslog_message",
	"linux-os-syslog message":                                    "syslog_message",
	"linux-secure system.auth.sudo.command":                      "event.action",
	"rds-mysql-error message":                                    "rds.message",
	"rds-mysql-error mysql.thread_id":                            "mysql.thread_id",
	"rds-mysql-slowquery mysql.slowlog.query":                    "rds.query",
	"rds-mysql-slowquery mysql.slowlog.schema":                   "rds.database_name",
	"rds-mysql-slowquery mysql.slowlog.lock_time.sec":            "mysql.lock_time",
	"rds-postgresql message":                                     "rds.message",
	"rds-postgresql postgresql.log.query":                        "rds.query",
	"rds-postgresql postgresql.log.database":                     "rds.database_name",
	"rds-postgresql postgresql.log.query_step":                   "postgresql.query_step",
	"rds-postgresql postgresql.log.application_name":             "postgresql.application_name",
	"rds-postgresql postgresql.log.backend_type":                 "postgresql.backend_type",
	"rds-postgresql postgresql.log.client_addr":                  "source.ip",
	"rds-postgresql postgresql.log.client_port":                  "source.port",
	"rds-postgresql postgresql.log.command_tag":                  "postgresql.command_tag",
	"rds-postgresql postgresql.log.detail":                       "postgresql.detail",
	"rds-postgresql postgresql.log.session_id":                   "postgresql.session_id",
	"rds-postgresql postgresql.log.sql_state_code":               "postgresql.state_code",
	"rds-postgresql postgresql.log.transaction_id":               "postgresql.transaction_id",
	"rds-postgresql postgresql.log.virtual_transaction_id":       "postgresql.virtual_transaction_id",
	"nginx-ingress nginx.ingress_controller.http.request.id":     "http.request.id",
	"nginx-ingress nginx.ingress_controller.http.request.length": "http.request.bytes",
	"nginx-ingress nginx.ingress_controller.upstream.ip":         "destination.ip",
	"nginx-ingress nginx.ingress_controller.upstream.port":       "destination.port",
	"nginx-access nginx.access.remote_ip_list":                   "http.request.header.x_forwarded_for",
	"windows-iis iis.access.sub_status":                          "iis.sc_substatus",
	"windows-iis iis.access.win32_status":                        "iis.sc_win32_status",
	"windows-iis iis.access.site_name":                           "service.name",
	"windows-iis iis.access.server_name":                         "host.name",
	"windows-iis iis.access.cookie":                              "iis.cs_Cookie",
	"windows-iis network.forwarded_ip":                           "http.request.header.x_forwarded_for",
	"windows-httperr iis.error.reason_phrase":                    "event.reason",
	"windows-httperr iis.error.queue_name":                       "iis.s_queuename",
}

// byOffset returns flat documents by where their records stand in the file.
func byOffset(t *testing.T, text []byte, key string, lt *logtype.Type, geo *enrich.Geo) map[int]map[string]any {
	t.Helper()
	conv := (&ecs.Engine{Geo: geo, Agents: agents, Now: func() time.Time { return clock }}).NewConverter()
	docs := map[int]map[string]any{}
	at := 0
	var o *ecs.Object
	var head *split.Head
	_, err := split.Records(bytes.NewReader(text), lt.Framing(), split.Limits{}, func(r split.Record) error {
		first, _, _ := bytes.Cut(r.Raw, []byte("\n"))
		i := bytes.Index(text[at:], bytes.TrimRight(first, "\r"))
		if i < 0 {
			return fmt.Errorf("record %d is not in the file after byte %d: %.100q", r.Number, at, r.Raw)
		}
		at += i
		if head != r.Head {
			head = r.Head
			var err error
			if o, err = conv.Object(lt, lease.Source{Bucket: "bucket", Key: key, LogType: lt.Name, Header: head.Header}); err != nil {
				return err
			}
		}
		if r.Bad == nil && conv.Convert(o, r.Number, r.Envelope, r.Raw) == nil {
			var doc map[string]any
			if err := json.Unmarshal(conv.AppendJSON(nil), &doc); err != nil {
				return err
			}
			flat := map[string]any{}
			flatten("", doc, flat)
			docs[at] = flat
		}
		at += len(first)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func flatten(path string, v any, into map[string]any) {
	object, ok := v.(map[string]any)
	if !ok {
		into[path] = v
		return
	}
	for k, item := range object {
		flatten(strings.TrimPrefix(path+"."+k, "."), item, into)
	}
}

func sortedFields(m map[string]any) []string {
	var names []string
	for k := range m {
		if !beatsOwn.MatchString(k) {
			names = append(names, k)
		}
	}
	sort.Strings(names)
	return names
}

// beatsOwn are the fields in which a shipper tells of itself.
var beatsOwn = regexp.MustCompile(`^(event\.(dataset|module|original|timezone|kind)|fileset\.name|input\.type|log\.(offset|flags|file\.path)|service\.type)$`)

// beatsValue makes values comparable: numbers are texts of one form, lists are sorted, a
// list of one is its item, times are instants.
func beatsValue(field string, v any) any {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return fmt.Sprint(v)
	case string:
		if field == "@timestamp" {
			if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
				return t.UTC().Truncate(time.Millisecond)
			}
		}
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return beatsValue(field, f)
		}
		return v
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, fmt.Sprint(beatsValue("", item)))
		}
		sort.Strings(items)
		if len(items) == 1 {
			return items[0]
		}
		return items
	}
	return v
}

// beatsDifference is why a field that both have is not the same.
type beatsDifference struct {
	types  string // as permitted.types
	field  string
	reason string
	test   func(theirs, ours any) bool
}

func beatsRow(logType, field string, want, got any) *beatsDifference {
	for i := range beatsDifferences {
		row := &beatsDifferences[i]
		if row.types != "*" && !strings.Contains(" "+row.types+" ", " "+logType+" ") {
			continue
		}
		if regexp.MustCompile(`^(?:`+row.field+`)$`).MatchString(field) && (row.test == nil || row.test(want, got)) {
			return row
		}
	}
	return nil
}
