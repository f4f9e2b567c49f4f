package s3sqs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// unknown gives back a message that is not understood.
func (q *queue) unknown(h *hold, body []byte, err error) {
	in := q.run.in
	in.metrics.messages.WithLabelValues(q.name, "unknown").Inc()
	if in.lines.allow("unknown message") {
		q.log.Warn("a message is not understood; it was not deleted: it is visible again soon, and the queue's redrive policy decides how often; send only notifications of objects to this queue",
			"message", h.id, "received", h.attempt, "error", err, "begins", fmt.Sprintf("%.200q", body), code.UnknownMessage.Attr())
	}
	q.back(h, in.backoff(h.id))
}

// dispatch begins the reading of messages, in the order of their lanes, until
// ctx is done.
func (r *run) dispatch(ctx context.Context) {
	for {
		h, err := r.gate.next(ctx)
		if err != nil {
			return
		}
		go func() {
			defer r.handling.Done() // queueUp has counted it
			h.q.handle(h)
		}()
	}
}

// handle is the life of a message from its turn on: read what it names, wait for
// the verdicts, and delete it or give it back.
func (q *queue) handle(h *hold) {
	in := q.run.in
	var err error
	credit := in.credit
	if in.cfg.Acknowledge == acknowledgeQueued {
		credit = lease.NewCredit(1) // records take nothing from it: size 0
	}
	h.lease = in.p.Leases.Open(credit)
	for _, o := range h.notification.objects {
		a := q.account(h, o)
		err = survive(func() error { return q.object(h, o) })
		if a.sealed(); err != nil {
			break
		}
	}
	h.lease.Seal()
	q.run.gate.leave()
	if err == nil {
		h.phase.Store(waiting)
		err = q.await(h)
	}
	if err == nil {
		h.phase.Store(closing)
		q.settle(h)
		q.run.gate.close()
		q.run.ledger.After(func() { // what is deleted is in the ledger
			select {
			case q.deletes <- h:
			case <-q.run.holding.Done(): // it stays, and comes again
			}
		})
		return
	}
	q.fail(h, err)
}

// survive turns a panic, which is a bug of ours that some object has found, into
// an error: the message is given back, and the host lives on.
func survive(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a bug was met, please report it: %v at %s", p, debug.Stack())
		}
	}()
	return do()
}

// await waits until a message may be deleted.
func (q *queue) await(h *hold) error {
	in := q.run.in
	if in.cfg.Acknowledge == acknowledgeQueued {
		for h.unappended.Load() > 0 {
			select {
			case <-h.appended:
			case <-h.ctx.Done():
				return context.Cause(h.ctx)
			}
		}
		if err := context.Cause(h.ctx); err != nil {
			return err
		}
		q.run.closing.Go(func() {
			q.retain(h.lease)
			h.done()
		})
		return nil
	}
	began := time.Now()
	for {
		last := h.lease.LastSign()
		if last.Before(began) {
			last = began
		}
		timer := time.NewTimer(time.Until(last.Add(in.cfg.LeaseTimeout)))
		select {
		case <-h.lease.Settled():
			timer.Stop()
			if err := h.balance(); err != nil {
				return err
			}
			h.done()
			return nil
		case <-h.ctx.Done():
			timer.Stop()
			return context.Cause(h.ctx)
		case <-timer.C:
			if h.lease.LastSign().After(last) {
				continue
			}
			return q.overdue(h)
		}
	}
}

// retain keeps the books of a lease whose message is deleted open for lookups,
// until they balance or nothing comes any more.
func (q *queue) retain(l *lease.Lease) {
	for {
		timer := time.NewTimer(time.Until(l.LastSign().Add(q.run.in.cfg.LeaseTimeout)))
		select {
		case <-l.Settled():
			timer.Stop()
			return
		case <-timer.C:
			if time.Since(l.LastSign()) < q.run.in.cfg.LeaseTimeout {
				continue
			}
		case <-q.run.holding.Done():
			timer.Stop()
		}
		l.GiveBack(nil)
		return
	}
}

// overdueError says which verdicts a lease waited for in vain.
type overdueError struct {
	read, judged uint64
	timeout      time.Duration
}

func (e *overdueError) Error() string {
	if e.judged == 0 {
		return fmt.Sprintf("no verdict for any of %d records within %v: neither filter ecs nor output opensearch_bulk has given one; put both into the pipeline and let match fit the tag, "+
			"or set acknowledge queued when the records go elsewhere", e.read, e.timeout)
	}
	return fmt.Sprintf("no verdict for %d of %d records for %v: the output has not given them; Fluent Bit has probably dropped them, set retry_limit no_limits on opensearch_bulk and look for errors of the output",
		e.read-e.judged, e.read, e.timeout)
}

func (q *queue) overdue(h *hold) error {
	e := &overdueError{timeout: q.run.in.cfg.LeaseTimeout}
	for _, o := range h.lease.Objects() {
		t := o.Totals()
		e.read += t.Read
		e.judged += t.Judged()
	}
	return e
}

// fail ends a hold whose message cannot be deleted.
func (q *queue) fail(h *hold, err error) {
	in := q.run.in
	if h.lease != nil { // its turn has come
		h.lease.GiveBack(err)
	}
	result, delay := "given_back", time.Duration(0)
	var f *fault
	var late *overdueError
	var host *unsent
	var books *unbalancedError
	switch {
	case errors.Is(err, errStopping):
		result = "stopped"
	case errors.Is(err, errLost):
		result = "lost"
		in.metrics.messages.WithLabelValues(q.name, result).Inc()
		q.log.Warn("the hold on a message is lost; it is read again by whoever receives it, and what was loaded is recognised by its ids", "message", h.id, "cause", err, code.HoldLost.Attr())
		h.returned(result)
		q.forget(h)
		return
	case errors.As(err, &books):
		result, delay = unbalanced, in.backoff(h.id)
		q.log.Error("a message is given back; nothing is lost, it is delivered again: "+err.Error(), "message", h.id, code.Bug.Attr())
	case errors.Is(err, errCeiling):
		result = "handed_over"
		q.log.Warn("a message has been held for almost twelve hours; it is handed over to the next receipt before SQS takes it away, and what was loaded is recognised by its ids; "+
			"if this repeats, the pipeline is too slow for its objects", "message", h.id, code.TwelveHours.Attr())
	case errors.As(err, &late):
		result = "overdue"
		q.log.Warn("a message is given back: "+late.Error(), "message", h.id, code.NoVerdict.Attr())
	case errors.As(err, &host):
		q.log.Warn("a message is given back because "+host.Error()+"; nothing is lost, it is delivered again", "message", h.id, code.HostRefuses.Attr())
		delay = time.Second
	case errors.As(err, &f):
		delay = in.backoff(h.id)
		if f.class == changed {
			delay = 0
		}
	default:
		delay = in.backoff(h.id)
		q.log.Error("a message is given back; nothing is lost, it is delivered again", "message", h.id, "error", err, code.GivenBack.Attr())
	}
	in.metrics.messages.WithLabelValues(q.name, result).Inc()
	h.returned(result)
	q.back(h, delay)
}

// back makes a message visible after delay.
func (q *queue) back(h *hold, delay time.Duration) {
	q.run.returning.Add(1)
	receipt := h.handle()
	q.forget(h)
	q.backs <- giveBack{h.id, receipt, delay}
}

// settle notes the books of a message that is done.
func (q *queue) settle(h *hold) {
	in := q.run.in
	if n := h.notification; len(n.objects) == 0 {
		q.log.Debug("a message names no new object; it is acknowledged", "message", h.id, "shape", n.shape)
	}
	for _, o := range h.lease.Objects() {
		t := o.Totals()
		for _, v := range lease.Outcomes() {
			if c := t.Of(v); c > 0 {
				in.metrics.verdicts.WithLabelValues(o.Source.LogType, v.String()).Add(float64(c))
			}
		}
		if !o.Source.EventTime.IsZero() && o.Source.LogType != "" {
			in.metrics.lag.WithLabelValues(o.Source.LogType).Observe(time.Since(o.Source.EventTime).Seconds())
		}
	}
}
