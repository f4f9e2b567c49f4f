package ecs

import (
	"fmt"
	"testing"
)

// TestMappingReadsWhatStandsAroundTheRecord: log group and stream, the object's
// key, what FireLens says of the container.
func TestMappingReadsWhatStandsAroundTheRecord(t *testing.T) {
	const file = "name: own\nformat: json\nkey: own/\nindex: {name: log-own}\n" +
		"ecs: {host.name: '@log_stream', file.path: '@log_s3key', service.name: [container_name, app], process.name: app}\n"
	docs, failed := convertAll(t, file, "own/1.json",
		`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"i-1","logEvents":[{"id":"1","timestamp":1718452860000,"message":"{\"app\":\"a\"}"}]}`)
	if len(docs) != 1 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{"host.name": "i-1", "file.path": "own/1.json", "service.name": "a", "process.name": "a"})
	docs, failed = convertAll(t, file, "own/1.json",
		`{"log":"{\"app\":\"a\"}","container_id":"c","container_name":"web","source":"stdout","ecs_cluster":"k","ecs_task_arn":"arn:aws:ecs:eu-west-1:123456789012:task/t","ecs_task_definition":"d:1"}`)
	if len(docs) != 1 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{"service.name": "web", "process.name": "a"})
}

// TestMappingOfAListTakesOneOfSeveral: a candidate of a list may have others that
// count where it has nothing.
func TestMappingOfAListTakesOneOfSeveral(t *testing.T) {
	docs, failed := convertAll(t, "name: own\nformat: json\nkey: own/\nindex: {name: log-own}\necs: {related.ip: [a, b | c | d]}\n", "own/1.json",
		`{"a":"192.0.2.1","b":"192.0.2.2","c":"192.0.2.3"}{"a":"192.0.2.1","b":"","c":"192.0.2.3","d":"192.0.2.4"}{"d":"192.0.2.4"}`)
	if len(docs) != 3 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	for i, want := range []string{"[192.0.2.1 192.0.2.2]", "[192.0.2.1 192.0.2.3]", "[192.0.2.4]"} {
		related, _ := docs[i]["related"].(map[string]any)
		if got := fmt.Sprint(related["ip"]); got != want {
			t.Errorf("related.ip is %s, want %s", got, want)
		}
	}
}

// TestRenamesOfColumnsAndGroups: they are renamed as the fields of JSON are.
func TestRenamesOfColumnsAndGroups(t *testing.T) {
	docs, failed := convertAll(t, "name: own\nformat: pattern\npattern: '(?P<type>\\w+) (?P<b>\\w+)'\nkey: own/\nindex: {name: log-own}\nrename: {kind: type}\necs: {event.action: kind}\n", "own/1", "x y\n")
	if len(docs) != 1 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{"kind": "x", "type": "", "event.action": "x"})
}

// TestTimeInTheKeyAsAPatternSays: with the groups of the pattern, in the type's
// zone; where the key does not match, the time is found elsewhere.
func TestTimeInTheKeyAsAPatternSays(t *testing.T) {
	const file = "name: own\nformat: json\nkey: own/\nindex: {name: log-own, rotation: daily}\n" +
		"time:\n  - {field: '@key', pattern: '(?P<year>\\d{4})/(?P<month>\\d\\d)/(?P<day>\\d\\d)(?:/(?P<hour>\\d\\d))?', zone: '+09:00'}\n"
	for key, want := range map[string]string{
		"own/2024/01/11/05/x": "2024-01-10T20:00:00Z",
		"own/2024/01/11/x":    "2024-01-10T15:00:00Z",
		"own/2024/02/30/05/x": "2024-06-15T00:00:00Z",
		"own/x":               "2024-06-15T00:00:00Z",
	} {
		docs, failed := convertAll(t, file, key, `{"a":1}`)
		if len(docs) != 1 || len(failed) > 0 {
			t.Fatalf("%d documents, %v", len(docs), failed)
		}
		wantAt(t, docs[0], map[string]string{"@timestamp": want})
	}
}

// TestDoubledQuotes: in CSV two quotes within a column are one.
func TestDoubledQuotes(t *testing.T) {
	docs, failed := convertAll(t, "name: own\nformat: columns\ncolumns: {header: true, separator: ',', quote: '\"'}\nkey: own/\nindex: {name: log-own}\n", "own/1",
		"a,b\n\"one \"\"q\"\",\nand more\",\"\"\"\"\n")
	if len(docs) != 1 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{"a": "one \"q\",\nand more", "b": "\""})
}

// TestContentIDsOfWhatPythonDropped: the original dropped bytes that are no UTF-8,
// and named the id of nothing in what it kept as it came.
func TestContentIDsOfWhatPythonDropped(t *testing.T) {
	const file = "name: own\nformat: pattern\npattern: '(?P<a>.*)'\nkey: own/\nindex: {name: log-own}\n"
	docs, failed := convertAll(t, file, "own/1", "a\xff\xfeb\nab\n")
	if len(docs) != 2 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	if id := at(docs[0], "@id"); id != at(docs[1], "@id") || id != "187ef4436122d1cc2f40dc2b92f0eba0" {
		t.Errorf("@id is %s and %s", id, at(docs[1], "@id"))
	}
}
