package s3sqs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// beat extends what is held, in tens, until ctx is done.
func (q *queue) beat(ctx context.Context) {
	for {
		visibility := time.Duration(q.visibility.Load())
		if !sleep(ctx, min(max(visibility/10, 20*time.Millisecond), time.Second)) {
			return
		}
		now := time.Now()
		var due []beatOf
		var calls errgroup.Group
		calls.SetLimit(beatCalls)
		extend := func(due []beatOf) {
			calls.Go(func() error {
				q.extend(ctx, due, visibility)
				return nil
			})
		}
		for _, h := range q.list() {
			if now.Sub(h.received) > q.run.in.timing.ceiling {
				h.cancel(errCeiling)
				continue
			}
			if receipt, ok := h.due(now); ok {
				if due = append(due, beatOf{h, receipt}); len(due) == batch {
					extend(due)
					due = nil
				}
			}
		}
		if len(due) > 0 {
			extend(due)
		}
		calls.Wait() // there are no errors: what fails is due again
	}
}

// beatCalls is how many calls extend at the same time: thousands of messages may
// be held, and a call may take long.
const beatCalls = 8

type beatOf struct {
	h       *hold
	receipt string
}

// extend hides up to ten messages for another visibility timeout. A call that
// hangs is given up while there is time for another one.
func (q *queue) extend(ctx context.Context, due []beatOf, visibility time.Duration) {
	began := time.Now()
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(due))
	for i, d := range due {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: id(i), ReceiptHandle: &d.receipt, VisibilityTimeout: seconds(d.h.extension(began, visibility))}
	}
	again := min(visibility/10, time.Second)
	call, cancel := context.WithTimeout(ctx, max(visibility/8, 500*time.Millisecond))
	defer cancel()
	out, err := q.client.ChangeMessageVisibilityBatch(call, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: entries})
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		q.failed("extend", err)
		for _, d := range due {
			d.h.later(again)
		}
		return
	}
	for _, e := range out.Successful {
		if i := index(e.Id); i >= 0 && i < len(due) {
			h := due[i].h
			h.took("", began, h.extension(began, visibility))
		}
	}
	for _, e := range out.Failed {
		i := index(e.Id)
		if i < 0 || i >= len(due) {
			continue
		}
		switch d := due[i]; {
		case !stale(aws.ToString(e.Code)):
			d.h.later(again)
		case d.h.handle() != d.receipt: // a newer one came meanwhile
			d.h.later(0)
		default:
			d.h.cancel(errLost)
		}
	}
}

// bury deletes messages in tens until ctx is done and nothing waits. What fails
// is tried again, while the heartbeat goes on.
func (q *queue) bury(ctx context.Context) {
	for {
		var group []*hold
		select {
		case h := <-q.deletes:
			group = append(group, h)
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(q.run.in.timing.gather)
	gather:
		for len(group) < batch {
			select {
			case h := <-q.deletes:
				group = append(group, h)
			case <-timer.C:
				break gather
			}
		}
		timer.Stop()
		q.run.closing.Go(func() { q.delete(ctx, group) })
	}
}

// delete takes messages off the queue.
func (q *queue) delete(ctx context.Context, group []*hold) {
	for try := 0; len(group) > 0; try++ {
		if try > 0 && !sleep(ctx, jitter(min(200*time.Millisecond<<min(try, 10), retryCap))) {
			return
		}
		entries := make([]types.DeleteMessageBatchRequestEntry, len(group))
		for i, h := range group {
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: id(i), ReceiptHandle: aws.String(h.handle())}
		}
		out, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: entries})
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			q.failed("delete", err)
			continue
		}
		for _, e := range out.Successful {
			if i := index(e.Id); i >= 0 && i < len(group) {
				q.done(group[i], "deleted")
			}
		}
		var rest []*hold
		for _, e := range out.Failed {
			i := index(e.Id)
			if i < 0 || i >= len(group) {
				continue
			}
			h := group[i]
			if time.Since(h.received) > q.run.in.timing.ceiling {
				q.done(h, "lost")
				continue
			}
			if stale(aws.ToString(e.Code)) && aws.ToString(entries[i].ReceiptHandle) == h.handle() {
				q.log.Warn("a message whose records are all loaded could not be deleted, because others can see it again; it is loaded twice, which changes nothing: the ids are the same",
					"message", h.id, "aws_code", aws.ToString(e.Code), code.NotDeleted.Attr())
				q.done(h, "lost")
				continue
			}
			rest = append(rest, h)
		}
		if len(rest) > 0 {
			q.failed("delete", fmt.Errorf("%w: %s", errPartly, aws.ToString(out.Failed[0].Message)))
		}
		group = rest
	}
}

// done ends a hold that was to be deleted, with its result.
func (q *queue) done(h *hold, result string) {
	q.run.in.metrics.messages.WithLabelValues(q.name, result).Inc()
	q.forget(h)
	q.run.gate.closed()
}

// giveBack makes messages visible again, in tens, until ctx is done. It tries
// three times: what fails comes back when its visibility timeout ends.
func (q *queue) giveBack(ctx context.Context) {
	for {
		var group []giveBack
		select {
		case b := <-q.backs:
			group = append(group, b)
		case <-ctx.Done():
			return
		}
	gather:
		for len(group) < batch {
			select {
			case b := <-q.backs:
				group = append(group, b)
			default:
				break gather
			}
		}
		q.run.closing.Go(func() { q.uncover(ctx, group) })
	}
}

func (q *queue) uncover(ctx context.Context, group []giveBack) {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(group))
	for i, b := range group {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: id(i), ReceiptHandle: &b.receipt, VisibilityTimeout: seconds(b.delay)}
	}
	for try := range 3 {
		if try > 0 && !sleep(ctx, jitter(200*time.Millisecond<<try)) {
			break
		}
		// Entries that fail have stale handles: others have these messages already.
		_, err := q.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: entries})
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			q.failed("give back", err)
		}
	}
	for range group {
		q.run.returning.Done()
	}
}

// seconds rounds up to what SQS counts in.
func seconds(d time.Duration) int32 {
	return int32((min(d, maxTimeout) + time.Second - 1) / time.Second)
}

func id(i int) *string { return aws.String(strconv.Itoa(i)) }

func index(id *string) int {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil {
		return -1
	}
	return i
}
