package split

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A CloudTrail record of common size (invented values), and a flow log line.
const (
	trailEvent = `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEID:session","arn":"arn:aws:sts::123456789012:assumed-role/deploy/session","accountId":"123456789012","accessKeyId":"ASIAEXAMPLEKEY","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLEID","arn":"arn:aws:iam::123456789012:role/deploy","accountId":"123456789012","userName":"deploy"},"webIdFederationData":{},"attributes":{"creationDate":"2024-01-15T11:00:00Z","mfaAuthenticated":"false"}}},"eventTime":"2024-01-15T12:%02d:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.7","userAgent":"[aws-sdk-go-v2/1.24.0 os/linux lang/go#1.21.5 md/GOOS#linux]","requestParameters":{"bucketName":"amzn-example-bucket","Host":"amzn-example-bucket.s3.us-east-1.amazonaws.com","key":"reports/2024/01/15/%d.json"},"responseElements":null,"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"ECDHE-RSA-AES128-GCM-SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","bytesTransferredOut":4096},"requestID":"EXAMPLE123456789","eventID":"b3f5a7c1-0000-4000-8000-%012d","readOnly":true,"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::amzn-example-bucket/reports"},{"accountId":"123456789012","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::amzn-example-bucket"}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"123456789012","eventCategory":"Data"}`
	flowLine   = "2 123456789012 eni-0123456789abcdef0 10.0.%d.%d 203.0.113.9 443 %d 6 20 4249 1705312800 1705312860 ACCEPT OK\n"
)

func benchObjects() map[string]struct {
	text    string
	framing Framing
} {
	var trailText, flowText strings.Builder
	trailText.WriteString(`{"Records":[`)
	for i := range 5000 {
		if i > 0 {
			trailText.WriteByte(',')
		}
		fmt.Fprintf(&trailText, trailEvent, i%60, i, i)
	}
	trailText.WriteString(`]}`)
	flowText.WriteString("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n")
	for i := range 60000 {
		fmt.Fprintf(&flowText, flowLine, i>>8&255, i&255, 1024+i)
	}
	var batches, events strings.Builder
	lines := strings.Split(strings.TrimSpace(flowText.String()), "\n")[1:]
	for i := 0; i < len(lines); i += 100 {
		batches.WriteString(batchOf(lines[i:min(i+100, len(lines))]...))
	}
	for i := range 5000 {
		events.WriteString(busOf(fmt.Sprintf(trailEvent, i%60, i, i)))
	}
	var xmlText, multiText strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&xmlText, "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>4624</EventID><Computer>host%d</Computer></System>\n<EventData><Data Name='SubjectUserName'>a b</Data></EventData></Event>\n", i)
		fmt.Fprintf(&multiText, "[2024-01-15 12:00:%02d,123] ERROR a message about something (kafka.server.X)\njava.lang.IllegalStateException: no\n\tat kafka.server.X.y(X.scala:12)\n", i%60)
	}
	return map[string]struct {
		text    string
		framing Framing
	}{
		"cloudtrail": {trailText.String(), trail}, "vpcflow": {flowText.String(), Framing{Kind: CSV}},
		"batches": {batches.String(), Framing{}}, "events": {events.String(), trail},
		"xml": {xmlText.String(), elements}, "multi": {multiText.String(), Framing{FirstLine: regexp.MustCompile(`^\[20\d{2}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}`)}},
	}
}

// BenchmarkRecords: MB/s are of uncompressed text.
func BenchmarkRecords(b *testing.B) {
	for name, o := range benchObjects() {
		for packed, object := range map[string]string{"plain": o.text, "gzip": gz(o.text), "zstd": zst(o.text)} {
			b.Run(name+"/"+packed, func(b *testing.B) {
				b.SetBytes(int64(len(o.text)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Records(strings.NewReader(object), o.framing, Limits{}, func(Record) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
