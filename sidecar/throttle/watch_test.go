package throttle

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fluent-siem/fluent-siem/internal/throttle"
	"github.com/fluent-siem/fluent-siem/test/services"
)

func moto(t *testing.T) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(services.Moto(t)), Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "")}
}

// TestBoards: what one host hangs up, another reads.
func TestBoards(t *testing.T) {
	cfg, bucket := moto(t), services.Name("board")
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	want := throttle.Order{Share: .4, Reason: "heap", Since: time.Unix(1, 0).UTC(), Expires: time.Unix(2, 0).UTC()}
	for _, place := range []string{"s3://" + bucket + "/siem/throttle.json", "ssm:/" + services.Name("siem") + "/throttle"} {
		b, err := OpenBoard(place, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Get(t.Context()); err == nil {
			t.Errorf("%s has an order before one was given", place)
		}
		for range 2 { // the second replaces the first
			if err := b.Put(t.Context(), want); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := b.Get(t.Context()); err != nil || got != want {
			t.Errorf("%s: %+v, %v", place, got, err)
		}
	}
	for _, place := range []string{"s3://bucket", "ssm:name", "/some/file", ""} {
		if _, err := OpenBoard(place, cfg); err == nil {
			t.Errorf("%q is taken for a place", place)
		}
	}
}

// TestTopic: an alert arrives at who subscribes to the topic, in the original's words.
func TestTopic(t *testing.T) {
	cfg, name := moto(t), services.Name("alert")
	queue, err := sqs.NewFromConfig(cfg).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	client := sns.NewFromConfig(cfg)
	topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:sqs:us-east-1:123456789012:" + name
	if _, err := client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn}); err != nil {
		t.Fatal(err)
	}
	a := Alert{Throttled: true, Cluster: "https://search.example.internal", Host: "siem-1", Order: throttle.Order{Stop: true, Reason: "node n1 is full"}}
	if err := (Topic{client, *topic.TopicArn}).Tell(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got, err := sqs.NewFromConfig(cfg).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, WaitTimeSeconds: 5})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("%d messages, %v", len(got.Messages), err)
	}
	var m struct{ Subject, Message string }
	if err := json.Unmarshal([]byte(*got.Messages[0].Body), &m); err != nil {
		t.Fatal(err)
	}
	if m.Subject != "[SIEM on OpenSearch Service] es-loader has been throttled." || !strings.Contains(m.Message, "stopped: node n1 is full") {
		t.Errorf("%+v", m)
	}
}

// TestAlertsAtTheTurnsOnly: one when inputs are stopped, one when they are free
// again, none in between, and a teller that fails changes nothing.
func TestAlertsAtTheTurnsOnly(t *testing.T) {
	heard := make(chan Alert, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a struct {
			Alert
			Text string `json:"text"`
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &a)
		}
		if err != nil || a.Text == "" {
			t.Errorf("%s: %v", body, err)
		}
		heard <- a.Alert
	}))
	defer hook.Close()
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	var log strings.Builder
	var blocked atomic.Bool
	blocked.Store(true)
	orders := make(chan throttle.Order)
	ctx, cancel := context.WithCancel(t.Context())
	w := &Watcher{
		Config: Config{StateDir: t.TempDir(), Interval: time.Millisecond, Calm: time.Millisecond},
		Get: func(_ context.Context, path string, answer any) error {
			text := `{"nodes":{"a":{"name":"n1","roles":["data"]}}}`
			if path == blocksPath && blocked.Load() {
				text = `{"blocks":{"global":{"6":{"description":"cluster read-only (api)","levels":["write","metadata_write"]}}}}`
			}
			return json.Unmarshal([]byte(text), answer)
		},
		Tellers: []Teller{Webhook(refusing.URL + "/secret"), Webhook(hook.URL)},
		Log:     slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(o throttle.Order, _ error) {
			select {
			case orders <- o:
			case <-ctx.Done():
			}
		},
	}
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	if o := <-orders; !o.Stop {
		t.Errorf("the order is %+v", o)
	}
	<-orders
	blocked.Store(false)
	for o := range orders {
		if !o.Stop && o.Share == 0 {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	close(heard)
	var turns []bool
	for a := range heard {
		turns = append(turns, a.Throttled)
	}
	if len(turns) != 2 || !turns[0] || turns[1] {
		t.Errorf("alerts: %v", turns)
	}
	if n := strings.Count(log.String(), "an alert was not delivered: the webhook answers 404"); n != 2 || strings.Contains(log.String(), "/secret") {
		t.Errorf("%d failures in the log:\n%s", n, log.String())
	}
	if o, err := throttle.Read(w.Config.StateDir, throttle.Automatic); err != nil || o.Stop {
		t.Errorf("the last order is %+v, %v", o, err)
	}
}

// TestAClusterThatCannotBeAsked: the order before runs out, and that is logged once.
func TestAClusterThatCannotBeAsked(t *testing.T) {
	var log strings.Builder
	looks := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	w := &Watcher{
		Config: Config{StateDir: t.TempDir(), Interval: time.Millisecond},
		Get:    func(context.Context, string, any) error { return errors.New("no such host") },
		Log:    slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(_ throttle.Order, err error) {
			select {
			case looks <- err:
			case <-ctx.Done():
			}
		},
	}
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	for range 5 {
		if err := <-looks; err == nil {
			t.Error("a look without an answer is taken for one")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "no such host"); n != 1 {
		t.Errorf("it is in the log %d times", n)
	}
	if o, err := throttle.Read(w.Config.StateDir, throttle.Automatic); err != nil || o != (throttle.Order{}) {
		t.Errorf("an order was given: %+v, %v", o, err)
	}
}
