package s3sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

const s3Record = `{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2024-01-15T12:00:00.000Z","eventName":"ObjectCreated:Put",` +
	`"s3":{"bucket":{"name":"logs"},"object":{"key":"a+b%%2Bc/%s.json","size":12,"eTag":"e","versionId":"v1","sequencer":"1"}}}`

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

func TestNotifications(t *testing.T) {
	one := fmt.Sprintf(s3Record, "x")
	s3 := `{"Records":[` + one + `]}`
	sns := func(body string) string {
		return `{"Type":"Notification","TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":` + quote(body) + `}`
	}
	const eb = `{"version":"0","detail-type":"Object Created","source":"aws.s3","account":"123456789012","time":"2024-01-15T12:00:00Z","region":"eu-west-1","resources":[],` +
		`"detail":{"version":"0","bucket":{"name":"logs"},"object":{"key":"a+b%2Bc/x.json","size":12,"etag":"e","version-id":"v1","sequencer":"1"},"reason":"PutObject"}}`
	for _, c := range []struct {
		name, body string
		want       []string // bucket/key version size region first-last
	}{
		{"S3", s3, []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"S3, several records", `{"Records":[` + one + `,` + fmt.Sprintf(s3Record, "y") + `]}`, []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0", "logs/a b+c/y.json v1 12 eu-west-1 0-0"}},
		{"S3, the least", `{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`, []string{"b/k  -1  0-0"}},
		{"S3, removed", strings.ReplaceAll(s3, "ObjectCreated:Put", "ObjectRemoved:Delete"), nil},
		{"S3, restored", strings.ReplaceAll(s3, "ObjectCreated:Put", "ObjectRestore:Completed"), []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"S3, broken encoding", `{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"100%"}}}]}`, []string{"b/100%  -1  0-0"}},
		{"SNS", sns(s3), []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"SNS of SNS (Control Tower)", sns(sns(s3)), []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"SNS, EventBridge inside", sns(eb), []string{"logs/a+b%2Bc/x.json v1 12 eu-west-1 0-0"}},
		{"EventBridge", eb, []string{"logs/a+b%2Bc/x.json v1 12 eu-west-1 0-0"}},
		{"EventBridge, deleted", strings.Replace(eb, "Object Created", "Object Deleted", 1), nil},
		{"Security Lake", `{"source":"aws.s3","time":"2024-01-15T12:00:00Z","account":"123456789012","region":"eu-west-1","resources":["arn:aws:s3:::b"],"detail":{"bucket":{"name":"b"},"object":{"key":"aws/x=1/y.parquet","size":7,"etag":"e"}}}`,
			[]string{"b/aws/x=1/y.parquet  7 eu-west-1 0-0"}},
		{"split", `{"siem":{"start_number":4,"end_number":6},"s3":{"bucket":{"name":"b"},"object":{"key":"a+b"}}}`, []string{"b/a+b  -1  4-6"}},
		{"SQS in Lambda's form", `{"Records":[{"messageId":"m","eventSource":"aws:sqs","body":` + quote(s3) + `}]}`, []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"a destination of Lambda's failures", `{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":` + s3 + `,"responsePayload":{"errorMessage":"x"}}`, []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"the same through SNS", sns(`{"version":"1.0","requestContext":{"condition":"EventAgeExceeded"},"requestPayload":` + s3 + `}`), []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"the same through EventBridge", `{"version":"0","detail-type":"Lambda Function Invocation Result - Failure","source":"lambda","account":"123456789012","time":"2024-01-15T12:00:00Z","region":"eu-west-1",` +
			`"resources":["arn:aws:events:eu-west-1:123456789012:event-bus/default"],"detail":{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":` + s3 + `,"responsePayload":{"errorMessage":"x"}}}`,
			[]string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"SNS in Lambda's form", `{"Records":[{"EventSource":"aws:sns","Sns":{"Message":` + quote(s3) + `}}]}`, []string{"logs/a b+c/x.json v1 12 eu-west-1 0-0"}},
		{"test event", awsemu.TestEvent("logs"), nil},
		{"test event through SNS", sns(awsemu.TestEvent("logs")), nil},
	} {
		n, err := parseNotification([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, o := range n.objects {
			got = append(got, fmt.Sprintf("%s/%s %s %d %s %d-%d", o.bucket, o.key, o.version, o.size, o.region, o.first, o.last))
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestUnknownNotifications: none of these may be taken for one without objects.
func TestUnknownNotifications(t *testing.T) {
	for name, body := range map[string]string{
		"another's success": `{"source":"lambda","detail-type":"Lambda Function Invocation Result - Failure","detail":{"requestPayload":{"order":1}}}`,
		"text":              "hello", "empty": "", "number": "1", "null": "null", "object": "{}", "no records": `{"Records":[]}`,
		"one of two":  `{"Records":[` + fmt.Sprintf(s3Record, "x") + `,{"eventSource":"aws:ses"}]}`,
		"other event": `{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{"state":"running"}}`,
		"SNS of text": `{"Type":"Notification","Message":"hello"}`, "no key": `{"Records":[{"s3":{"bucket":{"name":"b"},"object":{}}}]}`,
		"too deep": strings.Repeat(`{"Records":[{"body":`, 9) + `{}` + strings.Repeat(`}]}`, 9),
	} {
		if n, err := parseNotification([]byte(body)); !errors.Is(err, errShape) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

// FuzzNotification: whatever arrives, there is an error or complete names.
func FuzzNotification(f *testing.F) {
	f.Add([]byte(`{"Records":[` + fmt.Sprintf(s3Record, "x") + `]}`))
	f.Add([]byte(`{"siem":{"start_number":4},"s3":{"bucket":{"name":"b"},"object":{"key":"a"}},"Message":"{}"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := parseNotification(body)
		if err != nil && len(n.objects) > 0 {
			t.Errorf("an error, and yet %d objects", len(n.objects))
		}
		for _, o := range n.objects {
			if o.bucket == "" || o.key == "" {
				t.Errorf("an object without a name: %+v", o)
			}
		}
	})
}
