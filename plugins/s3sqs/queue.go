package s3sqs

import (
	"context"
	"errors"
	"log/slog"
	"path"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// queue is one SQS queue of a run.
type queue struct {
	run    *run
	url    string
	name   string // the last part of the URL
	client *sqs.Client
	log    *slog.Logger

	visibility atomic.Int64 // nanoseconds that a receipt or extension hides a message for
	explicit   atomic.Bool  // visibility is ours: ask for it with each receipt
	receivers  atomic.Int32

	ahead      int // messages that are held and not begun; the gate's
	aheadBytes int // of them; the gate's

	mu    sync.Mutex
	holds map[string]*hold // by message id

	deletes chan *hold
	backs   chan giveBack
}

// giveBack is a message that becomes visible again after delay.
type giveBack struct {
	id, receipt string
	delay       time.Duration
}

const (
	maxReceivers = 4                // for one queue
	batch        = 10               // messages that one call of SQS takes
	ownTimeout   = 2 * time.Minute  // visibility when the queue's cannot be read or is 0
	maxTimeout   = 12 * time.Hour   // what SQS accepts
	retryCap     = 30 * time.Second // between two failed calls
)

func newQueue(r *run, url string) *queue {
	q := &queue{run: r, url: url, name: path.Base(url), client: r.clients.queue(url), holds: map[string]*hold{},
		deletes: make(chan *hold, 1024), backs: make(chan giveBack, 1024)}
	q.log = r.in.log.With("queue", q.name)
	return q
}

// component names the queue in health.
func (q *queue) component() string { return "s3_sqs queue " + q.name }

// learn asks for the queue's visibility timeout.
func (q *queue) learn(ctx context.Context) {
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameVisibilityTimeout}})
	seconds := 0
	if err == nil {
		seconds, err = strconv.Atoi(out.Attributes[string(types.QueueAttributeNameVisibilityTimeout)])
	}
	if err == nil && seconds > 0 {
		q.visibility.Store(int64(seconds) * int64(time.Second))
		return
	}
	q.visibility.Store(int64(ownTimeout))
	q.explicit.Store(true)
	if err != nil && !interrupted(ctx, err) {
		q.log.Warn("the queue's visibility timeout cannot be read; messages are hidden for two minutes at a time instead; allow sqs:GetQueueAttributes", "error", err, code.Visibility.Attr())
	}
}

// receive takes messages until ctx is done. A queue begins with one receiver;
// while answers are full more join, and leave again at the first empty one.
func (q *queue) receive(ctx context.Context, extra bool) {
	defer q.receivers.Add(-1)
	wait := time.Second
	for ctx.Err() == nil {
		n, err := q.run.gate.room(ctx, q)
		if err != nil {
			return
		}
		began := time.Now()
		in := &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: int32(min(n, batch)), WaitTimeSeconds: q.run.in.timing.poll,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp}}
		if q.explicit.Load() {
			in.VisibilityTimeout = int32(ownTimeout / time.Second)
		}
		out, err := q.client.ReceiveMessage(ctx, in)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			q.failed("receive", err)
			if !sleep(ctx, jitter(wait)) {
				return
			}
			wait = min(2*wait, retryCap)
			continue
		}
		wait = time.Second
		q.run.in.p.SetHealth(q.component(), "")
		var old []moving
		for _, m := range out.Messages {
			switch h := q.took(m, began); {
			case h == nil:
			case q.isForBacklog(h):
				old = append(old, moving{h, m.Body})
			default:
				q.queueUp(h)
			}
		}
		q.move(ctx, old)
		switch full := len(out.Messages) == batch; {
		case full && q.receivers.Load() < maxReceivers:
			q.receivers.Add(1)
			q.run.receiving.Go(func() { q.receive(ctx, true) })
		case extra && len(out.Messages) == 0:
			return
		}
	}
}

// failed says that a call did not work, in log, counter and health.
func (q *queue) failed(what string, err error) {
	f := classify(err)
	q.run.in.metrics.queueErrors.WithLabelValues(q.name, what).Inc()
	advice := "it is tried again"
	switch f.class {
	case denied:
		advice = "allow sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes on the queue, or correct the credentials; it is tried again until then"
	case misplaced:
		advice = "correct queue_url and region; it is tried again until then"
	}
	text := "cannot " + what + " messages: " + err.Error() + "; nothing is lost, they stay in the queue; " + advice
	if what == "receive" {
		q.run.in.p.SetHealth(q.component(), code.Queue.In(text))
	}
	if q.run.in.lines.allow("queue " + what) {
		q.log.Error(text, code.Queue.Attr())
	}
}

// took begins to hold a message and returns the hold; nil: there is nothing to do
// for it. If it is held already only its newer receipt handle counts.
func (q *queue) took(m types.Message, at time.Time) *hold {
	id, receipt := aws.ToString(m.MessageId), aws.ToString(m.ReceiptHandle)
	visibility := time.Duration(q.visibility.Load())
	attempt, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil {
		attempt = 1
	}
	q.mu.Lock()
	if h := q.holds[id]; h != nil {
		h.took(receipt, at, visibility)
		q.mu.Unlock()
		return nil
	}
	h := &hold{q: q, id: id, received: at, attempt: attempt, appended: make(chan struct{}, 1)}
	h.ctx, h.cancel = context.WithCancelCause(q.run.holding)
	h.took(receipt, at, visibility)
	q.holds[id] = h
	q.mu.Unlock()
	q.run.in.metrics.received.WithLabelValues(q.name).Inc()
	body := []byte(aws.ToString(m.Body))
	if h.notification, err = parseNotification(body); err != nil {
		q.unknown(h, body, err)
		return nil
	}
	h.size = len(body)
	sent := at
	if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		sent = time.UnixMilli(ms)
	}
	h.place(q.run.in, sent)
	return h
}

// queueUp lets a message wait for its turn. Its claim may end before that.
func (q *queue) queueUp(h *hold) {
	q.run.handling.Add(1)
	q.run.gate.put(h)
	context.AfterFunc(h.ctx, func() {
		if q.run.gate.drop(h) {
			q.fail(h, context.Cause(h.ctx))
			q.run.handling.Done()
		}
	})
}

// forget ends the heartbeat of a hold.
func (q *queue) forget(h *hold) {
	q.mu.Lock()
	delete(q.holds, h.id)
	q.mu.Unlock()
	h.cancel(nil)
}

// list returns the holds, in no order.
func (q *queue) list() []*hold {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]*hold, 0, len(q.holds))
	for _, h := range q.holds {
		all = append(all, h)
	}
	return all
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// stale reports whether the code of a failed entry says that the receipt handle
// counts no more.
func stale(code string) bool {
	switch code {
	case "ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight":
		return true
	}
	return false
}

var errPartly = errors.New("some entries of a batch failed")
