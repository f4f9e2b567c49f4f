package lines

import (
	"bytes"
	"errors"
)

// Pairs says how a line of key=value is written.
type Pairs struct {
	Separator string // between pairs; "": blanks and tabs
	Assign    string // between key and value; "": =
	Quotes    string // the characters that may enclose a value; "": "
}

// ErrPairs is the error of a line without a pair.
var ErrPairs = errors.New("no key=value in it")

const quotedEscapes = "\"\"''``\\\\n\nr\rt\t"

// Pairs takes a line of key=value apart, as logfmt, firewalls and many others
// write it. A value may be quoted; quotes in it are escaped with a backslash, or
// recognised by what follows: the closing quote is one that a separator or the
// end of the line follows. Words that are no pair are left aside, as is <PRI> at
// the start of the line.
func (r *Row) Pairs(line []byte, p Pairs) error {
	assign, quotes := p.Assign, p.Quotes
	if assign == "" {
		assign = "="
	}
	if quotes == "" {
		quotes = `"`
	}
	b := line
	if _, after, ok := cutPriority(b); ok {
		b = after
	}
	before := len(r.Fields)
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		if len(b) == 0 {
			break
		}
		end := p.end(b)
		at := bytes.Index(b[:min(end+len(assign), len(b))], []byte(assign))
		if at < 0 || at > end || !isName(trim(b[:at])) {
			b = p.skip(b, end)
			continue
		}
		name := trim(b[:at])
		value := b[at+len(assign):]
		if p.Separator != "" {
			value = bytes.TrimLeft(value, " \t")
		}
		if len(value) > 0 && bytes.IndexByte([]byte(quotes), value[0]) >= 0 {
			if n := p.closing(value); n > 0 {
				if !r.add(name, r.unescape(value[1:n], quotedEscapes)) {
					break
				}
				b = p.skip(value, n+1)
				continue
			}
		}
		end = p.end(value)
		if !r.add(name, trim(value[:end])) {
			break
		}
		b = p.skip(value, end)
	}
	if len(r.Fields) == before {
		return ErrPairs
	}
	return nil
}

// end is where the next separator begins, or the end.
func (p Pairs) end(b []byte) int {
	if p.Separator != "" {
		if i := bytes.Index(b, []byte(p.Separator)); i >= 0 {
			return i
		}
		return len(b)
	}
	for i, c := range b {
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			return i
		}
	}
	return len(b)
}

// skip returns what follows the separator at or, with blanks before it, behind n.
func (p Pairs) skip(b []byte, n int) []byte {
	b = b[n:]
	if p.Separator != "" {
		return bytes.TrimPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte(p.Separator))
	}
	return b
}

// closing finds the quote that closes the value which begins with one: the first
// that is not escaped, and that a separator or the end of the line follows. 0:
// there is none.
func (p Pairs) closing(b []byte) int {
	quote := b[0]
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case quote:
			if p.ends(b[i+1:]) {
				return i
			}
		}
	}
	return 0
}

// ends reports whether a value may end before b.
func (p Pairs) ends(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if p.Separator == "" {
		return isBlank(b[0]) || b[0] == '\r' || b[0] == '\n'
	}
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) == 0 || bytes.HasPrefix(b, []byte(p.Separator))
}
