package awsemu

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Shape is how an announcement travels from S3 to the queue.
type Shape string

const (
	ShapeS3          Shape = ""            // S3 straight to SQS, also SNS with raw delivery
	ShapeSNS         Shape = "sns"         // wrapped in SNS's envelope
	ShapeEventBridge Shape = "eventbridge" // "Object Created", key not encoded
)

// Announcement says which objects of a bucket a queue hears of.
type Announcement struct {
	Queue          string // its name
	Prefix, Suffix string // of the key; "" = all
	Shape          Shape
}

// Announce makes later puts into bucket known as a says.
func (s *Server) Announce(bucket string, a Announcement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announcements = append(s.announcements, bucketAnnouncement{bucket, a})
}

type bucketAnnouncement struct {
	bucket string
	Announcement
}

func (s *Server) announce(bucket, key, version string, size int64, etag string) {
	s.mu.Lock()
	list := s.announcements // only ever appended to
	s.mu.Unlock()
	for _, a := range list {
		if a.bucket != bucket || !strings.HasPrefix(key, a.Prefix) || !strings.HasSuffix(key, a.Suffix) {
			continue
		}
		if q := s.Queue(a.Queue); q != nil {
			q.Send(Body(a.Shape, bucket, key, version, size, etag), 0)
		}
	}
}

var sequencer atomic.Uint64

// Body is the message that announces one object in the given shape. version may be "".
func Body(shape Shape, bucket, key, version string, size int64, etag string) string {
	now := time.Now().UTC()
	seq := fmt.Sprintf("0062E99A88DC%08X", sequencer.Add(1))
	if shape == ShapeEventBridge {
		o := object{"key": key, "size": size, "etag": etag, "sequencer": seq}
		if version != "" {
			o["version-id"] = version
		}
		return encode(object{
			"version": "0", "id": "17793124-05d4-b198-2fde-" + seq[8:], "detail-type": "Object Created", "source": "aws.s3",
			"account": "123456789012", "time": now.Format(time.RFC3339), "region": "us-east-1", "resources": []string{"arn:aws:s3:::" + bucket},
			"detail": object{
				"version": "0", "bucket": object{"name": bucket}, "object": o, "request-id": "N4N7GDK58NMKJ12R",
				"requester": "123456789012", "source-ip-address": "127.0.0.1", "reason": "PutObject",
			},
		})
	}
	o := object{"key": strings.ReplaceAll(url.QueryEscape(key), "%2F", "/"), "size": size, "eTag": etag, "sequencer": seq}
	if version != "" {
		o["versionId"] = version
	}
	body := encode(object{"Records": []object{{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": now.Format("2006-01-02T15:04:05.000Z"), "eventName": "ObjectCreated:Put",
		"userIdentity": object{"principalId": "AWS:AIDAEMULATOR"}, "requestParameters": object{"sourceIPAddress": "127.0.0.1"},
		"responseElements": object{"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
		"s3": object{
			"s3SchemaVersion": "1.0", "configurationId": "loader",
			"bucket": object{"name": bucket, "ownerIdentity": object{"principalId": "A3NL1KOZZKExample"}, "arn": "arn:aws:s3:::" + bucket},
			"object": o,
		},
	}}})
	if shape == ShapeSNS {
		return encode(object{
			"Type": "Notification", "MessageId": "950a823d-501f-5137-a9a3-" + seq[8:], "TopicArn": "arn:aws:sns:us-east-1:123456789012:logs",
			"Subject": "Amazon S3 Notification", "Message": body, "Timestamp": now.Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "1",
		})
	}
	return body
}

// TestEvent is what S3 sends when an announcement is set up.
func TestEvent(bucket string) string {
	return encode(object{"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "Bucket": bucket, "RequestId": "5582815E1AEA5ADF", "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"})
}

// serveNotification answers PutBucketNotificationConfiguration, and sends the
// test event as S3 does.
func (s *Server) serveNotification(w http.ResponseWriter, r *http.Request, bucket string) {
	var in struct {
		Queues []struct {
			Queue string
			Rules []struct{ Name, Value string } `xml:"Filter>S3Key>FilterRule"`
		} `xml:"QueueConfiguration"`
	}
	if err := xml.NewDecoder(r.Body).Decode(&in); err != nil {
		writeS3Error(w, http.StatusBadRequest, "MalformedXML", err.Error())
		return
	}
	for _, q := range in.Queues {
		a := Announcement{Queue: q.Queue[strings.LastIndexByte(q.Queue, ':')+1:]}
		for _, rule := range q.Rules {
			switch strings.ToLower(rule.Name) {
			case "prefix":
				a.Prefix = rule.Value
			case "suffix":
				a.Suffix = rule.Value
			}
		}
		target := s.Queue(a.Queue)
		if target == nil {
			writeS3Error(w, http.StatusBadRequest, "InvalidArgument", "Unable to validate the following destination configurations: "+q.Queue)
			return
		}
		s.Announce(bucket, a)
		target.Send(TestEvent(bucket), 0)
	}
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error() // cannot be: strings, numbers and maps only
	}
	return string(b)
}
