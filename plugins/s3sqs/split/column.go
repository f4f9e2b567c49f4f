package split

import (
	"encoding/base64"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// column is a node of a Parquet schema that writes its part of a row as JSON.
type column struct {
	name     []byte // "name": as JSON
	shape    shape
	repeated bool
	wrapper  bool // the group that a list puts around each of its elements
	def, rep int  // levels of this node
	first    int  // its first leaf among those of its parent
	leaves   int
	children []*column
	value    func(dst []byte, v parquet.Value) []byte // of a leaf
}

type shape uint8

const (
	leaf  shape = iota
	group       // an object
	list        // a group around the repeated elements
	dict        // a group around repeated keys and values
)

func newColumn(c *parquet.Column) *column {
	n := &column{
		name:     append(event.AppendJSONString(nil, []byte(c.Name())), ':'),
		repeated: c.Repeated(),
		def:      c.MaxDefinitionLevel(),
		rep:      c.MaxRepetitionLevel(),
	}
	if c.Leaf() {
		n.leaves = 1
		n.value = valueWriter(c.Type())
		return n
	}
	n.shape = group
	for _, child := range c.Columns() {
		m := newColumn(child)
		m.first = n.leaves
		n.leaves += m.leaves
		n.children = append(n.children, m)
	}
	if len(n.children) != 1 || !n.children[0].repeated {
		return n
	}
	logical := c.Type().LogicalType()
	if logical == nil {
		return n
	}
	switch inner := n.children[0]; logical.Value.(type) {
	case *format.ListType:
		n.shape = list
		// Older writers made the repeated group itself the element (Parquet,
		// LogicalTypes.md, "Backward-compatibility rules").
		name := c.Columns()[0].Name()
		inner.wrapper = inner.shape == group && len(inner.children) == 1 && !inner.children[0].repeated &&
			name != "array" && name != c.Name()+"_tuple"
	case *format.MapType:
		if len(inner.children) == 2 {
			n.shape = dict
		}
	}
	return n
}

// append writes the value that columns, those of this node's leaves, hold; it
// reports false, and writes nothing, when that is null.
func (n *column) append(dst []byte, columns [][]parquet.Value) ([]byte, bool) {
	if n.repeated {
		return n.appendElements(dst, columns)
	}
	return n.appendOne(dst, columns)
}

func (n *column) appendOne(dst []byte, columns [][]parquet.Value) ([]byte, bool) {
	if len(columns[0]) == 0 || columns[0][0].DefinitionLevel() < n.def {
		return dst, false
	}
	switch n.shape {
	case leaf:
		return n.value(dst, columns[0][0]), true
	case list:
		inner := n.children[0]
		if dst, ok := inner.appendElements(dst, columns); ok {
			return dst, true
		}
		return append(dst, "[]"...), true
	case dict:
		return n.children[0].appendPairs(dst, columns), true
	}
	dst = append(dst, '{')
	empty := len(dst)
	for _, child := range n.children {
		before := len(dst)
		dst = append(dst, child.name...)
		var ok bool
		if dst, ok = child.append(dst, columns[child.first:child.first+child.leaves]); !ok {
			dst = dst[:before]
			continue
		}
		dst = append(dst, ',')
	}
	if len(dst) > empty {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}'), true
}

// each calls f with the values of each element of a repeated node.
func (n *column) each(columns [][]parquet.Value, f func([][]parquet.Value)) {
	if len(columns[0]) == 0 || columns[0][0].DefinitionLevel() < n.def {
		return
	}
	rest := make([][]parquet.Value, len(columns))
	copy(rest, columns)
	one := make([][]parquet.Value, len(columns))
	for len(rest[0]) > 0 {
		for i, values := range rest {
			k := min(1, len(values))
			for k < len(values) && values[k].RepetitionLevel() > n.rep {
				k++
			}
			one[i], rest[i] = values[:k], values[k:]
		}
		f(one)
	}
}

// appendElements writes a repeated node as an array. The group that a list puts
// around each of its elements is left out.
func (n *column) appendElements(dst []byte, columns [][]parquet.Value) ([]byte, bool) {
	element := n
	if n.wrapper {
		element = n.children[0]
	}
	empty := len(dst) + 1
	dst = append(dst, '[')
	n.each(columns, func(one [][]parquet.Value) {
		var ok bool
		if dst, ok = element.appendOne(dst, one); !ok {
			dst = append(dst, "null"...)
		}
		dst = append(dst, ',')
	})
	if len(dst) == empty {
		return dst[:empty-1], false
	}
	dst[len(dst)-1] = ']'
	return dst, true
}

// appendPairs writes the repeated node of a map as an object.
func (n *column) appendPairs(dst []byte, columns [][]parquet.Value) []byte {
	key, value := n.children[0], n.children[1]
	dst = append(dst, '{')
	empty := len(dst)
	n.each(columns, func(one [][]parquet.Value) {
		before := len(dst)
		var ok bool
		if dst, ok = key.appendOne(dst, one[:key.leaves]); !ok {
			return
		}
		if dst[before] != '"' { // a key that is no text
			text := string(dst[before:])
			dst = event.AppendJSONString(dst[:before], []byte(text))
		}
		dst = append(dst, ':')
		if dst, ok = value.append(dst, one[key.leaves:]); !ok {
			dst = dst[:before]
			return
		}
		dst = append(dst, ',')
	})
	if len(dst) > empty {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}

// valueWriter returns what writes a leaf's values as JSON.
func valueWriter(t parquet.Type) func([]byte, parquet.Value) []byte {
	if logical := t.LogicalType(); logical != nil {
		switch l := logical.Value.(type) {
		case *format.TimestampType:
			if l.Unit.Value == nil {
				break
			}
			unit, layout := int64(l.Unit.Value.Duration()), "2006-01-02T15:04:05"
			if l.IsAdjustedToUTC {
				layout += "Z07:00"
			}
			return func(dst []byte, v parquet.Value) []byte { return appendTime(dst, v.Int64(), unit, layout) }
		case *format.DateType:
			return func(dst []byte, v parquet.Value) []byte {
				return appendTime(dst, int64(v.Int32()), int64(24*time.Hour), time.DateOnly)
			}
		case *format.IntType:
			if !l.IsSigned {
				return func(dst []byte, v parquet.Value) []byte {
					if v.Kind() == parquet.Int32 {
						return strconv.AppendUint(dst, uint64(v.Uint32()), 10)
					}
					return strconv.AppendUint(dst, v.Uint64(), 10)
				}
			}
		case *format.DecimalType:
			return func(dst []byte, v parquet.Value) []byte { return appendDecimal(dst, v, int(l.Scale)) }
		case *format.UUIDType:
			return func(dst []byte, v parquet.Value) []byte { return append(append(append(dst, '"'), v.String()...), '"') }
		}
	}
	return appendValue
}

// appendValue writes a value as its physical type says. Bytes that are no text become base64.
func appendValue(dst []byte, v parquet.Value) []byte {
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.AppendBool(dst, v.Boolean())
	case parquet.Int32:
		return strconv.AppendInt(dst, int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case parquet.Int96: // a timestamp of old writers: nanoseconds of the day, Julian day
		x := v.Int96()
		days := int64(x[2]) - 2440588
		nanos := int64(x[1])<<32 | int64(x[0])
		return appendTime(dst, days*int64(24*time.Hour)+nanos, 1, "2006-01-02T15:04:05")
	case parquet.Float:
		return appendFloat(dst, float64(v.Float()), 32)
	case parquet.Double:
		return appendFloat(dst, v.Double(), 64)
	}
	b := v.ByteArray()
	if utf8.Valid(b) {
		return event.AppendJSONString(dst, b)
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendFloat writes what JSON has no number for as a text.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(strconv.AppendFloat(append(dst, '"'), f, 'g', -1, bits), '"')
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendTime writes a time as ISO 8601, with as many digits of the second as are not zero: none, six or nine.
func appendTime(dst []byte, n, unit int64, layout string) []byte {
	perSecond := int64(time.Second) / unit
	var t time.Time
	if perSecond > 0 {
		t = time.Unix(n/perSecond, n%perSecond*unit).UTC()
	} else {
		t = time.Unix(n*(unit/int64(time.Second)), 0).UTC()
	}
	if ns := t.Nanosecond(); ns != 0 {
		digits := ".000000"
		if ns%1000 != 0 {
			digits = ".000000000"
		}
		layout = layout[:19] + digits + layout[19:]
	}
	return append(t.AppendFormat(append(dst, '"'), layout), '"')
}

// appendDecimal writes a decimal with all its digits.
func appendDecimal(dst []byte, v parquet.Value, scale int) []byte {
	n := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		n.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		n.SetInt64(v.Int64())
	default: // two's complement, big-endian
		b := v.ByteArray()
		n.SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	digits := n.String()
	if scale <= 0 {
		return append(dst, digits...)
	}
	if digits[0] == '-' {
		dst = append(dst, '-')
		digits = digits[1:]
	}
	for len(digits) <= scale {
		digits = "0" + digits
	}
	point := len(digits) - scale
	return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
}
