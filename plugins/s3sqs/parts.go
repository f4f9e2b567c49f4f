package s3sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// errParted ends reading an object whose rest is announced in parts. It never
// leaves the package.
var errParted = errors.New("the rest of the object is announced in parts")

// maxParts bounds the messages that one object becomes at a time. The last part
// has no end: what is too long for it is parted again by whoever reads it.
const maxParts = 1000

// part is an interval of positions; last is 0 for the object's end.
type part struct{ first, last uint64 }

// parts cuts what follows position done, when that took `read` of `size` bytes,
// into parts of n positions. Nil when the rest is estimated to be less than one.
func parts(done, n uint64, read, size int64) []part {
	if read <= 0 || read >= size || size == unknownSize {
		return nil
	}
	rest := float64(done) * float64(size-read) / float64(read)
	k := uint64(min(rest/float64(n), maxParts))
	if k == 0 {
		return nil
	}
	all := make([]part, k)
	for i := range all {
		all[i] = part{done + 1 + uint64(i)*n, done + uint64(i+1)*n}
	}
	all[k-1].last = 0 // the length is a guess
	return all
}

// announce puts the parts of an object into the queue that it came from. All of
// them are there when it returns nil. Otherwise the caller reads the object
// itself: what some part was announced for as well has the same ids.
func (q *queue) announce(h *hold, a announced, all []part) error {
	for len(all) > 0 {
		n := min(len(all), batch)
		in := &sqs.SendMessageBatchInput{QueueUrl: &q.url}
		for i, p := range all[:n] {
			body, err := a.message(p)
			if err != nil {
				return err
			}
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(body)})
		}
		out, err := q.client.SendMessageBatch(h.ctx, in)
		if err != nil {
			return err
		}
		if len(out.Failed) > 0 {
			return fmt.Errorf("%w: %s", errPartly, aws.ToString(out.Failed[0].Message))
		}
		all = all[n:]
	}
	return nil
}

// message returns the notification of a part, in the shape of SIEM on Amazon
// OpenSearch Service with what else is known of the object.
func (a announced) message(p part) (string, error) {
	var e envelope
	e.Siem = &positions{p.first, p.last}
	e.S3 = &entity{TablesOf: a.tablesOf}
	e.S3.Bucket.Name = a.bucket
	e.S3.Object.Key, e.S3.Object.Version, e.S3.Object.ETag = a.key, a.version, a.etag
	if a.size >= 0 {
		e.S3.Object.Size = &a.size
	}
	e.Account, e.Region = a.account, a.region
	if !a.time.IsZero() {
		e.Time = a.time.UTC().Format(time.RFC3339Nano)
	}
	b, err := json.Marshal(e)
	return string(b), err
}

// part announces the rest of the object when it has turned out to be large, and
// returns errParted; nil: this reader goes on.
func (rd *reader) part() error {
	q, n := rd.q, rd.partAfter-max(rd.a.first, 1)+1
	all := parts(rd.partAfter, n, rd.content.off, rd.content.size)
	rd.partAfter = 0
	if all == nil {
		return nil
	}
	log := q.log.With("bucket", rd.a.bucket, "key", rd.a.key)
	if err := q.announce(rd.h, rd.a, all); err != nil {
		if q.run.in.lines.allow("object parts") {
			log.Warn(fmt.Sprintf("the rest of the object could not be announced in parts: %v; nothing is lost, it is read here to its end; allow sqs:SendMessage on the queue, or set split_records 0", err), code.NotParted.Attr())
		}
		return nil
	}
	q.run.in.metrics.parts.Add(float64(len(all)))
	log.Debug("the rest of the object is announced in parts", "parts", len(all), "records", n)
	return errParted
}
