// Package event is what travels between the stages: an event on Fluent Bit's
// wire, and the writers that make one.
//
//	object → record → event → document
//	         ────────────────────────
//
// An event is msgpack: [[time, metadata], record]. Our bookkeeping is in the
// metadata under one key, "siem"; the record stays clean, so any other filter
// or output may stand between or beside ours.
//
//	input → filter:  {"siem": {"object": …, "record": …, "size": …, "envelope": …}}, {"message": "the record as it came"}
//	filter → output: {"siem": {"object": …, "record": …, "size": …, "index": …, "id": …, "op": …}}, {the document}
//
// A record that cannot become a document travels on with op "unreadable", an
// object that gives no more records as one with op "quarantined", both with class
// and reason: the output keeps them as dead letters.
//
// # Promises
//
//   - Every form of event that Fluent Bit produces is read: EventTime, integer
//     and float times, events without metadata, group markers.
//   - What is cut or not msgpack gives an error, never a panic, and never a read
//     beyond the buffer.
//   - What is appended as JSON is valid JSON, whatever the bytes.
//
// Append functions append to dst and return it. Slices inside an [Event] alias
// the buffer it was read from.
package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// Op is what the output shall do with a document.
type Op uint8

// The operations.
const (
	// OpCreate stores the document unless its id exists: the id says where
	// the record came from, so a second load changes nothing.
	OpCreate Op = iota
	// OpIndex stores it in place of an older version with the same id.
	OpIndex
	// OpUnreadable means that there is no document: the record goes to the
	// dead letters with Target.Class and Target.Reason and is judged unreadable.
	OpUnreadable
	// OpQuarantined is the same for what is left of an object: the record that
	// it would have had next stands for it.
	OpQuarantined
)

var opNames = [...]string{"create", "index", "unreadable", "quarantined"}

func (o Op) String() string { return opNames[o] }

// Refused reports whether there is no document.
func (o Op) Refused() bool { return o >= OpUnreadable }

// Origin says which record of which open lease an event comes from.
type Origin struct {
	Object uint64 // lease.Object.ID
	Record uint64 // position in the object
	Size   int64  // bytes of credit it holds
}

// Target says where a document goes.
type Target struct {
	Index  []byte
	ID     []byte // nil: the cluster chooses one
	Op     Op
	Class  []byte // why it is refused: one of few words
	Reason []byte // and as a sentence without a full stop
}

// Event is one event on the wire. Its slices alias the buffer.
type Event struct {
	Time      time.Time
	Group     bool // a marker that opens or closes a group: not a record, to be passed on
	HasOrigin bool
	HasTarget bool
	Origin    Origin
	Target    Target
	Envelope  []byte // what the record was wrapped in, as split.Record.Envelope; nil for none
	Metadata  []byte // the metadata map, nil in the form without metadata
	Record    []byte // the record
	Raw       []byte // the whole event
}

const siemKey = "siem"

// AppendRecord appends the event that the input makes of one record.
func AppendRecord(dst []byte, t time.Time, o Origin, message []byte) []byte {
	dst = appendHead(dst, t)
	dst = append(dst, 0x81)
	dst = msgp.AppendString(dst, siemKey)
	dst = append(dst, 0x83)
	dst = appendOrigin(dst, o)
	return appendMessage(dst, message)
}

// AppendEnveloped is AppendRecord for a record that was wrapped in an envelope.
func AppendEnveloped(dst []byte, t time.Time, o Origin, envelope, message []byte) []byte {
	dst = appendHead(dst, t)
	dst = append(dst, 0x81)
	dst = msgp.AppendString(dst, siemKey)
	dst = append(dst, 0x84)
	dst = appendOrigin(dst, o)
	dst = appendEnvelope(dst, envelope)
	return appendMessage(dst, message)
}

// Refusal says why there is no document.
type Refusal struct {
	Op       Op     // OpUnreadable or OpQuarantined
	Class    string // one of few words, for counters
	Reason   string // a sentence without a full stop
	Envelope []byte // of the record, nil for none
}

// AppendRefusal appends the event of a record that cannot become a document.
func AppendRefusal(dst []byte, t time.Time, o Origin, r Refusal, message []byte) []byte {
	dst = appendHead(dst, t)
	dst = append(dst, 0x81)
	dst = msgp.AppendString(dst, siemKey)
	n := uint32(6)
	if r.Envelope != nil {
		n++
	}
	dst = msgp.AppendMapHeader(dst, n)
	dst = appendOrigin(dst, o)
	dst = appendEnvelope(dst, r.Envelope)
	dst = msgp.AppendString(dst, "op")
	dst = msgp.AppendString(dst, opNames[r.Op])
	dst = msgp.AppendString(dst, "class")
	dst = msgp.AppendString(dst, r.Class)
	dst = msgp.AppendString(dst, "reason")
	dst = msgp.AppendString(dst, r.Reason)
	return appendMessage(dst, message)
}

// AppendTarget appends the beginning of a document's event: time and metadata.
// The record follows, as one msgpack map. origin may be nil (another input's
// record); metadata are the other keys that came with it, as a msgpack map.
// envelope, which may be nil, travels on for the case that the document is
// refused: without it the record could not be replayed.
func AppendTarget(dst []byte, t time.Time, origin *Origin, target Target, envelope, metadata []byte) []byte {
	dst = appendHead(dst, t)
	others, body := otherKeys(metadata)
	dst = msgp.AppendMapHeader(dst, uint32(others)+1)
	dst = append(dst, body...)
	dst = msgp.AppendString(dst, siemKey)
	n := uint32(2)
	if origin != nil {
		n += 3
	}
	if target.ID != nil {
		n++
	}
	if envelope != nil {
		n++
	}
	dst = msgp.AppendMapHeader(dst, n)
	if origin != nil {
		dst = appendOrigin(dst, *origin)
	}
	dst = appendEnvelope(dst, envelope)
	dst = msgp.AppendString(dst, "index")
	dst = msgp.AppendStringFromBytes(dst, target.Index)
	if target.ID != nil {
		dst = msgp.AppendString(dst, "id")
		dst = msgp.AppendStringFromBytes(dst, target.ID)
	}
	dst = msgp.AppendString(dst, "op")
	return msgp.AppendString(dst, opNames[target.Op])
}

// AppendDocument appends a record that is a finished document in JSON
// (emit: document).
func AppendDocument(dst, json []byte) []byte {
	dst = append(dst, 0x81)
	dst = msgp.AppendString(dst, "document")
	return msgp.AppendBytes(dst, json)
}

// appendHead opens event and header and writes the EventTime.
func appendHead(dst []byte, t time.Time) []byte {
	dst = append(dst, 0x92, 0x92, 0xd7, 0x00)
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.Unix()))
	return binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond()))
}

func appendOrigin(dst []byte, o Origin) []byte {
	dst = msgp.AppendString(dst, "object")
	dst = msgp.AppendUint64(dst, o.Object)
	dst = msgp.AppendString(dst, "record")
	dst = msgp.AppendUint64(dst, o.Record)
	dst = msgp.AppendString(dst, "size")
	return msgp.AppendUint64(dst, uint64(o.Size))
}

func appendEnvelope(dst, envelope []byte) []byte {
	if envelope == nil {
		return dst
	}
	dst = msgp.AppendString(dst, "envelope")
	return msgp.AppendStringFromBytes(dst, envelope)
}

func appendMessage(dst, message []byte) []byte {
	dst = append(dst, 0x81)
	dst = msgp.AppendString(dst, "message")
	return msgp.AppendStringFromBytes(dst, message)
}

var errEvent = errors.New("not an event: want [[time, metadata], record] or [time, record]")

// Next reads the first event of buf. An error leaves no way to find the next
// event: what follows in buf is lost to the reader.
func Next(buf []byte) (ev Event, rest []byte, err error) {
	if ev, err = Peek(buf); err != nil {
		return ev, buf, err
	}
	if rest, err = Skip(ev.Record); err != nil {
		return ev, buf, fmt.Errorf("record: %w", err)
	}
	ev.Record = ev.Record[:len(ev.Record)-len(rest)]
	ev.Raw = buf[:len(buf)-len(rest)]
	return ev, rest, nil
}

// Peek is Next for who reads the record at once, with [AppendJSON] or [Skip],
// which return what follows it: Record runs to the end of buf, Raw is nil.
func Peek(buf []byte) (ev Event, err error) {
	n, b, err := msgp.ReadArrayHeaderBytes(buf)
	if err != nil || n != 2 || len(b) == 0 {
		return ev, errEvent
	}
	if b[0]&0xf0 == 0x90 || b[0] == 0xdc || b[0] == 0xdd { // [[time, metadata], record]
		if n, b, err = msgp.ReadArrayHeaderBytes(b); err != nil || n != 2 {
			return ev, errEvent
		}
		if b, err = ev.readTime(b); err != nil {
			return ev, err
		}
		meta := b
		if b, err = ev.readMetadata(b); err != nil {
			return ev, fmt.Errorf("metadata: %w", err)
		}
		ev.Metadata = meta[:len(meta)-len(b)]
	} else if b, err = ev.readTime(b); err != nil {
		return ev, err
	}
	if len(b) == 0 {
		return ev, errEvent
	}
	ev.Record = b
	return ev, nil
}

func (ev *Event) readTime(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return b, errEvent
	}
	var eight []byte
	switch b[0] {
	case 0xd7: // fixext 8
		if len(b) < 10 || b[1] != 0 {
			return b, errEvent
		}
		eight, b = b[2:10], b[10:]
	case 0xc7: // ext 8
		if len(b) < 11 || b[1] != 8 || b[2] != 0 {
			return b, errEvent
		}
		eight, b = b[3:11], b[11:]
	case 0xca, 0xcb:
		f, rest, err := msgp.ReadFloat64Bytes(b)
		if err != nil {
			return b, errEvent
		}
		whole, frac := math.Modf(f)
		ev.Time = time.Unix(int64(whole), int64(frac*1e9))
		return rest, nil
	default:
		s, rest, err := msgp.ReadInt64Bytes(b)
		if err != nil {
			return b, errEvent
		}
		ev.Time = time.Unix(s, 0)
		return rest, nil
	}
	s, ns := binary.BigEndian.Uint32(eight), binary.BigEndian.Uint32(eight[4:])
	if s >= 0xfffffffe && ns == 0 { // seconds -1 and -2 mark a group
		ev.Group = true
	}
	ev.Time = time.Unix(int64(s), int64(ns))
	return b, nil
}

// readMetadata finds our keys in the metadata map; others are skipped.
func (ev *Event) readMetadata(b []byte) ([]byte, error) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return b, err
	}
	for ; n > 0; n-- {
		var key []byte
		if key, b, err = readKey(b); err != nil {
			return b, err
		}
		if string(key) == siemKey && len(b) > 0 && (b[0]&0xf0 == 0x80 || b[0] == 0xde || b[0] == 0xdf) {
			b, err = ev.readSiem(b)
		} else {
			b, err = Skip(b)
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

func (ev *Event) readSiem(b []byte) ([]byte, error) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return b, err
	}
	var u uint64
	for ; n > 0; n-- {
		var key, text []byte
		if key, b, err = readKey(b); err != nil {
			return b, err
		}
		switch string(key) {
		case "object":
			ev.HasOrigin = true
			ev.Origin.Object, b, err = msgp.ReadUint64Bytes(b)
		case "record":
			ev.Origin.Record, b, err = msgp.ReadUint64Bytes(b)
		case "size":
			u, b, err = msgp.ReadUint64Bytes(b)
			ev.Origin.Size = int64(u)
		case "index":
			ev.HasTarget = true
			ev.Target.Index, b, err = msgp.ReadStringZC(b)
		case "id":
			ev.Target.ID, b, err = msgp.ReadStringZC(b)
		case "envelope":
			ev.Envelope, b, err = msgp.ReadStringZC(b)
		case "class":
			ev.Target.Class, b, err = msgp.ReadStringZC(b)
		case "reason":
			ev.Target.Reason, b, err = msgp.ReadStringZC(b)
		case "op":
			text, b, err = msgp.ReadStringZC(b)
			switch string(text) {
			case "index":
				ev.Target.Op = OpIndex
			case "unreadable":
				ev.Target.Op = OpUnreadable
			case "quarantined":
				ev.Target.Op = OpQuarantined
			}
		default:
			b, err = Skip(b)
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// readKey reads a map key that should be a string; other keys read as empty.
func readKey(b []byte) (key, rest []byte, err error) {
	if key, rest, ok := readString(b); ok {
		return key, rest, nil
	}
	rest, err = Skip(b)
	return nil, rest, err
}

// otherKeys returns the entries of a metadata map that are not ours.
func otherKeys(metadata []byte) (n int, body []byte) {
	if len(metadata) == 0 {
		return 0, nil
	}
	count, b, err := msgp.ReadMapHeaderBytes(metadata)
	if err != nil {
		return 0, nil
	}
	for ; count > 0; count-- {
		start := b
		key, rest, err := readKey(b)
		if err != nil {
			return n, body
		}
		if b, err = Skip(rest); err != nil {
			return n, body
		}
		if string(key) != siemKey {
			n++
			body = append(body, start[:len(start)-len(b)]...)
		}
	}
	return n, body
}

// Message is the text of a record as an input wrote it: the value of
// "message", or of "log" (tail, forward, containers).
func (ev *Event) Message() (text []byte, ok bool) {
	n, b, err := msgp.ReadMapHeaderBytes(ev.Record)
	if err != nil {
		return nil, false
	}
	for ; n > 0; n-- {
		var key []byte
		if key, b, err = readKey(b); err != nil {
			return nil, false
		}
		if s := string(key); s == "message" || s == "log" {
			return readText(b)
		}
		if b, err = Skip(b); err != nil {
			return nil, false
		}
	}
	return nil, false
}

// Document is the finished document, in JSON, of an event made with
// emit: document.
func (ev *Event) Document() (json []byte, ok bool) {
	n, b, err := msgp.ReadMapHeaderBytes(ev.Record)
	if err != nil || n != 1 {
		return nil, false
	}
	key, b, err := readKey(b)
	if err != nil || string(key) != "document" {
		return nil, false
	}
	if len(b) == 0 || b[0] < 0xc4 || b[0] > 0xc6 { // bin 8, 16, 32
		return nil, false
	}
	json, _, err = msgp.ReadBytesZC(b)
	return json, err == nil
}

func readText(b []byte) ([]byte, bool) {
	if s, _, err := msgp.ReadStringZC(b); err == nil {
		return s, true
	}
	s, _, err := msgp.ReadBytesZC(b)
	return s, err == nil
}
