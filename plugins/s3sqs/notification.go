package s3sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// announced is an object that a notification names.
type announced struct {
	bucket, key, version, etag string
	region, account            string // "" when the notification does not say
	size                       int64  // -1 when it does not say
	time                       time.Time
	first, last                uint64 // positions of a split message, 0: all
	tablesOf                   string // as in lease.Source
}

// notification is what a message says.
type notification struct {
	shape   string // for counters: s3, eventbridge, split, test
	objects []announced
}

// envelope is every shape that a message may have, one inside the other.
type envelope struct {
	Records []struct {
		EventSource string          `json:"eventSource"`
		EventName   string          `json:"eventName"`
		Region      string          `json:"awsRegion"`
		Time        string          `json:"eventTime"`
		S3          *entity         `json:"s3"`
		Body        json.RawMessage `json:"body"` // an SQS message, as Lambda hands it on
		Sns         *struct {
			Message string `json:"Message"`
		} `json:"Sns"` // an SNS message, as Lambda hands it on
	} `json:"Records,omitempty"`

	// SNS
	Type    string  `json:"Type,omitempty"`
	Message *string `json:"Message,omitempty"`

	// s3:TestEvent
	Event string `json:"Event,omitempty"`

	// what AWS Lambda sends to a destination for failures
	RequestPayload json.RawMessage `json:"requestPayload,omitempty"`

	// EventBridge
	DetailType string  `json:"detail-type,omitempty"`
	Source     string  `json:"source,omitempty"`
	Account    string  `json:"account,omitempty"`
	Region     string  `json:"region,omitempty"`
	Time       string  `json:"time,omitempty"`
	Detail     *detail `json:"detail,omitempty"`

	// split message, of SIEM on Amazon OpenSearch Service and of ours
	Siem *positions `json:"siem,omitempty"`
	S3   *entity    `json:"s3,omitempty"`
}

// detail is what an event of EventBridge is about: an object, or the invocation
// of a function that AWS Lambda gave up.
type detail struct {
	entity
	RequestPayload json.RawMessage `json:"requestPayload,omitempty"`
}

func (d *detail) complete() bool { return d != nil && d.entity.complete() }

// positions are the part of an object that a split message is about, from 1 and
// inclusive; no end means the object's.
type positions struct {
	Start uint64 `json:"start_number"`
	End   uint64 `json:"end_number,omitempty"`
}

// entity names an object, in the spelling of S3 or of EventBridge.
type entity struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"`
		Size      *int64 `json:"size,omitempty"`
		Version   string `json:"versionId,omitempty"`
		VersionEB string `json:"version-id,omitempty"`
		ETag      string `json:"eTag,omitempty"` // also matches EventBridge's etag: names are compared without case
	} `json:"object"`
	TablesOf string `json:"tablesOf,omitempty"` // ours, of a backfill
}

func (e *entity) complete() bool { return e != nil && e.Bucket.Name != "" && e.Object.Key != "" }

// nesting is how deep envelopes may stand in each other: SNS of SNS of SQS.
const nesting = 4

var errShape = errors.New("not a notification of S3, SNS, EventBridge, Security Lake or Control Tower, nor a split message")

// parseNotification reads a message's body. Messages that only say that a
// notification was set up, or that something else happened to an object, give
// no objects and no error.
func parseNotification(body []byte) (notification, error) {
	return parseEnvelope(body, nesting)
}

func parseEnvelope(body []byte, depth int) (n notification, err error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return n, fmt.Errorf("%w: %w", errShape, err)
	}
	if depth == 0 {
		return n, fmt.Errorf("%w: envelopes in more than %d envelopes", errShape, nesting)
	}
	switch {
	case e.Event == "s3:TestEvent":
		return notification{shape: "test"}, nil
	case e.Siem != nil && e.S3.complete():
		o := e.S3.announced(false)
		o.first, o.last = e.Siem.Start, e.Siem.End
		o.region, o.account, o.time = e.Region, e.Account, parseTime(e.Time)
		return notification{"split", []announced{o}}, nil
	case e.Source == "aws.s3" && e.DetailType != "" && !created(strings.TrimPrefix(e.DetailType, "Object ")):
		return notification{shape: "eventbridge"}, nil // deleted, tagged, …
	case e.Detail.complete() && (e.Source == "aws.s3" || e.DetailType == "Object Created"):
		o := e.Detail.announced(false)
		o.region, o.account, o.time = e.Region, e.Account, parseTime(e.Time)
		return notification{"eventbridge", []announced{o}}, nil
	case len(e.RequestPayload) > 0:
		return parseEnvelope(e.RequestPayload, depth-1)
	case e.Source == "lambda" && e.Detail != nil && len(e.Detail.RequestPayload) > 0:
		return parseEnvelope(e.Detail.RequestPayload, depth-1)
	case len(e.Records) > 0:
		return parseRecords(&e, depth)
	case e.Message != nil: // SNS; Control Tower's aggregation sends it on as it is
		return parseEnvelope([]byte(*e.Message), depth-1)
	}
	return n, errShape
}

// parseRecords reads every entry: one that is not understood makes the whole
// message unknown, for what is deleted is gone.
func parseRecords(e *envelope, depth int) (n notification, err error) {
	n.shape = "s3"
	for i, r := range e.Records {
		switch {
		case r.S3.complete():
			if r.EventName != "" && !created(r.EventName) {
				continue
			}
			o := r.S3.announced(true)
			o.region, o.time = r.Region, parseTime(r.Time)
			n.objects = append(n.objects, o)
			continue
		case r.Sns != nil:
			err = n.add([]byte(r.Sns.Message), depth)
		case len(r.Body) > 0:
			body := []byte(r.Body)
			var text string
			if json.Unmarshal(body, &text) == nil {
				body = []byte(text)
			}
			err = n.add(body, depth)
		default:
			err = errShape
		}
		if err != nil {
			return notification{}, fmt.Errorf("entry %d of Records: %w", i+1, err)
		}
	}
	return n, nil
}

func (n *notification) add(body []byte, depth int) error {
	inner, err := parseEnvelope(body, depth-1)
	n.objects = append(n.objects, inner.objects...)
	return err
}

// created reports whether an event's name means that there is something to read.
func created(name string) bool {
	return strings.HasPrefix(name, "ObjectCreated") || strings.HasPrefix(name, "Created") || // S3, EventBridge
		name == "ObjectRestore:Completed" || name == "Restore Completed"
}

// announced returns the object. S3 encodes keys as in a query, with + for a
// blank; EventBridge and split messages have them as they are.
func (e *entity) announced(encoded bool) announced {
	o := announced{bucket: e.Bucket.Name, key: e.Object.Key, version: e.Object.Version, etag: strings.Trim(e.Object.ETag, `"`), size: -1, tablesOf: e.TablesOf}
	if encoded {
		if key, err := url.QueryUnescape(o.key); err == nil {
			o.key = key
		}
	}
	if o.version == "" {
		o.version = e.Object.VersionEB
	}
	if e.Object.Size != nil {
		o.size = *e.Object.Size
	}
	return o
}

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
