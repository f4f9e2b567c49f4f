package s3sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// Services are the AWS clients that an input with a configuration would use, for
// what is done beside it: looking into its buckets, announcing objects to its queues.
type Services struct{ clients *clients }

// Connect returns them. Credentials are fetched when they are needed.
func Connect(ctx context.Context, cfg Config) (*Services, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("s3_sqs input:\n%w", err)
	}
	c, err := newClients(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	return &Services{c}, nil
}

// Bucket returns the client for a bucket.
func (s *Services) Bucket(name string) *s3.Client { return s.clients.bucket(name, "") }

// Queue returns the client for a queue.
func (s *Services) Queue(queueURL string) *sqs.Client { return s.clients.queue(queueURL) }

// Notification is the message that announces an object, as S3 would write it.
// Of o it needs Bucket and Key; what else is known helps.
func Notification(o lease.Source) (string, error) {
	type object struct {
		Key     string `json:"key"`
		Size    *int64 `json:"size,omitempty"`
		ETag    string `json:"eTag,omitempty"`
		Version string `json:"versionId,omitempty"`
	}
	type bucket struct {
		Name string `json:"name"`
		ARN  string `json:"arn"`
	}
	type entity struct {
		SchemaVersion string `json:"s3SchemaVersion"`
		Configuration string `json:"configurationId"`
		Bucket        bucket `json:"bucket"`
		Object        object `json:"object"`
		TablesOf      string `json:"tablesOf,omitempty"`
	}
	type record struct {
		Version string `json:"eventVersion"`
		Source  string `json:"eventSource"`
		Region  string `json:"awsRegion,omitempty"`
		Time    string `json:"eventTime,omitempty"`
		Name    string `json:"eventName"`
		S3      entity `json:"s3"`
	}
	r := record{Version: "2.1", Source: "aws:s3", Region: o.Region, Name: "ObjectCreated:Put", S3: entity{
		SchemaVersion: "1.0", Configuration: "fluent-siem", Bucket: bucket{o.Bucket, "arn:aws:s3:::" + o.Bucket},
		Object:   object{Key: strings.ReplaceAll(url.QueryEscape(o.Key), "%2F", "/"), ETag: o.ETag, Version: o.Version},
		TablesOf: o.TablesOf,
	}}
	if o.Size >= 0 {
		r.S3.Object.Size = &o.Size
	}
	if !o.EventTime.IsZero() {
		r.Time = o.EventTime.UTC().Format(time.RFC3339Nano)
	}
	b, err := json.Marshal(map[string][]record{"Records": {r}})
	return string(b), err
}
