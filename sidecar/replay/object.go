package replay

import (
	"context"
	"errors"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
	"github.com/fluent-siem/fluent-siem/sidecar/pipeline"
)

// handed is how many bytes of events go to the filters at a time.
const handed = 256 << 10

// reading is an object on its way.
type reading struct {
	in     *input
	ctx    context.Context
	sink   pipeline.Sink
	tag    string
	lease  *lease.Lease
	p      *pending
	src    lease.Source
	head   *split.Head
	object *lease.Object
	events []byte
	n      int
}

// object hands over the records of the object that a letter stands for, or the
// one record that the letter lacks. What is wrong with the object is noted in
// p; an error ends the replay.
func (in *input) object(ctx context.Context, sink pipeline.Sink, tag string, l *lease.Lease, p *pending) error {
	if in.s3 == nil {
		p.failed, p.why = noInput, "the object is to be read from S3, and the configuration has no input s3_sqs that says how"
		return nil
	}
	if in.reader == nil {
		var err error
		if in.reader, err = in.s3.Reader(ctx); err != nil {
			return err
		}
	}
	letter := &p.entry.Letter
	r := &reading{in: in, ctx: ctx, sink: sink, tag: tag, lease: l, p: p, src: in.source(p)}
	r.src.Header, r.src.Format = nil, ""
	p.whole = letter.Outcome == deadletter.Quarantined
	if !p.whole {
		r.src.First, r.src.Last = letter.Record, letter.Record
	}
	err := in.reader.Records(ctx, r.src, r.record)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var host *hostError
	if errors.As(err, &host) {
		return host.err
	}
	if err := r.hand(); err != nil {
		return err
	}
	if r.object != nil {
		r.object.Seal(nil)
	}
	if err != nil {
		p.failed, p.why = s3sqs.ClassOf(err), err.Error()
		if p.failed == "" {
			p.failed = unread
		}
	}
	return nil
}

// hostError is one of the pipeline, not of the object.
type hostError struct{ err error }

func (e *hostError) Error() string { return e.err.Error() }

func (r *reading) record(rec split.Record) error {
	if rec.Head != r.head {
		if err := r.hand(); err != nil {
			return &hostError{err}
		}
		if r.object != nil {
			r.object.Seal(nil)
		}
		src := r.src
		src.Header = rec.Head.Header
		if rec.Head.Kind == split.Parquet {
			src.Format = "json"
		}
		r.head, r.object = rec.Head, r.in.watch(r.lease, r.p, src)
	}
	origin := event.Origin{Object: r.object.ID, Record: rec.Number}
	now := time.Now()
	switch {
	case rec.Bad != nil:
		r.events = event.AppendRefusal(r.events, now, origin,
			event.Refusal{Op: event.OpUnreadable, Class: string(rec.Bad.Reason), Reason: rec.Bad.Error(), Envelope: rec.Envelope}, rec.Raw)
	case rec.Envelope != nil:
		r.events = event.AppendEnveloped(r.events, now, origin, rec.Envelope, rec.Raw)
	default:
		r.events = event.AppendRecord(r.events, now, origin, rec.Raw)
	}
	r.n++
	if len(r.events) >= handed {
		if err := r.hand(); err != nil {
			return &hostError{err}
		}
	}
	return nil
}

// hand passes on what was gathered. The pipeline's memory is the bound.
func (r *reading) hand() error {
	if r.n == 0 {
		return nil
	}
	r.object.Read(r.n, 0)
	err := r.sink.Append(r.ctx, r.tag, r.n, r.events)
	r.events, r.n = r.events[:0], 0
	return err
}
