package s3sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// object reads one object. An error means that the message must come again.
func (q *queue) object(h *hold, a announced) error {
	in := q.run.in
	src := lease.Source{Bucket: a.bucket, Key: a.key, Version: a.version, ETag: a.etag, Account: a.account, Region: a.region,
		Size: a.size, EventTime: a.time, First: a.first, Last: a.last, Received: h.attempt, TablesOf: a.tablesOf}
	log := q.log.With("bucket", a.bucket, "key", a.key)
	types := in.p.LogTypes.Set()
	t, why := types.Match(a.bucket, a.key)
	if why, ok := in.ignored(a.key); ok {
		return q.pass(h, src, log, "ignored", why, "nothing")
	}
	if t == nil {
		outcome, advice := "unclaimed", "write a log type for it into logtypes_dir, or add the key to ignore_keys; then announce the object again"
		if of := types.Ignored(a.bucket, a.key); of != nil {
			src.LogType, outcome, advice = of.Name, "ignored", "nothing"
		} else if strings.HasSuffix(a.key, "/") {
			outcome, advice = "folder", "nothing"
		}
		return q.pass(h, src, log, outcome, why, advice)
	}
	src.LogType = t.Name
	if a.size == 0 {
		return q.pass(h, src, log, "empty", "it has no bytes", "nothing")
	}
	q.run.gate.begin(max(a.size, 0))
	defer q.run.gate.end(max(a.size, 0))
	err := q.read(h, a, src, t.Framing(), log)
	if err == nil {
		in.p.SetHealth("s3_sqs bucket "+a.bucket, "")
		return nil
	}
	if c := context.Cause(h.ctx); c != nil {
		return c
	}
	f := classify(err)
	h.outcome(src, string(f.class))
	text := fmt.Sprintf("the object cannot be read (%s): %v", f.class, f.err)
	switch f.class {
	case denied, misplaced, archived:
		in.p.SetHealth("s3_sqs bucket "+a.bucket, code.Input(string(f.class)).In(text+"; "+f.advice()))
	}
	if in.lines.allow("object " + string(f.class) + a.bucket) {
		log.Warn(text+"; nothing is lost, its message is given back and comes again; to do: "+f.advice(), "received", h.attempt, code.Input(string(f.class)).Attr())
	}
	return f
}

// ignored reports whether ignore_keys names a key.
func (in *Input) ignored(key string) (why string, ok bool) {
	for _, re := range in.ignore {
		if re.MatchString(key) {
			return "ignore_keys has " + re.String(), true
		}
	}
	return "", false
}

// pass gives an object that is not read its verdict: no records.
func (q *queue) pass(h *hold, src lease.Source, log *slog.Logger, outcome, why, advice string) error {
	in := q.run.in
	h.lease.Add(src).Seal(nil)
	h.outcome(src, outcome)
	level := slog.LevelDebug
	switch {
	case outcome == "unclaimed" || outcome == "empty":
		level = slog.LevelWarn
	case src.LogType != "": // its log type says why
		level = slog.LevelInfo
	}
	if in.lines.allow("object " + outcome) {
		log.Log(context.Background(), level, fmt.Sprintf("the object is not read (%s): %s; its message is acknowledged, the object stays in the bucket; to do: %s", outcome, why, advice))
	}
	return nil
}

// read fetches an object and hands its records over. An error means that the
// object must come again; what is wrong with its content is no error.
func (q *queue) read(h *hold, a announced, src lease.Source, f split.Framing, log *slog.Logger) error {
	in := q.run.in
	began := time.Now()
	rd := &reader{q: q, h: h, src: src, a: a, buffer: q.run.buffers.get(in.tag + "." + src.LogType), at: began}
	content, err := q.run.open(h.ctx, a)
	if err != nil {
		return rd.missing(log, err)
	}
	defer content.Close()
	if src.ETag == "" {
		src.ETag = strings.Trim(content.etag, `"`)
	}
	if src.Version == "" { // who announced it did not say: a list, the original's split message
		src.Version = content.version
	}
	if src.EventTime.IsZero() { // nor that: records without a time shall have the same one each time they are read
		src.EventTime = content.written
	}
	if src.Size < 0 && content.size != unknownSize {
		src.Size = content.size
	}
	if content.size == 0 {
		return q.pass(h, src, log, "empty", "it has no bytes", "nothing")
	}
	f.First, f.Last = a.first, a.last
	if n := h.through(a, src.ETag); n >= max(a.first, 1) {
		f.First, src.First, rd.last = n+1, n+1, n
		in.metrics.continued.Inc()
		log.Info("the reading of the object was interrupted, and goes on behind the records that have their verdict", "record", n+1)
	}
	rd.src, rd.content = src, content
	h.reads(src)
	if n := in.cfg.SplitRecords; n > 0 && a.last == 0 {
		rd.partAfter = max(a.first, 1) - 1 + uint64(n)
	}
	outcome := "read"
	res, err := rd.cut(content, f)
	defer func() { h.handed(rd.handed, res.Bytes) }()
	if errors.Is(err, errParted) {
		outcome, err = "parted", nil
	}
	if flushErr := rd.close(); err == nil {
		err = flushErr
	}
	if context.Cause(h.ctx) != nil {
		return context.Cause(h.ctx)
	}
	in.metrics.objectBytes.WithLabelValues(src.LogType).Add(float64(res.Compressed))
	in.metrics.textBytes.WithLabelValues(src.LogType).Add(float64(res.Bytes))
	var fault *split.Error
	switch {
	case errors.As(err, &fault):
		if err := rd.quarantine(string(fault.Reason), fault); err != nil {
			return err
		}
		h.outcome(src, string(fault.Reason))
		log.Warn(fmt.Sprintf("the object is read no further (%s): %v; the records before that go on, what follows is quarantined among the dead letters; its message is acknowledged when that is done; to do: %s",
			fault.Reason, fault, contentAdvice(fault.Reason)), "records", res.Read, "bytes", res.Bytes, "size", res.Compressed, code.Input(string(fault.Reason)).Attr())
	case err != nil:
		return rd.missing(log, err)
	default:
		rd.seal(nil)
		if res.Read == 0 {
			outcome = "no_records"
		}
		h.outcome(src, outcome)
		log.Debug("the object is read", "records", res.Read, "bytes", res.Bytes, "took", time.Since(began).String())
	}
	if res.Bad > 0 {
		log.Warn(fmt.Sprintf("records of the object cannot be used; they go to the dead letters as far as they were kept, the others are not affected; the first: record %d, %v", rd.badNumber, rd.bad),
			"records", res.Read, "bad", res.Bad, code.BadRecords.Attr())
	}
	if res.Skipped > 0 {
		in.metrics.skipped.WithLabelValues(src.LogType).Add(float64(res.Skipped))
		log.Debug("JSON values of the object hold no records under the log type's key", "values", res.Skipped)
	}
	return nil
}

// missing quarantines an object that does not exist; other errors pass.
func (rd *reader) missing(log *slog.Logger, err error) error {
	f := classify(err)
	if c := context.Cause(rd.h.ctx); c != nil || f.class != gone {
		return err
	}
	if err := rd.quarantine(string(gone), f); err != nil {
		return err
	}
	rd.h.handed(rd.handed, 0)
	rd.h.outcome(rd.src, string(gone))
	if rd.q.run.in.lines.allow("object gone") {
		log.Warn("the object is gone: "+f.err.Error()+"; its records cannot be loaded, it is quarantined among the dead letters and its message is acknowledged; to do: let lifecycle rules delete objects later than they are loaded", "version", rd.src.Version, code.Input(string(gone)).Attr())
	}
	return nil
}

// contentAdvice is what to do about an object that cannot be read to its end.
func contentAdvice(r split.Reason) string {
	switch r {
	case split.Bomb:
		return "look at the object; if it is genuine, raise object_limit, ratio_limit or spool_limit and replay the dead letter"
	case split.Truncated, split.Corrupt:
		return "look whether its writer failed; when it is repaired, replay the dead letter"
	case split.Unsupported:
		return "have it written with gzip, zstd, lz4 or without compression"
	}
	return "look at the object, or correct the log type that claims its key"
}

// reader makes events of an object's records.
type reader struct {
	q      *queue
	h      *hold
	src    lease.Source
	buffer *buffer
	at     time.Time

	a         announced
	content   *body
	partAfter uint64 // the position after which the object is a large one; 0: it is not to be parted

	head *split.Head   // of o
	o    *lease.Object // another for each header
	c    *chunk
	last uint64 // position of the last record

	handed uint64 // records added to a chunk

	bad       *split.Error // the first
	badNumber uint64
}

// record is called for each record, in order.
func (rd *reader) record(r split.Record) error {
	if rd.partAfter > 0 && r.Number > rd.partAfter {
		if err := rd.part(); err != nil {
			return err
		}
	}
	if r.Head != rd.head {
		if err := rd.begin(r.Head); err != nil {
			return err
		}
	}
	need := credit(len(r.Raw) + len(r.Envelope))
	size := need
	if rd.queued() {
		size = 0
	}
	rd.last = r.Number
	var bad *event.Refusal
	if r.Bad != nil {
		bad = &event.Refusal{Op: event.OpUnreadable, Class: string(r.Bad.Reason), Reason: r.Bad.Error(), Envelope: r.Envelope}
		rd.q.run.in.metrics.bad.WithLabelValues(rd.src.LogType, string(r.Bad.Reason)).Inc()
		if rd.bad == nil {
			rd.bad, rd.badNumber = r.Bad, r.Number
		}
	}
	rd.c.add(rd.o, rd.at, r.Number, size, r.Envelope, r.Raw, bad)
	rd.handed++
	rd.c.size += need
	if len(rd.c.events) >= chunkSize || rd.c.size >= rd.q.run.in.credit.Limit()/16 {
		return rd.flush()
	}
	return nil
}

// cut cuts the object into records, when it is its turn. What a small one has
// gathered is handed on after that, so that waiting for the host holds up no other.
func (rd *reader) cut(content *body, f split.Framing) (res split.Result, err error) {
	var express chan struct{}
	if rd.h.urgent {
		express = rd.q.run.express
	}
	select {
	case express <- struct{}{}:
		defer func() { <-express }()
		return split.Records(content, f, rd.q.run.limits, rd.record)
	case rd.q.run.cutting <- struct{}{}:
		defer func() { <-rd.q.run.cutting }()
		return split.Records(content, f, rd.q.run.limits, rd.record)
	case <-rd.h.ctx.Done():
		return res, context.Cause(rd.h.ctx)
	}
}

// chunk returns an empty one, fit for the object's size.
func (rd *reader) chunk() *chunk {
	if size := rd.src.Size; size > 0 && size < smallSize {
		return &chunk{events: make([]byte, 0, 4*size+1<<10)}
	}
	return chunks.Get().(*chunk)
}

// quarantine ends the object's books with a record that stands for what cannot
// be read of it: a dead letter, from which a replay reads it again. With
// acknowledge: queued there is none, for nobody would know what it is.
func (rd *reader) quarantine(class string, why error) error {
	if !rd.queued() {
		if rd.o == nil {
			if err := rd.begin(&split.Head{}); err != nil {
				return err
			}
		}
		if rd.c == nil {
			rd.c = rd.chunk()
		}
		size := credit(0)
		rd.last = max(rd.last+1, rd.a.first)
		rd.handed++
		rd.c.add(rd.o, rd.at, rd.last, size, nil, nil, &event.Refusal{Op: event.OpQuarantined, Class: class, Reason: why.Error()})
		rd.c.size += size
		if err := rd.close(); err != nil {
			return err
		}
	}
	rd.seal(why)
	return nil
}

func (rd *reader) queued() bool { return rd.q.run.in.cfg.Acknowledge == acknowledgeQueued }

// begin opens the books for the records under one head.
func (rd *reader) begin(head *split.Head) error {
	if rd.o != nil {
		if err := rd.flush(); err != nil {
			return err
		}
		rd.o.Seal(nil)
	}
	src := rd.src
	src.Header = head.Header
	if head.Kind == split.Parquet {
		src.Format = "json"
	}
	rd.head, rd.o = head, rd.h.lease.Add(src)
	if rd.c == nil {
		rd.c = rd.chunk()
	}
	return nil
}

// flush takes the credit for what was gathered, and hands it on.
func (rd *reader) flush() error {
	c := rd.c
	if c == nil || c.n == 0 {
		return nil
	}
	in := rd.q.run.in
	if err := in.pace.wait(rd.h.ctx, int64(len(c.events))); err != nil {
		return err
	}
	if err := in.credit.Take(rd.h.ctx, c.size); err != nil {
		return cause(rd.h.ctx, err)
	}
	back := int64(0)
	if rd.queued() {
		rd.o.Read(c.n, 0)
		back = c.size
	} else {
		rd.o.Read(c.n, c.size)
	}
	rd.o.Mark(rd.last)
	in.metrics.records.WithLabelValues(rd.src.LogType).Add(float64(c.n))
	rd.q.run.buffers.add(rd.h, rd.buffer, c, back)
	c.events, c.n, c.size = c.events[:0], 0, 0
	return context.Cause(rd.h.ctx)
}

// close hands on what is left.
func (rd *reader) close() error {
	err := rd.flush()
	if rd.c != nil {
		rd.c.free()
		rd.c = nil
	}
	return err
}

// seal ends the object's books; an object without records has them too.
func (rd *reader) seal(err error) {
	if rd.o == nil {
		rd.o = rd.h.lease.Add(rd.src)
	}
	rd.o.Seal(err)
}
