package ecs

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the original's ids, not a secret
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// appendContentID appends the id that the original loader gave: the MD5 of a
// line, or of a JSON record as Python's json.dumps writes it, with the id of the
// envelope behind.
func (c *Converter) appendContentID(dst []byte) []byte {
	start := len(c.scratch)
	switch {
	case c.failure != "": // kept as it came
		c.scratch = append(appendDecoded(c.scratch, c.raw), c.o.src.Key...)
		if len(c.env.id) == 0 {
			c.scratch = append(c.scratch, "None"...) // the id of nothing, in Python
		}
	case c.o.json && c.rec != nil && len(c.env.group) == 0 && c.env.container == nil: // what came through those was not written anew
		c.scratch = appendPython(c.scratch, c.recForID())
	default:
		c.scratch = appendDecoded(c.scratch, c.raw)
	}
	c.scratch = append(c.scratch, c.env.id...)
	sum := md5.Sum(c.scratch[start:])
	c.scratch = c.scratch[:start]
	return hex.AppendEncode(dst, sum[:])
}

// appendDecoded appends a text as the original decoded it: bytes that are no UTF-8
// are dropped.
func appendDecoded(dst, text []byte) []byte {
	if utf8.Valid(text) {
		return append(dst, text...)
	}
	return append(dst, bytes.ToValidUTF8(text, nil)...)
}

// recForID is the record before renames, texts and steps changed it.
func (c *Converter) recForID() *fastjson.Value {
	if c.p.text == nil && len(c.p.renames) == 0 {
		return c.rec
	}
	var p fastjson.Parser
	v, err := p.ParseBytes(c.raw)
	if err != nil {
		return c.rec
	}
	return v
}

// appendPython writes a value as json.dumps(v, ensure_ascii=False) does: ", "
// and ": " between, floats as repr writes them, the last of equal keys.
func appendPython(dst []byte, v *fastjson.Value) []byte {
	switch v.Type() {
	case fastjson.TypeObject:
		dst = append(dst, '{')
		object := v.GetObject()
		keys := make([]string, 0, object.Len())
		last := make(map[string]*fastjson.Value, object.Len())
		object.Visit(func(k []byte, item *fastjson.Value) {
			if _, ok := last[string(k)]; !ok {
				keys = append(keys, string(k))
			}
			last[string(k)] = item
		})
		for i, k := range keys {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = event.AppendJSONString(dst, []byte(k))
			dst = append(dst, ": "...)
			dst = appendPython(dst, last[k])
		}
		return append(dst, '}')
	case fastjson.TypeArray:
		dst = append(dst, '[')
		for i, item := range v.GetArray() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendPython(dst, item)
		}
		return append(dst, ']')
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		if !utf8.Valid(b) {
			b = appendDecoded(nil, b)
		}
		return event.AppendJSONString(dst, b)
	case fastjson.TypeNumber:
		return appendPythonNumber(dst, string(v.MarshalTo(nil)))
	}
	return v.MarshalTo(dst)
}

// appendPythonNumber writes integers as they are and floats as repr does.
func appendPythonNumber(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ".eE") {
		return append(dst, s...)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return append(dst, s...)
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	_, exp, _ := strings.Cut(text, "e")
	if e, _ := strconv.Atoi(exp); e < -4 || e >= 16 {
		return append(dst, text...)
	}
	text = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return append(dst, text...)
}

// appendPythonTime writes a time as datetime.isoformat does, in UTC: a fraction
// of six digits, or none when it is zero.
func appendPythonTime(dst []byte, t time.Time) []byte {
	layout := "2006-01-02T15:04:05-07:00"
	if t.Nanosecond() >= 1000 {
		layout = "2006-01-02T15:04:05.000000-07:00"
	}
	return t.UTC().AppendFormat(dst, layout)
}
