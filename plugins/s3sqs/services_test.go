package s3sqs

import (
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// What we announce is read as what S3 announces.
func TestNotificationIsUnderstood(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	for _, o := range []lease.Source{
		{Bucket: "logs", Key: "a b+c/é%2F.gz", Size: -1},
		{Bucket: "logs", Key: "x", Version: "v", ETag: "e", Size: 7, Region: "eu-west-1", EventTime: at},
	} {
		body, err := Notification(o)
		if err != nil {
			t.Fatal(err)
		}
		n, err := parseNotification([]byte(body))
		if err != nil || len(n.objects) != 1 {
			t.Fatalf("%s: %+v, %v", body, n, err)
		}
		got := n.objects[0]
		if got.bucket != o.Bucket || got.key != o.Key || got.version != o.Version || got.etag != o.ETag || got.size != o.Size || got.region != o.Region || !got.time.Equal(o.EventTime) {
			t.Errorf("%+v became %+v", o, got)
		}
	}
}
