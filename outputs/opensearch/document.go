package opensearch

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// maxID is how long an id may be, in bytes; OpenSearch refuses a whole request
// for one that is longer.
const maxID = 512

// documents renders events as the lines of a bulk request.
type documents struct {
	index    []byte // for events that name none
	ids      bool   // false: the collection refuses ids
	generate bool   // make ids for documents that have none
	series   [12]byte
	bounds   bounds
	fit      []byte // the index that was checked last
}

// problem is why an event becomes no document.
type problem struct {
	final         lease.Outcome
	outcome       string // of the letter
	class, reason string
}

// add appends ev, the n-th event of its chunk, to b as an item, and returns
// what follows its record, which [event.Peek] left unread. Where no document
// can be made of it, nothing is added and the problem is returned.
func (d *documents) add(b *bulk, ev *event.Event, n int32, o *lease.Object) (next []byte, p *problem) {
	it := newItem(b, ev, n, o)
	switch ev.Target.Op {
	case event.OpUnreadable:
		return nil, &problem{lease.Unreadable, deadletter.Unreadable, cmp.Or(string(ev.Target.Class), "unreadable"), string(ev.Target.Reason)}
	case event.OpQuarantined:
		return nil, &problem{lease.Unreadable, deadletter.Quarantined, string(ev.Target.Class), string(ev.Target.Reason)}
	}
	index := ev.Target.Index
	if len(index) == 0 {
		index = d.index
	}
	if !bytes.Equal(index, d.fit) {
		if p := d.bounds.index(index); p != nil {
			return nil, p
		}
		d.fit = append(d.fit[:0], index...)
	}
	if p := d.bounds.id(ev.Target.ID); p != nil {
		return nil, p
	}
	it.create = ev.Target.Op == event.OpCreate && d.ids
	it.newer = ev.Target.Op == event.OpIndex && ev.HasTarget
	out := b.lines
	if it.create {
		out = append(out, `{"create":{"_index":`...)
	} else {
		out = append(out, `{"index":{"_index":`...)
	}
	out = event.AppendJSONString(out, index)
	switch {
	case !d.ids:
	case ev.Target.ID != nil:
		out = append(out, `,"_id":`...)
		out = event.AppendJSONString(out, ev.Target.ID)
	case d.generate:
		out = append(out, `,"_id":"`...)
		out = d.appendID(out, n)
		out = append(out, '"')
	}
	out = append(out, "}}\n"...)
	it.doc = int32(len(out))
	out, next, p = appendDocument(out, ev)
	if p == nil {
		p = d.bounds.document(out[it.doc:])
	}
	if p != nil {
		b.lines = out[:it.line]
		return nil, p
	}
	if !d.ids && d.generate && !ev.HasTarget && !hasKey(ev.Record, idField) {
		doc := bytes.Clone(out[it.doc:])
		out = withID(out[:it.doc], doc, d.appendID(nil, n))
	}
	b.lines = append(out, '\n')
	it.end = int32(len(b.lines))
	b.items = append(b.items, it)
	return next, nil
}

func newItem(b *bulk, ev *event.Event, n int32, o *lease.Object) item {
	return item{ordinal: n, record: ev.Origin.Record, size: ev.Origin.Size, time: ev.Time, object: o, envelope: ev.Envelope, line: int32(len(b.lines))}
}

// appendID makes an id from the chunk's series and the event's place, so the
// same event has the same id however often its chunk is sent.
func (d *documents) appendID(dst []byte, n int32) []byte {
	var raw [15]byte
	copy(raw[:], d.series[:])
	raw[12], raw[13], raw[14] = byte(n>>16), byte(n>>8), byte(n)
	return base64.RawURLEncoding.AppendEncode(dst, raw[:])
}

// appendDocument appends the document of an event on one line, and returns what
// follows the record, or why there is none.
func appendDocument(dst []byte, ev *event.Event) (out, next []byte, p *problem) {
	from := len(dst)
	if doc, ok := ev.Document(); ok {
		out = append(dst, doc...)
		if bytes.IndexByte(doc, '\n') >= 0 { // in valid JSON only between tokens
			oneLine(out[from:])
		}
		if len(doc) < 2 || doc[0] != '{' {
			return dst, nil, misfit("no_document", "the finished document is no JSON object")
		}
		next, err := event.Skip(ev.Record)
		if err != nil {
			return dst, nil, invalid(err)
		}
		return out, next, nil
	}
	if !isMap(ev.Record) {
		return dst, nil, misfit("no_document", "the record is no map")
	}
	if !ev.HasTarget && !hasKey(ev.Record, "@timestamp") {
		out = append(dst, `{"@timestamp":"`...)
		out = ev.Time.UTC().AppendFormat(out, time.RFC3339Nano)
		out = append(out, `",`...)
		from = len(out) - 1
		out, next, err := event.AppendJSON(out[:from], ev.Record)
		if err != nil {
			return dst, nil, invalid(err)
		}
		if len(out) == from+len("{}") {
			return append(out[:from], '}'), next, nil
		}
		out[from] = ',' // in place of the record's brace
		return out, next, nil
	}
	out, next, err := event.AppendJSON(dst, ev.Record)
	if err != nil {
		return dst, nil, invalid(err)
	}
	return out, next, nil
}

// invalid says why a record is no JSON.
func invalid(err error) *problem {
	if errors.Is(err, event.ErrDepth) {
		return misfit("nested_too_deep", "the record is %v", err)
	}
	return misfit("no_document", "the record is no valid msgpack: %v", err)
}

func oneLine(doc []byte) {
	for i, c := range doc {
		if c == '\n' || c == '\r' {
			doc[i] = ' '
		}
	}
}

func isMap(b []byte) bool {
	return len(b) > 0 && (b[0]&0xf0 == 0x80 || b[0] == 0xde || b[0] == 0xdf)
}

// hasKey reports whether a msgpack map has a key.
func hasKey(b []byte, key string) bool {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	for ; err == nil && n > 0; n-- {
		if k, _, err := msgp.ReadStringZC(b); err == nil && string(k) == key {
			return true
		}
		if b, err = msgp.Skip(b); err == nil {
			b, err = msgp.Skip(b)
		}
	}
	return false
}

// refuse makes a dead letter of an event that becomes no document. It copies:
// the chunk is gone when the letter is written.
func (d *documents) refuse(b *bulk, ev *event.Event, it item, p *problem) {
	l := deadletter.Letter{Class: p.class, Outcome: p.outcome, Reason: p.reason, Index: string(ev.Target.Index), ID: string(ev.Target.ID)}
	if text, ok := ev.Message(); ok {
		l.Message = string(text)
	} else if doc, ok := ev.Document(); ok {
		l.SetDocument(doc)
	} else if doc, _, err := event.AppendJSON(nil, ev.Record); err == nil {
		l.SetDocument(doc)
	} else {
		rest, _ := event.Skip(ev.Record) // valid: it was passed before
		l.Msgpack = append([]byte(nil), ev.Record[:len(ev.Record)-len(rest)]...)
	}
	b.refused = append(b.refused, refusal{item: it, letter: l, final: p.final})
}

// newSeries turns random bits into the common part of ids.
func newSeries(hi uint64, lo uint32) (s [12]byte) {
	binary.BigEndian.PutUint64(s[:], hi)
	binary.BigEndian.PutUint32(s[8:], lo)
	return s
}
