package ecs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/extend"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// extensionFailed is the tag of documents whose extension failed.
const extensionFailed = "extension_failed"

// openExtensions starts what a file of extensions names.
func openExtensions(path string, p *process.Process, log *slog.Logger) *extend.Transformers {
	return extend.Open(path, extend.Env{
		Log: log, Health: p.SetHealth,
		Metrics: func(c prometheus.Collector) prometheus.Collector { return process.Register(p, c) },
	})
}

// held is a document that an extension has in its hands.
type held struct {
	ev     *event.Event
	origin *event.Origin
	time   time.Time
	op     event.Op
	ends   [3]int // of document, index and id in the bytes of its batch
	hasID  bool
}

// batch is documents of one log type that go to an extension together.
type batch struct {
	logType string
	items   []held
	bytes   []byte
	docs    [][]byte
	results []extend.Result
	cfg     extend.TransformerConfig
}

// extending is what a worker needs for log types with an extension.
type extending struct {
	open   []*batch // that take documents
	sent   []*batch // in the order they were sent
	free   []*batch
	calls  sync.WaitGroup
	parser fastjson.Parser
	arena  fastjson.Arena
	last   string              // the log type that was asked for last,
	to     *extend.Transformer // and its extension
}

// extension returns the extension of a log type, nil when it has none.
func (w *worker) extension(logType string) *extend.Transformer {
	if w.f.extensions == nil {
		return nil
	}
	if w.ext.last != logType {
		w.ext.last, w.ext.to = logType, w.f.extensions.For(logType)
	}
	return w.ext.to
}

// hold gives the document in hand to an extension. Whole batches are sent at once,
// while others are filled.
func (w *worker) hold(to *extend.Transformer, ev *event.Event, origin *event.Origin, target event.Target) {
	b := w.batch(w.c.p.t.Name)
	it := held{ev: ev, origin: origin, time: w.c.Time(), op: target.Op, hasID: target.ID != nil}
	start := len(b.bytes)
	for i, add := range []func([]byte) []byte{
		w.c.AppendJSON,
		func(dst []byte) []byte { return append(dst, target.Index...) },
		func(dst []byte) []byte { return append(dst, target.ID...) },
	} {
		b.bytes = add(b.bytes)
		it.ends[i] = len(b.bytes)
	}
	if n := len(b.items); n > 0 && len(b.bytes) > extend.BatchBytes { // it begins the next one
		next := w.fresh(b.logType)
		next.bytes = append(next.bytes, b.bytes[start:]...)
		b.bytes = b.bytes[:start]
		for i := range it.ends {
			it.ends[i] -= start
		}
		w.send(b)
		w.ext.open = append(w.ext.open, next)
		b = next
	}
	b.items = append(b.items, it)
	if len(b.items) >= to.Config.Batch {
		w.send(b)
	}
}

// batch returns the one that takes documents of a log type.
func (w *worker) batch(logType string) *batch {
	for _, b := range w.ext.open {
		if b.logType == logType {
			return b
		}
	}
	b := w.fresh(logType)
	w.ext.open = append(w.ext.open, b)
	return b
}

func (w *worker) fresh(logType string) *batch {
	b := &batch{}
	if n := len(w.ext.free); n > 0 {
		b, w.ext.free = w.ext.free[n-1], w.ext.free[:n-1]
	}
	*b = batch{logType: logType, items: b.items[:0], bytes: b.bytes[:0], docs: b.docs[:0]}
	return b
}

// send gives a batch to its extension.
func (w *worker) send(b *batch) {
	for i, other := range w.ext.open {
		if other == b {
			w.ext.open = append(w.ext.open[:i], w.ext.open[i+1:]...)
			break
		}
	}
	for i := range b.items {
		b.docs = append(b.docs, b.document(i))
	}
	w.ext.sent = append(w.ext.sent, b)
	w.ext.calls.Go(func() { b.results, b.cfg = w.f.extensions.Transform(context.Background(), b.logType, b.docs) })
}

// document is the i-th document.
func (b *batch) document(i int) []byte {
	start := 0
	if i > 0 {
		start = b.items[i-1].ends[2]
	}
	return b.bytes[start:b.items[i].ends[0]:b.items[i].ends[0]]
}

// target is where a document goes.
func (b *batch) target(it *held) event.Target {
	t := event.Target{Op: it.op, Index: b.bytes[it.ends[0]:it.ends[1]]}
	if it.hasID {
		t.ID = b.bytes[it.ends[1]:it.ends[2]]
	}
	return t
}

// release waits for what extensions have, and appends what became of it.
func (w *worker) release(dst []byte) []byte {
	if w.f.extensions == nil {
		return dst
	}
	for len(w.ext.open) > 0 {
		w.send(w.ext.open[0])
	}
	w.ext.calls.Wait()
	for _, b := range w.ext.sent {
		for i := range b.items {
			dst = w.settle(dst, b, i)
		}
		b.results = nil // large ones would stay for as long as the worker
		w.ext.free = append(w.ext.free, b)
	}
	w.ext.sent, w.ext.last, w.ext.to = w.ext.sent[:0], "", nil
	return dst
}

// settle appends what became of the i-th document of a batch.
func (w *worker) settle(dst []byte, b *batch, i int) []byte {
	it, result := &b.items[i], b.results[i]
	switch result.Outcome {
	case extend.Dropped:
		n := w.count(b.logType)
		n.converted, n.excluded = n.converted-1, n.excluded+1
		w.matches[match{b.logType, "extension " + b.cfg.Name, "exclude"}]++
		if it.origin != nil {
			if account := w.f.process.Leases.Object(it.origin.Object); account != nil {
				account.Judge(it.origin.Record, it.origin.Size, lease.Excluded)
			}
		}
		return dst
	case extend.Unchanged, extend.Changed:
		doc, changed := b.docs[i], result.Outcome == extend.Changed
		if changed {
			doc = result.Document
		}
		out, err := w.extended(dst, b, it, doc, changed, "")
		if err == nil {
			return out
		}
		result.Reason = "its document cannot be used: " + err.Error()
		w.f.log.Warn("an extension returned a document that cannot be used; it goes the way of on_failure", "extension", b.cfg.Name, "log_type", b.logType, "error", err, code.Untransformed.Attr())
	}
	reason := fmt.Sprintf("extension %s: %s", b.cfg.Name, result.Reason)
	if b.cfg.OnFailure != extend.DeadLetter {
		out, err := w.extended(dst, b, it, b.docs[i], false, reason)
		if err == nil {
			return out
		}
		reason += "; and " + err.Error() // too deep for the parser
	}
	w.count(b.logType).converted--
	return w.unreadable(dst, it.ev, b.logType, errors.New(reason))
}

var errNoTime = errors.New("it has no @timestamp")

// extended appends the event of a document that comes back from an extension: as
// a converter writes it, so whatever came is valid, without empty fields, and
// with texts that can be indexed. failed, if it is none, tags it.
func (w *worker) extended(dst []byte, b *batch, it *held, doc []byte, changed bool, failed string) ([]byte, error) {
	if !changed && failed == "" && w.f.cfg.Emit == "document" { // it is written already
		dst = event.AppendTarget(dst, it.time, it.origin, b.target(it), it.ev.Envelope, it.ev.Metadata)
		return event.AppendDocument(dst, doc), nil
	}
	v, err := w.ext.parser.ParseBytes(doc)
	if err != nil {
		return dst, fmt.Errorf("it is no JSON (%.100q)", err.Error())
	}
	object, err := v.Object()
	if err != nil {
		return dst, errors.New("it is no JSON object")
	}
	if len(v.GetStringBytes("@timestamp")) == 0 {
		return dst, errNoTime
	}
	if failed != "" {
		w.tag(v, failed)
	}
	message := v.GetStringBytes("@message")
	if message != nil {
		object.Del("@message")
	}
	dst = event.AppendTarget(dst, it.time, it.origin, b.target(it), it.ev.Envelope, it.ev.Metadata)
	if w.f.cfg.Emit == "record" {
		return w.c.appendDocument(dst, v, message, true, !changed), nil
	}
	w.text = w.c.appendDocument(w.text[:0], v, message, false, !changed)
	return event.AppendDocument(dst, w.text), nil
}

// tag says in a document that its extension failed, and why.
func (w *worker) tag(v *fastjson.Value, reason string) {
	a := &w.ext.arena
	a.Reset()
	tags := a.NewArray()
	switch old := v.Get("tags"); {
	case old == nil:
	case old.Type() == fastjson.TypeArray:
		for i, item := range old.GetArray() {
			tags.SetArrayItem(i, item)
		}
	default:
		tags.SetArrayItem(0, old)
	}
	tags.SetArrayItem(len(tags.GetArray()), a.NewString(extensionFailed))
	v.Set("tags", tags)
	siem := v.Get("siem")
	if siem == nil || siem.Type() != fastjson.TypeObject {
		siem = a.NewObject()
		v.Set("siem", siem)
	}
	siem.Set("extension", a.NewString(reason))
}

// appendDocument appends a document that was parsed. message, which is never
// cut, was taken out of it. whole: it was written by this converter, and nothing is
// cut.
func (c *Converter) appendDocument(dst []byte, v *fastjson.Value, message []byte, msgpack, whole bool) []byte {
	w := &c.w
	w.Reset(dst, msgpack)
	c.whole = whole
	m := w.Object()
	c.writeObject(v, nil, 0)
	if message != nil {
		w.Key(messageKey)
		w.String(message)
	}
	w.EndObject(m)
	c.whole = false
	return w.Buf
}

var messageKey = event.NewKey("@message")

// abandon forgets what is held: its records are converted anew.
func (w *worker) abandon() {
	w.ext.calls.Wait()
	w.ext.open, w.ext.sent, w.ext.last, w.ext.to = nil, nil, "", nil
}
