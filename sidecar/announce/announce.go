// Package announce finds objects that are in buckets already and announces them
// to a queue, as S3 announces new ones: for backfills, and for what a ledger
// lacks.
//
//	bucket, inventory or list → object → notification → queue ─▶ the agents
//	─────────────────────────────────────────────────────────
//
// Loading is the agents' business: they take what is announced from the queue,
// hold it by a lease, and take no more than the cluster takes. So a backfill is
// done by the whole fleet, and has no second path into the cluster.
//
// # Promises
//
//   - No more than Pace.Ahead messages wait in the queue because of us: when the
//     cluster is slow, agents take less, the queue does not empty, and nothing
//     further is announced. Fresh notifications wait behind that many at most.
//   - What Run has done it can tell ([Progress]) and go on behind; what is
//     announced twice is stored once, because ids say where a record stands.
//   - A message counts as announced when the queue has said that it has it.
package announce

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/time/rate"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
)

// Object is an object in a bucket.
type Object struct {
	Bucket, Key string
	Version     string // "" when the source does not say
	ETag        string // without quotes; "" when the source does not say
	Size        int64  // bytes; -1 when the source does not say
	Modified    time.Time
}

// URL names the object as s3://bucket/key.
func (o Object) URL() string { return "s3://" + o.Bucket + "/" + o.Key }

// Source lists objects. An error ends it.
type Source = iter.Seq2[Object, error]

// Within keeps the objects that were modified from since on and before until;
// a zero time is no bound, and what has no time is kept.
func Within(objects Source, since, until time.Time) Source {
	return Only(objects, func(o Object) bool {
		return o.Modified.IsZero() || !o.Modified.Before(since) && (until.IsZero() || o.Modified.Before(until))
	})
}

// Only keeps the objects for which wanted says true.
func Only(objects Source, wanted func(Object) bool) Source {
	return func(yield func(Object, error) bool) {
		for o, err := range objects {
			if (err != nil || wanted(o)) && !yield(o, err) {
				return
			}
		}
	}
}

// Pace says how fast objects are announced.
type Pace struct {
	Rate  float64 // objects a second, at most; 0: no limit
	Ahead int     // messages that may wait in the queue
}

// Progress is how far a [Announcer.Run] is.
type Progress struct {
	Objects int64  `json:"objects"` // announced
	Bytes   int64  `json:"bytes"`   // of these, as far as their size is known
	Last    Object `json:"-"`       // the last that was announced
	Waiting bool   `json:"-"`       // the queue is full enough: the agents, or the cluster, are the pace
}

// Announcer announces objects to one queue.
type Announcer struct {
	Client *sqs.Client
	Queue  string // URL
	Pace   Pace
	// Poll is how often the queue is asked how much waits in it, while that is
	// too much; 0: a second.
	Poll time.Duration
	// TablesOf is what the events of the objects are to be enriched with, as in
	// [lease.Source].
	TablesOf string
}

const (
	batch   = 10 // messages of one call
	tries   = 8  // of a call, until Run gives up
	waitCap = 30 * time.Second
)

// Run announces the objects, and tells how far it is after each batch. After an
// error what was told is announced.
func (a *Announcer) Run(ctx context.Context, objects Source, tell func(Progress) error) (p Progress, err error) {
	limit := rate.NewLimiter(rate.Inf, batch)
	if a.Pace.Rate > 0 {
		limit.SetLimit(rate.Limit(a.Pace.Rate))
	}
	room := 0 // messages that may be sent before the queue is asked again
	group := make([]Object, 0, batch)
	send := func() error {
		if len(group) == 0 {
			return nil
		}
		if room < len(group) {
			if room, err = a.room(ctx, func() error {
				p.Waiting = true
				return tell(p)
			}); err != nil {
				return err
			}
			p.Waiting = false
		}
		if err := limit.WaitN(ctx, len(group)); err != nil {
			return context.Cause(ctx)
		}
		if err := a.send(ctx, group); err != nil {
			return err
		}
		room -= len(group)
		for _, o := range group {
			p.Objects++
			p.Bytes += max(o.Size, 0)
			p.Last = o
		}
		group = group[:0]
		return tell(p)
	}
	for o, err := range objects {
		if err != nil {
			return p, errors.Join(send(), err)
		}
		if group = append(group, o); len(group) == batch {
			if err := send(); err != nil {
				return p, err
			}
		}
	}
	return p, send()
}

// room waits until messages may be sent, and says how many.
func (a *Announcer) room(ctx context.Context, full func() error) (int, error) {
	for {
		n, err := a.waiting(ctx)
		if err != nil {
			return 0, err
		}
		if free := a.Pace.Ahead - n; free >= batch {
			return free, nil
		}
		if err := full(); err != nil {
			return 0, err
		}
		poll := a.Poll
		if poll == 0 {
			poll = time.Second
		}
		if err := sleep(ctx, poll); err != nil {
			return 0, err
		}
	}
}

// waiting is how many messages the queue holds that nobody works on.
func (a *Announcer) waiting(ctx context.Context) (n int, err error) {
	err = again(ctx, func() error {
		out, err := a.Client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &a.Queue,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages}})
		if err != nil {
			return fmt.Errorf("the queue cannot be asked how much waits in it (it needs sqs:GetQueueAttributes): %w", err)
		}
		n, err = strconv.Atoi(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)])
		return err
	})
	return n, err
}

// send puts a batch into the queue.
func (a *Announcer) send(ctx context.Context, objects []Object) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(objects))
	for i, o := range objects {
		body, err := s3sqs.Notification(lease.Source{Bucket: o.Bucket, Key: o.Key, Version: o.Version, ETag: o.ETag, Size: o.Size, EventTime: o.Modified, TablesOf: a.TablesOf})
		if err != nil {
			return fmt.Errorf("%s cannot be announced: %w", o.URL(), err)
		}
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &body}
	}
	return again(ctx, func() error {
		out, err := a.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &a.Queue, Entries: entries})
		if err != nil {
			return fmt.Errorf("the queue does not take messages (it needs sqs:SendMessage): %w", err)
		}
		var rest []types.SendMessageBatchRequestEntry
		for _, f := range out.Failed {
			if i, err := strconv.Atoi(aws.ToString(f.Id)); err == nil && i < len(objects) {
				for _, e := range entries {
					if aws.ToString(e.Id) == aws.ToString(f.Id) {
						rest = append(rest, e)
					}
				}
			}
		}
		if entries = rest; len(rest) > 0 {
			return fmt.Errorf("the queue refused %d messages: %s", len(rest), aws.ToString(out.Failed[0].Message))
		}
		return nil
	})
}

// again calls f until it works, some times.
func again(ctx context.Context, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if try+1 == tries {
			return err
		}
		wait := min(200*time.Millisecond<<try, waitCap)
		if err := sleep(ctx, wait/2+rand.N(wait/2+1)); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
