// Package xmltok reads the text of an XML document tag by tag. It is for records
// of logs: short documents, many of them, from anyone.
//
// # Promises
//
//   - What encoding/xml reads, this reads the same, but for white space in
//     attributes, which becomes blanks, as XML has it.
//   - Tags that do not match, texts outside of the root and references to unknown
//     entities are errors that say where.
//   - Nothing is allocated once the buffers have grown; nothing is fetched; a
//     document cannot define entities, so it cannot grow.
//   - Depth and the number of attributes are bounded.
//
// Namespaces are not resolved: a name is what stands in the text, prefix and all.
package xmltok

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep elements may stand in each other.
	MaxDepth = 100
	// MaxAttrs is how many attributes an element may have.
	MaxAttrs = 1000
)

// Kind says what [Reader.Next] found.
type Kind uint8

// The kinds of tokens. An empty element, <a/>, is a Start and an End.
const (
	EOF   Kind = iota
	Start      // Name and Attrs
	End        // Name
	Text       // Text: character data or CDATA, never empty
)

// Attr is an attribute. Its value has no references left.
type Attr struct{ Name, Value []byte }

// Error says what is wrong with a document, and where.
type Error struct {
	Offset int
	Detail string
}

func (e *Error) Error() string { return fmt.Sprintf("not XML: %s (at byte %d)", e.Detail, e.Offset) }

// Reader reads one document after another. What it returns aliases the document
// or a buffer of the Reader: it is valid until the next Reset.
type Reader struct {
	// Name is the element's, of a Start or an End.
	Name []byte
	// Attrs are those of a Start.
	Attrs []Attr
	// Text is that of a Text.
	Text []byte

	in      []byte
	at      int
	buf     []byte   // texts that had references or \r
	open    [][]byte // names of the elements that are open
	empty   bool     // the End of an empty element comes next
	root    bool     // there was one
	lenient bool
}

// Reset begins a document.
func (r *Reader) Reset(document []byte) {
	*r = Reader{in: document, buf: r.buf[:0], open: r.open[:0], Attrs: r.Attrs[:0]}
	if rest, ok := bytes.CutPrefix(document, []byte("\xef\xbb\xbf")); ok {
		r.at = len(document) - len(rest)
	}
}

// ResetLenient is Reset for a document that came from [WithoutControls]:
// references to characters that XML cannot have are left out too.
func (r *Reader) ResetLenient(document []byte) {
	r.Reset(document)
	r.lenient = true
}

// WithoutControls appends a document to dst without its control characters,
// line breaks and tabs among them.
func WithoutControls(dst, document []byte) []byte {
	for _, b := range document {
		if b >= ' ' {
			dst = append(dst, b)
		}
	}
	return dst
}

func (r *Reader) fail(at int, format string, args ...any) (Kind, error) {
	return EOF, &Error{at, fmt.Sprintf(format, args...)}
}

// Next returns what comes next. After an error, or EOF, only Reset goes on.
func (r *Reader) Next() (Kind, error) {
	if r.empty {
		r.empty = false
		return r.end()
	}
	for r.at < len(r.in) {
		rest := r.in[r.at:]
		if rest[0] != '<' {
			n := bytes.IndexByte(rest, '<')
			if n < 0 {
				n = len(rest)
			}
			kind, err := r.text(rest[:n], false)
			if err != nil || kind == Text {
				return kind, err
			}
			continue
		}
		if len(rest) < 2 {
			return r.fail(r.at, "it breaks off in a tag")
		}
		switch rest[1] {
		case '/':
			return r.endTag()
		case '?':
			if err := r.skip("<?", "?>"); err != nil {
				return EOF, err
			}
		case '!':
			if bytes.HasPrefix(rest, []byte("<!--")) {
				if err := r.skip("<!--", "-->"); err != nil {
					return EOF, err
				}
				continue
			}
			content, ok := bytes.CutPrefix(rest, []byte("<![CDATA["))
			if !ok {
				return r.fail(r.at, "a declaration, which a record does not have")
			}
			n := bytes.Index(content, []byte("]]>"))
			if n < 0 {
				return r.fail(r.at, "CDATA that does not end")
			}
			kind, err := r.text(content[:n], true)
			if err != nil {
				return EOF, err
			}
			r.at += len("<![CDATA[") + len("]]>")
			if kind == Text {
				return Text, nil
			}
		default:
			return r.startTag()
		}
	}
	switch {
	case len(r.open) > 0:
		return r.fail(r.at, "it ends within the element %.40q", r.open[len(r.open)-1])
	case !r.root:
		return r.fail(r.at, "there is no element")
	}
	return EOF, nil
}

// skip passes over what begins and ends so.
func (r *Reader) skip(begin, end string) error {
	n := bytes.Index(r.in[r.at+len(begin):], []byte(end))
	if n < 0 {
		return &Error{r.at, fmt.Sprintf("%s without %s", begin, end)}
	}
	r.at += len(begin) + n + len(end)
	return nil
}

// text takes character data; EOF means that it was white space that says nothing.
func (r *Reader) text(b []byte, cdata bool) (Kind, error) {
	start := r.at
	if len(r.open) == 0 {
		if cdata || len(bytes.Trim(b, " \t\r\n")) > 0 {
			return r.fail(start, "text outside of the element")
		}
		r.at += len(b)
		return EOF, nil
	}
	value, err := r.decode(b, start, cdata, false)
	if err != nil {
		return EOF, err
	}
	r.at += len(b)
	if len(value) == 0 {
		return EOF, nil
	}
	r.Text = value
	return Text, nil
}

// nameEnd is where the name that begins at i ends.
func (r *Reader) nameEnd(i int) int {
	if i >= len(r.in) || !nameStart[r.in[i]] {
		return i
	}
	for i < len(r.in) && nameByte[r.in[i]] {
		i++
	}
	return i
}

func (r *Reader) blanks(i int) int {
	for i < len(r.in) && (r.in[i] == ' ' || r.in[i] == '\n' || r.in[i] == '\t' || r.in[i] == '\r') {
		i++
	}
	return i
}

func (r *Reader) startTag() (Kind, error) {
	begin := r.at
	i := r.nameEnd(begin + 1)
	if i == begin+1 {
		return r.fail(begin, "a < that begins no tag")
	}
	if len(r.open) == 0 && r.root {
		return r.fail(begin, "a second element beside the first")
	}
	r.Name, r.Attrs, r.root = r.in[begin+1:i], r.Attrs[:0], true
	for {
		j := r.blanks(i)
		if j >= len(r.in) {
			return r.fail(begin, "it breaks off in the tag %.40q", r.Name)
		}
		switch c := r.in[j]; {
		case c == '>':
			r.at = j + 1
		case c == '/' && j+1 < len(r.in) && r.in[j+1] == '>':
			r.at, r.empty = j+2, true
		default:
			var err error
			if i, err = r.attribute(j); err != nil {
				return EOF, err
			}
			continue
		}
		break
	}
	if len(r.open) == MaxDepth {
		return r.fail(begin, "elements that are nested more than %d deep", MaxDepth)
	}
	r.open = append(r.open, r.Name)
	return Start, nil
}

// attribute reads name="value" at i and returns where it ends.
func (r *Reader) attribute(i int) (int, error) {
	end := r.nameEnd(i)
	if end == i {
		_, err := r.fail(i, "%q in the tag %.40q, where an attribute should be", r.in[i], r.Name)
		return 0, err
	}
	name := r.in[i:end]
	j := r.blanks(end)
	if j < len(r.in) && r.in[j] == '=' {
		j = r.blanks(j + 1)
	} else {
		j = len(r.in)
	}
	if j >= len(r.in) || r.in[j] != '"' && r.in[j] != '\'' {
		_, err := r.fail(i, "the attribute %.40q has no value in quotes", name)
		return 0, err
	}
	n := bytes.IndexByte(r.in[j+1:], r.in[j])
	if n < 0 {
		_, err := r.fail(i, "the value of the attribute %.40q does not end", name)
		return 0, err
	}
	raw := r.in[j+1 : j+1+n]
	if k := bytes.IndexByte(raw, '<'); k >= 0 {
		_, err := r.fail(j+1+k, "a < in the attribute %.40q", name)
		return 0, err
	}
	value, err := r.decode(raw, j+1, false, true)
	if err != nil {
		return 0, err
	}
	if len(r.Attrs) == MaxAttrs {
		_, err := r.fail(i, "more than %d attributes", MaxAttrs)
		return 0, err
	}
	r.Attrs = append(r.Attrs, Attr{name, value})
	return j + n + 2, nil
}

func (r *Reader) endTag() (Kind, error) {
	i := r.nameEnd(r.at + 2)
	name := r.in[r.at+2 : i]
	j := r.blanks(i)
	switch {
	case j >= len(r.in) || r.in[j] != '>' || len(name) == 0:
		return r.fail(r.at, "an end tag that does not end")
	case len(r.open) == 0:
		return r.fail(r.at, "the end of an element %.40q that did not begin", name)
	case !bytes.Equal(r.open[len(r.open)-1], name):
		return r.fail(r.at, "the element %.40q ends where %.40q should", name, r.open[len(r.open)-1])
	}
	r.at = j + 1
	return r.end()
}

func (r *Reader) end() (Kind, error) {
	n := len(r.open) - 1
	r.Name = r.open[n]
	r.open = r.open[:n]
	return End, nil
}

// decode returns text without references; line breaks are \n, and blanks in
// attributes. What XML cannot have is an error.
func (r *Reader) decode(b []byte, offset int, cdata, attribute bool) ([]byte, error) {
	i := plain(b, attribute)
	if i == len(b) {
		return b, nil
	}
	start := len(r.buf)
	for from := 0; ; {
		r.buf = append(r.buf, b[from:i]...)
		if i == len(b) {
			return r.buf[start:len(r.buf):len(r.buf)], nil
		}
		next := i + 1
		switch c := b[i]; {
		case c == '&' && cdata:
			r.buf = append(r.buf, '&')
		case c == '&':
			n, err := r.reference(b[i:])
			if err != nil {
				err.Offset = offset + i
				return nil, err
			}
			next = i + n
		case c == '\r' && next < len(b) && b[next] == '\n': // \r\n is one line break
		case attribute && (c == '\r' || c == '\n' || c == '\t'):
			r.buf = append(r.buf, ' ')
		case c == '\r':
			r.buf = append(r.buf, '\n')
		default:
			return nil, &Error{offset + i, fmt.Sprintf("the control character %#x", c)}
		}
		from = next
		i = next + plain(b[next:], attribute)
	}
}

// plain is how many bytes of b stand for themselves.
func plain(b []byte, attribute bool) int {
	special := &textSpecial
	if attribute {
		special = &attrSpecial
	}
	for i, c := range b {
		if special[c] {
			return i
		}
	}
	return len(b)
}

// reference appends what the reference that b begins with stands for, and
// returns its length.
func (r *Reader) reference(b []byte) (int, *Error) {
	n := bytes.IndexByte(b[:min(len(b), 40)], ';')
	if n < 2 {
		return 0, &Error{Detail: "an & that begins no reference"}
	}
	name := b[1:n]
	if name[0] != '#' {
		c, ok := entities[string(name)]
		if !ok {
			return 0, &Error{Detail: fmt.Sprintf("the entity %q, which is unknown", name)}
		}
		r.buf = append(r.buf, c)
		return n + 1, nil
	}
	base, digits := rune(10), name[1:]
	if len(digits) > 0 && digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	value := rune(0)
	for _, c := range digits {
		d := rune(hexDigit[c])
		if d >= base || value > utf8.MaxRune {
			return 0, &Error{Detail: fmt.Sprintf("%q is no character", name)}
		}
		value = value*base + d
	}
	switch {
	case len(digits) == 0 || value > utf8.MaxRune:
		return 0, &Error{Detail: fmt.Sprintf("%q is no character", name)}
	case !inRange(value):
		if !r.lenient {
			return 0, &Error{Detail: fmt.Sprintf("%q is a character that XML cannot have", name)}
		}
	default:
		r.buf = utf8.AppendRune(r.buf, value)
	}
	return n + 1, nil
}

// inRange: XML 1.0, production Char. Halves of surrogate pairs, which other
// writers leave, become U+FFFD.
func inRange(c rune) bool {
	return c == '\t' || c == '\n' || c == '\r' || c >= ' ' && c < 0xfffe || c > 0xffff
}

var entities = map[string]byte{"lt": '<', "gt": '>', "amp": '&', "apos": '\'', "quot": '"'}

// Tables by byte. Names may have every character beyond ASCII.
var nameStart, nameByte, textSpecial, attrSpecial [256]bool

var hexDigit [256]byte

func init() {
	for c := range 256 {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || c >= 0x80
		nameStart[c] = letter
		nameByte[c] = letter || c >= '0' && c <= '9' || c == '-' || c == '.'
		textSpecial[c] = c == '&' || c < ' ' && c != '\n' && c != '\t'
		attrSpecial[c] = c == '&' || c < ' '
		hexDigit[c] = 255
	}
	for i, c := range "0123456789abcdef" {
		hexDigit[c] = byte(i)
	}
	for i, c := range "ABCDEF" {
		hexDigit[c] = byte(10 + i)
	}
}
