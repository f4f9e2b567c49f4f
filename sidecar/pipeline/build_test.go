package pipeline

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

func TestProblemsOfAConfigurationAreReportedTogether(t *testing.T) {
	k := kit(map[string]Input{"s3_sqs": say("")}, nil, map[string]Output{"broken": nil})
	k.Filters["ecs"] = Plugin[Filter]{Keys: []string{"geoip_dir"}, Make: func(func(string) string, Host) (Filter, error) {
		var bad settings.Problems
		bad.Add("geoip_dir", "is bad")
		bad.Add("document_id", "is missing")
		return nil, fmt.Errorf("ecs filter:\n%w", bad.Err())
	}}
	_, err := New(read(t, `service: {flush: never, grace: -1}
pipeline:
  inputs:
    - name: s3_sqs
      tag: siem
      que_url: x
      storage.type: filesystem
      mem_buf_limit: lots
      retry_limt: 5
    - name: s3sqs
  filters:
    - name: ecs
      geoip_dir: x
      match: "*"
    - name: ecs
  outputs:
    - name: stdout
      match_regex: "("
      format: xml
      workers: many
      retry_limit: 0
`), k)
	for _, want := range []string{
		`p.yaml:1:11: flush is "never"; write a number of seconds`,
		`p.yaml:1:25: grace is "-1"`,
		`p.yaml:6:7: s3_sqs has no setting que_url; did you mean queue_url?`,
		`p.yaml:8:7: mem_buf_limit: "lots" is not an amount of bytes`,
		`p.yaml:9:7: s3_sqs has no setting retry_limt; did you mean retry_limit?`,
		`p.yaml:10:7: there is no input s3sqs here, only s3_sqs; did you mean s3_sqs?; others need Fluent Bit itself`,
		`p.yaml:13:7: ecs: geoip_dir: is bad`,
		`p.yaml:12:7: ecs: document_id: is missing`,
		`p.yaml:15:7: this filter has no match`,
		`p.yaml:18:7: match_regex is not a regular expression`,
		`p.yaml:19:7: stdout: format: "xml" is not known here`,
		`p.yaml:20:7: workers is "many"`,
		`p.yaml:21:7: retry_limit is "0"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "storage.type") {
		t.Errorf("a key of the host was refused:\n%v", err)
	}
}

func TestAcknowledgeIndexedWithoutAnOutputThatJudgesIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		acknowledge, output string
		want                bool
	}{{"", "stdout", true}, {"acknowledge: indexed", "stdout", true}, {"acknowledge: queued", "stdout", false}, {"", "bulk", false}} {
		var log bytes.Buffer
		_, err := New(read(t, "pipeline: {inputs: [{name: in, "+c.acknowledge+"}], outputs: [{name: "+c.output+"}]}"),
			kit(map[string]Input{"in": say("")}, nil, map[string]Output{"bulk": &fakeOutput{}}), WithLog(slog.New(slog.NewTextHandler(&log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "no notification will ever be deleted"); got != c.want {
			t.Errorf("%+v: warned %v\n%s", c, got, log.String())
		}
	}
}

func TestAMisspelledServiceSettingIsWarnedOf(t *testing.T) {
	var log bytes.Buffer
	_, err := New(read(t, "service: {graec: 5, storage.path: x, http_server: on, HC_Errors_Count: 5}\npipeline: {inputs: [{name: in, acknowledge: queued}], outputs: [{name: stdout}]}"),
		kit(map[string]Input{"in": say("")}, nil, nil), WithLog(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), "no service setting graec; did you mean grace?") || !strings.Contains(log.String(), "p.yaml:1:11") {
		t.Errorf("logged:\n%s", log.String())
	}
}
