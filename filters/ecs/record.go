package ecs

import (
	"bytes"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// What steps of several families need: texts made for one record, lists of one
// value, the record as text again, parts of an ARN.

// lower returns a copy of b with ASCII capitals as small letters, valid until
// the next record; the copy may be changed.
func (c *Converter) lower(b []byte) []byte {
	start := len(c.scratch)
	for _, ch := range b {
		if ch >= 'A' && ch <= 'Z' {
			ch += 'a' - 'A'
		}
		c.scratch = append(c.scratch, ch)
	}
	return c.scratch[start:len(c.scratch):len(c.scratch)]
}

// join returns the parts as one text, valid until the next record.
func (c *Converter) join(parts ...[]byte) []byte {
	start := len(c.scratch)
	for _, p := range parts {
		c.scratch = append(c.scratch, p...)
	}
	return c.scratch[start:len(c.scratch):len(c.scratch)]
}

// setOne makes a list slot hold one text.
func (c *Converter) setOne(slot int, s string) {
	v := &c.slots[slot]
	v.kind, v.list = list, append(v.list[:0], unsafe.Slice(unsafe.StringData(s), len(s)))
}

// setBool sets a slot to a truth value.
func (c *Converter) setBool(slot int, b bool) {
	v := c.arena.NewFalse()
	if b {
		v = c.arena.NewTrue()
	}
	c.slots[slot].kind, c.slots[slot].json = jsonValue, v
}

// clear empties a slot.
func (c *Converter) clear(slot int) { c.slots[slot].kind = none }

// newText returns a text as a JSON value, valid until the next record. The
// arena quotes some characters as Go does and not as JSON; for those the text is
// parsed.
func (c *Converter) newText(b []byte) *fastjson.Value {
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 || r == 0x7f || r > 0xffff || r < ' ' && strings.IndexByte("\n\t\r\b\f", byte(r)) < 0 {
			if v, err := fastjson.ParseBytes(event.AppendJSONString(nil, b)); err == nil {
				return v
			}
			break
		}
		rest = rest[n:]
	}
	return c.arena.NewStringBytes(b)
}

// setMessage makes @message, whose slot is given, the record as it is now:
// without the secrets that a step took out. The id stays that of the original.
func (c *Converter) setMessage(slot int) {
	start := len(c.scratch)
	c.scratch = event.AppendJSONValue(c.scratch, c.rec)
	c.setText(slot, c.scratch[start:len(c.scratch):len(c.scratch)])
}

// arn is an Amazon Resource Name taken apart (AWS General Reference):
// arn:partition:service:region:account:resource.
type arn struct{ service, region, account, resource []byte }

// splitARN takes an ARN apart; parts that it does not have are nil.
func splitARN(b []byte) (a arn) {
	parts := [...]*[]byte{nil, nil, &a.service, &a.region, &a.account}
	for _, p := range parts {
		part, rest, more := bytes.Cut(b, []byte(":"))
		if p != nil {
			*p = part
		}
		if !more {
			return a
		}
		b = rest
	}
	a.resource = b
	return a
}
