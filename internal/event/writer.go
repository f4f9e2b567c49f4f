package event

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// Writer appends one document, as JSON or as msgpack, whichever [Writer.Reset]
// chose; the code that walks a document is the same for both. What turns out
// to be empty is taken back with [Writer.Restore], so nothing is computed
// twice only to know whether it is there.
type Writer struct {
	Buf  []byte
	pack bool
	n    uint32 // entries of the container that is open
}

// Mark is a place in a Writer to come back to.
type Mark struct {
	at int
	n  uint32
}

// Key is a field name, rendered once.
type Key struct{ json, pack []byte }

// NewKey renders a field name.
func NewKey(name string) Key {
	return Key{
		json: append(AppendJSONString(nil, []byte(name)), ':'),
		pack: msgp.AppendString(nil, name),
	}
}

// Fragment is a value that was rendered before, in both forms.
type Fragment struct{ JSON, Msgpack []byte }

// Reset makes the Writer append to buf, as msgpack or as JSON.
func (w *Writer) Reset(buf []byte, msgpack bool) { *w = Writer{Buf: buf, pack: msgpack} }

// Save returns the place where the Writer stands.
func (w *Writer) Save() Mark { return Mark{len(w.Buf), w.n} }

// Restore forgets everything that was written since m.
func (w *Writer) Restore(m Mark) { w.Buf, w.n = w.Buf[:m.at], m.n }

// Len is how many entries the open container has.
func (w *Writer) Len() int { return int(w.n) }

// Object opens an object.
func (w *Writer) Object() Mark { return w.open(0xdf, '{') }

// EndObject closes the object that was opened at m.
func (w *Writer) EndObject(m Mark) { w.end(m, '}') }

// Array opens an array.
func (w *Writer) Array() Mark { return w.open(0xdd, '[') }

// EndArray closes the array that was opened at m.
func (w *Writer) EndArray(m Mark) { w.end(m, ']') }

// open opens a container, in msgpack with 32 bits for its length, which end
// fills in.
func (w *Writer) open(pack, text byte) Mark {
	m := w.Save()
	if w.pack {
		w.Buf = append(w.Buf, pack, 0, 0, 0, 0)
	} else {
		w.Buf = append(w.Buf, text)
	}
	w.n = 0
	return m
}

func (w *Writer) end(m Mark, text byte) {
	if w.pack {
		binary.BigEndian.PutUint32(w.Buf[m.at+1:], w.n)
	} else {
		w.Buf = append(w.Buf, text)
	}
	w.n = m.n
}

// Item begins the next item of an array; its value follows.
func (w *Writer) Item() {
	if !w.pack && w.n > 0 {
		w.Buf = append(w.Buf, ',')
	}
	w.n++
}

// Key begins the next entry of an object; its value follows.
func (w *Writer) Key(k Key) {
	if w.pack {
		w.Buf = append(w.Buf, k.pack...)
	} else {
		if w.n > 0 {
			w.Buf = append(w.Buf, ',')
		}
		w.Buf = append(w.Buf, k.json...)
	}
	w.n++
}

// Name is Key for a name that was not rendered before.
func (w *Writer) Name(name []byte) {
	if w.pack {
		w.Buf = msgp.AppendStringFromBytes(w.Buf, name)
	} else {
		if w.n > 0 {
			w.Buf = append(w.Buf, ',')
		}
		w.Buf = append(AppendJSONString(w.Buf, name), ':')
	}
	w.n++
}

// String writes a text.
func (w *Writer) String(s []byte) {
	if w.pack {
		w.Buf = msgp.AppendStringFromBytes(w.Buf, s)
	} else {
		w.Buf = AppendJSONString(w.Buf, s)
	}
}

// Fragment writes a value that was rendered before.
func (w *Writer) Fragment(f Fragment) {
	if w.pack {
		w.Buf = append(w.Buf, f.Msgpack...)
	} else {
		w.Buf = append(w.Buf, f.JSON...)
	}
}

// Members writes the entries of an object that was rendered before into the
// object that is open.
func (w *Writer) Members(f Fragment) {
	n, rest, err := msgp.ReadMapHeaderBytes(f.Msgpack)
	switch {
	case err != nil || n == 0:
		return
	case w.pack:
		w.Buf = append(w.Buf, rest...)
	default:
		if w.n > 0 {
			w.Buf = append(w.Buf, ',')
		}
		w.Buf = append(w.Buf, f.JSON[1:len(f.JSON)-1]...)
	}
	w.n += n
}

// Has reports whether an object that was rendered before has an entry of that
// name, at whatever depth.
func (f Fragment) Has(k Key) bool { return bytes.Contains(f.JSON, k.json) }

// Bool writes true or false.
func (w *Writer) Bool(v bool) {
	if w.pack {
		w.Buf = msgp.AppendBool(w.Buf, v)
	} else {
		w.Buf = strconv.AppendBool(w.Buf, v)
	}
}

// Null writes null.
func (w *Writer) Null() {
	if w.pack {
		w.Buf = msgp.AppendNil(w.Buf)
	} else {
		w.Buf = append(w.Buf, "null"...)
	}
}

// Number writes a number from its text. JSON keeps the text; msgpack keeps
// integers of 64 bits and else the nearest float. What is no JSON number
// (RFC 8259, section 6) is written as a text.
func (w *Writer) Number(text []byte) {
	switch {
	case !isNumber(text):
		w.String(text)
	case !w.pack:
		w.Buf = append(w.Buf, text...)
	default:
		w.Buf = appendNumber(w.Buf, text)
	}
}

func appendNumber(dst, text []byte) []byte {
	s := string(text)
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return msgp.AppendInt64(dst, i)
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return msgp.AppendUint64(dst, u)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil { // beyond what a float holds
		return msgp.AppendStringFromBytes(dst, text)
	}
	return msgp.AppendFloat64(dst, f)
}

func isNumber(s []byte) bool {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	first := i
	if !digits() || i-first > 1 && s[first] == '0' {
		return false
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s)
}
