package ecs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// convertAll converts an object of a type that is written in YAML.
func convertAll(t *testing.T, file, key, object string) (docs []map[string]any, failed []error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "type.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := logtype.NewRegistry()
	if err == nil {
		err = r.Load(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	lt, why := r.Match("bucket", key)
	if lt == nil {
		t.Fatal(why)
	}
	e := &Engine{IDs: Content, Now: func() time.Time { return time.Date(2024, 6, 15, 0, 0, 0, 0, time.UTC) }}
	c := e.NewConverter()
	var o *Object
	var head *split.Head
	_, err = split.Records(strings.NewReader(object), lt.Framing(), split.Limits{}, func(r split.Record) error {
		if r.Bad != nil {
			failed = append(failed, r.Bad)
			return nil
		}
		if r.Head != head {
			head = r.Head
			if o, err = c.Object(lt, lease.Source{Bucket: "bucket", Key: key, LogType: lt.Name, Header: head.Header}); err != nil {
				return err
			}
		}
		if err := c.Convert(o, r.Number, r.Envelope, r.Raw); err != nil {
			failed = append(failed, err)
			return nil
		}
		var d map[string]any
		if err := json.Unmarshal(c.AppendJSON(nil), &d); err != nil {
			t.Errorf("%v: %s", err, c.AppendJSON(nil))
		}
		docs = append(docs, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs, failed
}

// at returns what a document has at a path, as text.
func at(doc map[string]any, path string) string {
	var v any = doc
	for _, name := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

func wantAt(t *testing.T, doc map[string]any, want map[string]string) {
	t.Helper()
	for path, value := range want {
		if got := at(doc, path); got != value {
			t.Errorf("%s is %q, want %q", path, got, value)
		}
	}
}

const containerLines = `{"source":"stdout","log":"{\"time\":\"2024-01-01T00:00:00Z\",\"ip\":\"1.128.0.1\",\"n\":{\"x\":1}}","container_id":"c1","container_name":"/web","ecs_task_arn":"arn:aws:ecs:us-east-2:210987654321:task/mycluster/1","ec2_instance_id":"i-1"}
{"source":"stderr","log":"panic: 1","container_id":"c1","container_name":"/web","ecs_cluster":"mycluster"}
`

func TestContainers(t *testing.T) {
	docs, failed := convertAll(t, `
name: app
key: app/
format: json
container_stderr: true
time: [{field: time, layout: iso8601}]
index: {name: log-app}
ecs: {source.ip: ip}
`, "app/1.log", containerLines)
	if len(docs) != 2 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{
		"container_id": "c1", "container_name": "/web", "container_source": "stdout", "ecs_task_arn": "arn:aws:ecs:us-east-2:210987654321:task/mycluster/1",
		"container.id": "c1", "container.name": "/web", "cloud.instance.id": "i-1", "cloud.account.id": "210987654321", "cloud.region": "us-east-2", "source.ip": "1.128.0.1",
	})
	wantAt(t, docs[1], map[string]string{"container_source": "stderr", "@message": "panic: 1", "ecs_cluster": "mycluster"})
	if !strings.HasPrefix(at(docs[1], "error.message"), "invalid json file: ") {
		t.Errorf("error.message is %q", at(docs[1], "error.message"))
	}
}

// TestContainersInALogGroup: the envelope around names the account, the task's
// ARN the region.
func TestContainersInALogGroup(t *testing.T) {
	line, _, _ := strings.Cut(containerLines, "\n")
	message, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	docs, failed := convertAll(t, "name: app\nkey: app/\nformat: json\nindex: {name: log-app}\n", "app/1.log",
		`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1704067200000,"message":`+string(message)+`}]}`)
	if len(docs) != 1 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{"cloud.account.id": "123456789012", "cloud.region": "us-east-2", "container.id": "c1", "@log_group": "g"})
}

// The ids are those that the original gave (golden case custom-firelens-json).
func TestContentIDsOfContainers(t *testing.T) {
	docs, _ := convertAll(t, "name: app\nkey: custom/\nformat: json\ncontainer_stderr: true\nindex: {name: log-app}\n", "custom/firelens-json/1.log.gz",
		`{"source":"stdout","log":"{\"time\":\"2024-01-01T00:00:00Z\",\"ip\":\"1.128.0.1\",\"user\":\"u\",\"n\":{\"x\":1}}","container_name":"/ecs-demo-web","container_id":"1"}`+
			`{"source":"stderr","log":"panic: 1","container_id":"2","container_name":"/ecs-demo-web"}`)
	for i, id := range []string{"692e00289fc0176560a7a969ee498efa", "1ce894706be376db83ab01b130253f53"} {
		if i >= len(docs) || at(docs[i], "@id") != id {
			t.Errorf("document %d is not %s: %v", i, id, docs)
		}
	}
}

func TestTextOfContainersThatIsNoLogIsKept(t *testing.T) {
	docs, failed := convertAll(t, `
name: app
key: app/
format: pattern
pattern: (?P<container_id>\d+) (?P<word>\w+)
index: {name: log-app}
`, "app/1.log", `{"log":"12 word","container_id":"c1"}`+"\n"+`{"log":"banner","container_id":"c1"}`)
	if len(docs) != 2 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{"container_id": "12", "word": "word", "container.id": "c1"})
	wantAt(t, docs[1], map[string]string{"container_id": "c1", "@message": "banner", "error.message": "the pattern does not match"})
}

func TestHeaderThatLacks(t *testing.T) {
	const key = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/01/15/x.log"
	line := "2 123456789012 eni-1 10.0.0.1 203.0.113.9 443 4711 6 20 4249 1705312800 1705312860 ACCEPT OK"
	types := "name: other\nkey: nothing/\nformat: json\nindex: {name: x}\n"
	for name, object := range map[string]string{
		"first line": line + "\n",
		"log group":  `{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1,"message":"` + line + `"}]}`,
	} {
		docs, failed := convertAll(t, types, key, object)
		if len(docs) != 1 || len(failed) > 0 {
			t.Errorf("%s: %d documents, %v", name, len(docs), failed)
			continue
		}
		wantAt(t, docs[0], map[string]string{"source.ip": "10.0.0.1", "destination.port": "4711", "interface_id": "eni-1"})
	}
	if docs, failed := convertAll(t, types, key, "2 eni-1 10.0.0.1\n"); len(docs) != 0 || len(failed) != 1 {
		t.Errorf("columns that nobody names made %d documents, %v", len(docs), failed)
	}
}
