package awsemu_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

type pipe struct {
	*awsemu.Server
	s3  *s3.Client
	sqs *sqs.Client
	url string
}

func newPipe(t testing.TB, cfg awsemu.Config) pipe {
	t.Helper()
	srv, err := awsemu.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	queueURL, err := srv.Pipe("logs", "siem")
	if err != nil {
		t.Fatal(err)
	}
	c := aws.Config{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""), RetryMaxAttempts: 1}
	return pipe{srv, s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }), sqs.NewFromConfig(c), queueURL}
}

func (p pipe) receive(t testing.TB, visibility int32) types.Message {
	t.Helper()
	out, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &p.url, WaitTimeSeconds: 5, VisibilityTimeout: visibility,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Messages) != 1 {
		t.Fatalf("%d messages received, want 1", len(out.Messages))
	}
	return out.Messages[0]
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// TestPutIsAnnounced walks an object from its put through the queue to its bytes.
func TestPutIsAnnounced(t *testing.T) {
	p := newPipe(t, awsemu.Config{})
	key := "AWSLogs/a b+c/é.json"
	put, err := p.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("logs"), Key: &key, Body: strings.NewReader("first")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Put("logs", key, []byte("second")); err != nil {
		t.Fatal(err)
	}
	m := p.receive(t, 30)
	var event struct {
		Records []struct {
			S3 struct {
				Bucket struct{ Name string }
				Object struct {
					Key, VersionID, Sequencer string
					Size                      int64
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(*m.Body), &event); err != nil {
		t.Fatal(err)
	}
	o := event.Records[0].S3.Object
	if decoded, _ := url.QueryUnescape(o.Key); decoded != key || strings.Contains(o.Key, " ") || !strings.HasPrefix(o.Key, "AWSLogs/") {
		t.Errorf("key %q in the event", o.Key)
	}
	if o.VersionID != *put.VersionId || o.Size != 5 || o.Sequencer == "" {
		t.Errorf("event names %+v, put answered version %s", o, *put.VersionId)
	}
	got, err := p.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: &key, VersionId: &o.VersionID})
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(got.Body); string(body) != "first" {
		t.Errorf("version %s holds %q", o.VersionID, body)
	}
}

// TestQueueBehavesAsSQS goes through the life of a message with the SDK.
func TestQueueBehavesAsSQS(t *testing.T) {
	p := newPipe(t, awsemu.Config{Hold: 10 * time.Second})
	ctx := t.Context()
	time.AfterFunc(50*time.Millisecond, func() { p.Queue("siem").Send("hello", 0) })
	first := p.receive(t, 30) // a long poll: the message comes while it waits
	if err := extend(ctx, p, first, 0); err != nil {
		t.Fatal(err)
	}
	second := p.receive(t, 5)
	if n := second.Attributes["ApproximateReceiveCount"]; n != "2" {
		t.Errorf("receive count %s, want 2", n)
	}
	if _, err := p.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &p.url, ReceiptHandle: first.ReceiptHandle}); err != nil {
		t.Errorf("deleting by a stale handle: %v; SQS says nothing", err)
	}
	if s := p.Queue("siem").Stats(); s.InFlight != 1 || s.Visible != 0 {
		t.Errorf("a stale handle deleted the message: %+v", s)
	}
	if got := code(extend(ctx, p, first, 5)); got != "InvalidParameterValue" && got != "InvalidParameterValueException" {
		t.Errorf("extending by a stale handle: %s", got)
	}
	if err := extend(ctx, p, second, 11); err == nil {
		t.Error("a message was extended beyond the hold limit")
	}
	if _, err := p.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &p.url, ReceiptHandle: aws.String("nonsense")}); code(err) != "ReceiptHandleIsInvalid" {
		t.Errorf("nonsense as handle: %v", err)
	}
	out, err := p.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &p.url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: second.ReceiptHandle}}})
	if err != nil || len(out.Successful) != 1 {
		t.Errorf("delete batch: %+v, %v", out, err)
	}
	if s := p.Queue("siem").Stats(); !s.Empty() {
		t.Errorf("not empty: %+v", s)
	}
	missing := p.QueueURL("none")
	if _, err := p.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &missing}); code(err) != "AWS.SimpleQueueService.NonExistentQueue" && code(err) != "QueueDoesNotExist" {
		t.Errorf("queue that is not there: %v", err)
	}
}

func extend(ctx context.Context, p pipe, m types.Message, n int32) error {
	_, err := p.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &p.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: n})
	return err
}

func TestRedriveToDeadLetterQueue(t *testing.T) {
	p := newPipe(t, awsemu.Config{})
	p.CreateQueue("dead", nil)
	if err := p.CreateQueue("siem", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:dead","maxReceiveCount":"2"}`}); err != nil {
		t.Fatal(err)
	}
	p.Queue("siem").Send("poison", 0)
	for range 2 {
		if err := extend(t.Context(), p, p.receive(t, 30), 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Queue("siem").Receive(t.Context(), 1, time.Second, 0); len(got) != 0 {
		t.Errorf("received a third time: %+v", got)
	}
	if s := p.Queue("dead").Stats(); s.Visible != 1 {
		t.Errorf("dead-letter queue: %+v", s)
	}
}

func TestVisibilityExpiresDuringLongPoll(t *testing.T) {
	p := newPipe(t, awsemu.Config{})
	q := p.Queue("siem")
	q.Send("again", 0)
	q.Receive(t.Context(), 1, 100*time.Millisecond, 0)
	if got := q.Receive(t.Context(), 1, time.Minute, 5*time.Second); len(got) != 1 || got[0].Received != 2 {
		t.Errorf("received %+v", got)
	}
}

func TestFaultsHitWhatTheyName(t *testing.T) {
	p := newPipe(t, awsemu.Config{})
	body := bytes.Repeat([]byte("x"), 100_000)
	for _, key := range []string{"good", "bad"} {
		if _, err := p.Put("logs", key, body); err != nil {
			t.Fatal(err)
		}
	}
	get := func(key string) (int, error) {
		out, err := p.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: &key})
		if err != nil {
			return 0, err
		}
		defer out.Body.Close()
		got, err := io.ReadAll(out.Body)
		return len(got), err
	}
	for _, c := range []struct {
		name  string
		fault awsemu.Fault
		check func(n int, err error) bool
	}{
		{"access denied", awsemu.Fault{Status: 403, Code: "AccessDenied"}, func(n int, err error) bool { return code(err) == "AccessDenied" }},
		{"gone", awsemu.Fault{Status: 404, Code: "NoSuchKey"}, func(n int, err error) bool { return code(err) == "NoSuchKey" }},
		{"slow down", awsemu.Fault{Status: 503, Code: "SlowDown"}, func(n int, err error) bool { return code(err) == "SlowDown" }},
		{"cut", awsemu.Fault{Cut: 50_000}, func(n int, err error) bool { return n == 50_000 && errors.Is(err, io.ErrUnexpectedEOF) }},
		{"reset", awsemu.Fault{Cut: 50_000, Reset: true}, func(n int, err error) bool { return n < 100_000 && err != nil }},
		{"no answer", awsemu.Fault{Cut: -1}, func(n int, err error) bool { return err != nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.fault.Operation, c.fault.Object = "GetObject", "logs/bad"
			end := p.Fault(c.fault)
			if n, err := get("bad"); !c.check(n, err) {
				t.Errorf("%d bytes, %v", n, err)
			}
			if n, err := get("good"); n != 100_000 || err != nil {
				t.Errorf("the neighbour: %d bytes, %v", n, err)
			}
			if hits := end(); hits == 0 {
				t.Error("hit nothing")
			}
			if n, err := get("bad"); n != 100_000 || err != nil {
				t.Errorf("afterwards: %d bytes, %v", n, err)
			}
		})
	}
}

// TestClockIsAnother: a client whose clock is wrong is refused, learns the time
// from the answer, and is let in.
func TestClockIsAnother(t *testing.T) {
	p := newPipe(t, awsemu.Config{})
	if _, err := p.Put("logs", "a", []byte("body")); err != nil {
		t.Fatal(err)
	}
	for _, ahead := range []time.Duration{time.Hour, -24 * time.Hour, 0} {
		p.SetClock(ahead)
		gets, polls := p.Requests("GetObject"), p.Requests("AmazonSQS.ReceiveMessage")
		out, err := p.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: aws.String("a")}, func(o *s3.Options) { o.RetryMaxAttempts = 2 })
		if err != nil {
			t.Fatalf("%v ahead: %v", ahead, err)
		}
		out.Body.Close()
		if _, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &p.url}, func(o *sqs.Options) { o.RetryMaxAttempts = 2 }); err != nil {
			t.Fatalf("%v ahead: %v", ahead, err)
		}
		if n, m := p.Requests("GetObject")-gets, p.Requests("AmazonSQS.ReceiveMessage")-polls; n != 2 || m != 2 {
			t.Errorf("%v ahead: %d and %d requests; each first one should be refused", ahead, n, m)
		}
	}
}

// TestExpire: what was held can be received by others at once, and not be kept.
func TestExpire(t *testing.T) {
	p := newPipe(t, awsemu.Config{})
	if _, err := p.Put("logs", "a", []byte("body")); err != nil {
		t.Fatal(err)
	}
	first := p.receive(t, 600)
	p.Queue("siem").Expire()
	if err := extend(t.Context(), p, first, 600); !strings.HasSuffix(code(err), "MessageNotInflight") {
		t.Errorf("the first holder: %v", err)
	}
	if again := p.receive(t, 600); *again.MessageId != *first.MessageId {
		t.Errorf("%s came, not %s", *again.MessageId, *first.MessageId)
	}
}

// TestRepeatedObjectStreams reads a gzip stream of 200 MB that is made while it is read.
func TestRepeatedObjectStreams(t *testing.T) {
	p := newPipe(t, awsemu.Config{})
	block := member(bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)) // 1 MiB
	if err := p.PutRepeated("logs", "big.gz", member([]byte("head\n")), block, 200, member([]byte("tail\n"))); err != nil {
		t.Fatal(err)
	}
	if p.receive(t, 30).Body == nil {
		t.Fatal("not announced")
	}
	out, err := p.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: aws.String("big.gz")})
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, z); n != 200<<20+10 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	part, err := p.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: aws.String("big.gz"), Range: aws.String(fmt.Sprintf("bytes=%d-", *out.ContentLength-3))})
	if err != nil {
		t.Fatal(err)
	}
	if tail, _ := io.ReadAll(part.Body); len(tail) != 3 {
		t.Errorf("range gave %d bytes", len(tail))
	}
}

func member(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func TestShapes(t *testing.T) {
	for _, shape := range []awsemu.Shape{awsemu.ShapeS3, awsemu.ShapeSNS, awsemu.ShapeEventBridge} {
		body := awsemu.Body(shape, "logs", "a b.gz", "v1", 1, "etag")
		if !json.Valid([]byte(body)) || !strings.Contains(body, "logs") {
			t.Errorf("%q: %s", shape, body)
		}
	}
}

func BenchmarkGetObject(b *testing.B) {
	p := newPipe(b, awsemu.Config{})
	p.Put("logs", "k", make([]byte, 2048))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			out, err := p.s3.GetObject(b.Context(), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: aws.String("k")})
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, out.Body)
			out.Body.Close()
		}
	})
}

func BenchmarkReceiveAndDelete(b *testing.B) {
	p := newPipe(b, awsemu.Config{})
	for range b.N {
		p.Queue("siem").Send("x", 0)
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				out, err := p.sqs.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &p.url, MaxNumberOfMessages: 10})
				if err != nil || len(out.Messages) == 0 {
					return
				}
				var e []types.DeleteMessageBatchRequestEntry
				for _, m := range out.Messages {
					e = append(e, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
				}
				p.sqs.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &p.url, Entries: e})
			}
		})
	}
	wg.Wait()
	if !p.Queue("siem").Stats().Empty() {
		b.Fatal("not empty")
	}
}
