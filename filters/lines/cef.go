package lines

import (
	"bytes"
	"errors"
	"slices"
)

// The errors of a line that is not of its format.
var (
	ErrCEF  = errors.New("invalid cef file")
	ErrLEEF = errors.New("invalid leef file")
)

// cefNames are the fields of a CEF header.
var cefNames = [...][]byte{
	[]byte("cef_version"), []byte("cef_device_vendor"), []byte("cef_device_product"), []byte("cef_device_version"),
	[]byte("cef_device_event_class_id"), []byte("cef_name"), []byte("cef_severity"),
}

const (
	headerEscapes    = `||\\==`
	extensionEscapes = "==\\\\||n\nr\r"
)

// CEF takes a line of the Common Event Format apart (ArcSight, "Implementing
// ArcSight Common Event Format", versions 0 and 1):
//
//	CEF:version|vendor|product|device version|class id|name|severity|key=value key=value
//
// What stands before CEF:, such as the head of a syslog message, is left aside.
// A value goes on to the next blank that a key and = follow. Pairs such as
// cs1=x cs1Label=My Label become one field that bears the label's text as its
// name, unless there is one of that name. The severity may be missing.
func (r *Row) CEF(line []byte) error {
	rest := behind(line, "CEF:")
	if rest == nil {
		return ErrCEF
	}
	for i, name := range cefNames {
		part, after, closed := cutPipe(rest)
		if i == 6 && bytes.IndexByte(part, '=') >= 0 { // the extension follows the name
			break
		}
		if !closed && i < 5 {
			return errors.New("invalid cef file: its header has less than six parts")
		}
		r.add(name, r.unescape(trim(part), headerEscapes))
		if rest = after; !closed {
			break
		}
	}
	r.extension(rest, extensionEscapes)
	r.labels()
	return nil
}

// behind returns what follows a mark such as CEF: that a version follows: digits,
// and a bar. nil: there is none.
func behind(line []byte, mark string) []byte {
	for from := 0; ; {
		i := bytes.Index(line[from:], []byte(mark))
		if i < 0 {
			return nil
		}
		at := from + i
		rest := bytes.TrimLeft(line[at+len(mark):], " ")
		n := 0
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.' && n > 0) {
			n++
		}
		if n > 0 && n < len(rest) && rest[n] == '|' && (at == 0 || !nameByte[line[at-1]]) {
			return rest
		}
		from = at + len(mark)
	}
}

// cutPipe cuts at the first bar that is not escaped.
func cutPipe(b []byte) (part, after []byte, found bool) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '|':
			return b[:i], b[i+1:], true
		}
	}
	return b, nil, false
}

// extension adds pairs that are separated by blanks and whose values may have
// blanks. escapes: "" where the format has none.
func (r *Row) extension(b []byte, escapes string) {
	var name []byte
	from := 0 // of the value in hand
	for i := 0; ; i++ {
		j := bytes.IndexByte(b[i:], '=')
		if j < 0 {
			break
		}
		i += j
		key := i
		for key > from && nameByte[b[key-1]] {
			key--
		}
		if key > 0 && !isBlank(b[key-1]) || !isName(b[key:i]) {
			continue // = is part of the value, escaped or not
		}
		if name != nil && !r.add(name, r.value(b[from:key], escapes)) {
			return
		}
		name, from = b[key:i:i], i+1
	}
	if name != nil {
		r.add(name, r.value(b[from:], escapes))
	}
}

func (r *Row) value(b []byte, escapes string) []byte {
	b = trim(b)
	if escapes == "" {
		return b
	}
	return r.unescape(b, escapes)
}

// labels gives fields the names that their labels say.
func (r *Row) labels() {
	for i := range r.Fields {
		f := &r.Fields[i]
		base, ok := bytes.CutSuffix(f.Name, []byte("Label"))
		if !ok || len(base) == 0 || !isLabel(f.Value) || r.find(f.Value) != nil {
			continue
		}
		if of := r.find(base); of != nil {
			of.Name, f.Name = f.Value, nil
		}
	}
	r.Fields = slices.DeleteFunc(r.Fields, func(f Field) bool { return f.Name == nil })
}

// isLabel reports whether a label may be the name of a field: as isName, and
// with blanks and other signs.
func isLabel(b []byte) bool {
	return len(b) > 0 && len(b) <= maxName && b[0] != '.' && b[len(b)-1] != '.' && b[0] != '@' && !bytes.Contains(b, []byte(".."))
}
