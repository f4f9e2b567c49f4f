package s3sqs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// isForBacklog reports whether a message goes to the backlog queue: none of its
// objects is fresh, and it comes for the first time. One that came before may be
// stored in part, by whichever agent: reading goes on with the same message only,
// and the output looks for what may be there when the message says so.
func (q *queue) isForBacklog(h *hold) bool {
	return q.run.backlog != nil && q != q.run.backlog && h.attempt == 1 &&
		len(h.notification.objects) > 0 && time.Since(h.time) > q.run.in.cfg.FreshFor
}

// moving is a message for the backlog queue.
type moving struct {
	h    *hold
	body *string
}

// move puts messages into the backlog queue and deletes them from this one when
// they are there. What cannot be moved is read from here. A message that is moved
// and comes again all the same, since its delete failed, is loaded twice: the ids are
// the same.
func (q *queue) move(ctx context.Context, old []moving) {
	if len(old) == 0 {
		return
	}
	in := &sqs.SendMessageBatchInput{QueueUrl: &q.run.backlog.url}
	for i, m := range old {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: id(i), MessageBody: m.body})
	}
	moved := make([]bool, len(old))
	out, err := q.run.backlog.client.SendMessageBatch(ctx, in)
	if err == nil {
		for _, e := range out.Successful {
			if i := index(e.Id); i >= 0 && i < len(old) {
				moved[i] = true
			}
		}
		if len(out.Failed) > 0 {
			err = fmt.Errorf("%w: %s", errPartly, aws.ToString(out.Failed[0].Message))
		}
	}
	if err != nil && !interrupted(ctx, err) && q.run.in.lines.allow("backlog") {
		q.log.Warn(fmt.Sprintf("messages of old objects cannot be moved to the backlog queue: %v; nothing is lost, they are read from here; allow sqs:SendMessage on %s, or correct backlog_queue_url", err, q.run.backlog.url), code.NotMoved.Attr())
	}
	for i, m := range old {
		if !moved[i] {
			q.queueUp(m.h)
			continue
		}
		q.run.in.metrics.moved.WithLabelValues(q.name).Inc()
		m.h.phase.Store(closing)
		q.run.gate.close()
		q.deletes <- m.h
	}
}
