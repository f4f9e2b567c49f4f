// Package lines takes lines apart that name their fields themselves: CEF, LEEF,
// key=value, and syslog, whose message may be one of these.
//
//	var r lines.Row
//	r.Reset()
//	err := r.CEF(line) // then r.Fields
//
// # Promises
//
//   - What a writer that follows the format wrote comes out as it went in: fields
//     → line → fields is the identity.
//   - What writers get wrong in practice is understood where it is not ambiguous:
//     backslashes that are not escaped, blanks in values, = in values, parts of a
//     header that are missing.
//   - Whatever the bytes, nothing panics, and time and memory are bounded: at
//     most [MaxFields] fields are taken from a line.
//   - Nothing is allocated once a Row has grown.
//
// # Concurrency
//
// A Row may not be shared.
package lines

import "bytes"

// MaxFields is how many fields of a line are taken. It is the default of
// OpenSearch's index.mapping.total_fields.limit: an index could not hold more.
const MaxFields = 1000

// Field is one field of a line. Name and Value are parts of the line or of the
// row's own memory; they are valid until the next Reset, and while the line is.
type Field struct{ Name, Value []byte }

// Datum is a parameter of an element of a syslog message's structured data.
type Datum struct{ Element, Name, Value []byte }

// Row is a line taken apart.
type Row struct {
	Fields []Field // in the order of the line; of equal names the last counts
	Data   []Datum // structured data (syslog)
	Cut    bool    // the line has more than MaxFields

	buf []byte // values without their escapes
}

// Reset empties the row.
func (r *Row) Reset() {
	r.Fields, r.Data, r.Cut, r.buf = r.Fields[:0], r.Data[:0], false, r.buf[:0]
}

// add adds a field that has a value; false when there is no more room.
func (r *Row) add(name, value []byte) bool {
	if len(value) == 0 {
		return true
	}
	if len(r.Fields)+len(r.Data) >= MaxFields {
		r.Cut = true
		return false
	}
	r.Fields = append(r.Fields, Field{name, value})
	return true
}

// find returns the last field of a name.
func (r *Row) find(name []byte) *Field {
	for i := len(r.Fields) - 1; i >= 0; i-- {
		if bytes.Equal(r.Fields[i].Name, name) {
			return &r.Fields[i]
		}
	}
	return nil
}

// unescape returns b without backslashes before the characters that may be
// escaped. escapes are pairs: the character behind the backslash, what it means.
//
// Many writers do not escape backslashes. A text that has one before anything
// else, or that begins like a Windows path with a single one (c:\new), was
// written by one of them, and is returned as it is.
func (r *Row) unescape(b []byte, escapes string) []byte {
	i := bytes.IndexByte(b, '\\')
	if i < 0 || i == 2 && b[1] == ':' && isLetter(b[0]) && len(b) > 3 && isLetter(b[3]) {
		return b
	}
	start := len(r.buf)
	out := append(r.buf, b[:i]...)
	for ; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		meaning := byte(0)
		for k := 0; i < len(b) && k < len(escapes); k += 2 {
			if escapes[k] == b[i] {
				meaning = escapes[k+1]
				break
			}
		}
		if meaning == 0 {
			return b
		}
		out = append(out, meaning)
	}
	r.buf = out
	return out[start:len(out):len(out)]
}

// isName reports whether b may be the name of a field: letters, digits, _ - [ ]
// and dots inside. (OpenSearch refuses names that begin or end with a dot, or
// have two in a row.)
func isName(b []byte) bool {
	for i, c := range b {
		if !nameByte[c] || c == '.' && (i == 0 || i == len(b)-1 || b[i+1] == '.') {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxName
}

// maxName is how long the name of a field may be: it becomes one of the index.
const maxName = 256

var nameByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
	}
	for _, c := range "_.-[]" {
		t[c] = true
	}
	return t
}()

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// trim cuts blanks off both ends.
func trim(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }
