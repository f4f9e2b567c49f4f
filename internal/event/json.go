package event

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// MaxDepth bounds the nesting that is followed; OpenSearch refuses documents
// deeper than 20 by default (index.mapping.depth.limit), except in fields that take any.
const MaxDepth = 200

// ErrDepth says that a value is nested deeper than [MaxDepth].
var ErrDepth = errors.New("nested more than 200 deep")

// AppendJSON appends the first msgpack value of b as JSON. Binary values
// become text when they are UTF-8, else base64; NaN and infinities become
// texts; keys that are no strings become strings.
func AppendJSON(dst, b []byte) (out, rest []byte, err error) { return appendJSON(dst, b, 0) }

func appendJSON(dst, b []byte, depth int) (out, rest []byte, err error) {
	if len(b) == 0 {
		return dst, b, msgp.ErrShortBytes
	}
	if depth > MaxDepth {
		return dst, b, ErrDepth
	}
	switch lead := b[0]; {
	case lead&0xe0 == 0xa0 || lead >= 0xd9 && lead <= 0xdb: // str
		s, rest, ok := readString(b)
		if !ok {
			return dst, b, msgp.ErrShortBytes
		}
		return AppendJSONString(dst, s), rest, nil
	case lead&0xf0 == 0x80 || lead == 0xde || lead == 0xdf: // map
		n, rest, err := msgp.ReadMapHeaderBytes(b)
		if err != nil {
			return dst, b, err
		}
		dst = append(dst, '{')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, rest, err = appendKey(dst, rest, depth); err != nil {
				return dst, rest, err
			}
			dst = append(dst, ':')
			if dst, rest, err = appendJSON(dst, rest, depth+1); err != nil {
				return dst, rest, err
			}
		}
		return append(dst, '}'), rest, nil
	case lead&0xf0 == 0x90 || lead == 0xdc || lead == 0xdd: // array
		n, rest, err := msgp.ReadArrayHeaderBytes(b)
		if err != nil {
			return dst, b, err
		}
		dst = append(dst, '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, rest, err = appendJSON(dst, rest, depth+1); err != nil {
				return dst, rest, err
			}
		}
		return append(dst, ']'), rest, nil
	}
	return appendScalar(dst, b)
}

func appendKey(dst, b []byte, depth int) (out, rest []byte, err error) {
	if s, rest, ok := readString(b); ok {
		return AppendJSONString(dst, s), rest, nil
	}
	text, rest, err := appendJSON(nil, b, depth+1)
	if err != nil {
		return dst, b, err
	}
	return AppendJSONString(dst, text), rest, nil
}

func appendScalar(dst, b []byte) (out, rest []byte, err error) {
	switch msgp.NextType(b) {
	case msgp.NilType:
		return append(dst, "null"...), b[1:], nil
	case msgp.BoolType:
		v, rest, err := msgp.ReadBoolBytes(b)
		return strconv.AppendBool(dst, v), rest, err
	case msgp.IntType:
		v, rest, err := msgp.ReadInt64Bytes(b)
		return strconv.AppendInt(dst, v, 10), rest, err
	case msgp.UintType:
		v, rest, err := msgp.ReadUint64Bytes(b)
		return strconv.AppendUint(dst, v, 10), rest, err
	case msgp.Float32Type, msgp.Float64Type:
		v, rest, err := msgp.ReadFloat64Bytes(b)
		return appendFloat(dst, v), rest, err
	case msgp.BinType:
		v, rest, err := msgp.ReadBytesZC(b)
		return appendBinary(dst, v), rest, err
	}
	rest, err = Skip(b)
	if err != nil {
		return dst, b, err
	}
	return appendBinary(dst, b[:len(b)-len(rest)]), rest, nil // an extension
}

func appendBinary(dst, v []byte) []byte {
	if utf8.Valid(v) {
		return AppendJSONString(dst, v)
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, v)
	return append(dst, '"')
}

// appendFloat writes v so that it reads back as the same float, and as a float.
func appendFloat(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.AppendQuote(dst, strconv.FormatFloat(v, 'g', -1, 64))
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.AppendFloat(dst, v, 'f', 1, 64)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}
