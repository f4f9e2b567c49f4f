package lines

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

// leefNames are the fields of a LEEF header.
var leefNames = [...][]byte{[]byte("leef_version"), []byte("leef_vendor"), []byte("leef_product"), []byte("leef_product_version"), []byte("leef_event_id")}

// LEEF takes a line of the Log Event Extended Format apart (IBM QRadar, "LEEF
// event components", versions 1.0 and 2.0):
//
//	LEEF:1.0|vendor|product|version|event id|key=value⇥key=value
//	LEEF:2.0|vendor|product|version|event id|^|key=value^key=value
//
// The delimiter of 2.0 is a character, or its number as 0x5E or x5E; empty or
// missing, it is the tab. separator, if not empty, is the one of a product that
// writes another without saying so. Where there is no tab although there should
// be, blanks separate, as in CEF. What stands before LEEF: is left aside.
// A piece that is no key=value belongs to the value before it.
func (r *Row) LEEF(line []byte, separator string) error {
	rest := behind(line, "LEEF:")
	if rest == nil {
		return ErrLEEF
	}
	newer := rest[0] >= '2'
	for i, name := range leefNames {
		part, after, closed := cutPipe(rest)
		if !closed && i < len(leefNames)-1 {
			return errors.New("invalid leef file: its header has less than five parts")
		}
		r.add(name, r.unescape(trim(part), headerEscapes))
		rest = after
	}
	var buf [utf8.UTFMax]byte
	delimiter := append(buf[:0], separator...)
	if newer {
		if said, after, ok := bytes.Cut(rest, []byte("|")); ok {
			if d, ok := delimiterOf(buf[:0], said); ok {
				if rest = after; len(d) > 0 {
					delimiter = d
				}
			}
		}
	}
	if len(delimiter) == 0 {
		delimiter = append(delimiter, '\t')
		if bytes.IndexByte(rest, '\t') < 0 {
			r.extension(rest, "")
			return nil
		}
	}
	r.pieces(rest, delimiter)
	return nil
}

// delimiterOf appends the delimiter that a header says: nothing for the default.
func delimiterOf(dst, said []byte) ([]byte, bool) {
	said = bytes.Trim(said, " ")
	switch _, size := utf8.DecodeRune(said); {
	case size == len(said):
		return append(dst, said...), true
	case size > 1:
		return nil, false
	}
	number := bytes.TrimPrefix(said, []byte("0"))
	if number[0]|0x20 != 'x' || len(number) > 5 {
		return nil, false
	}
	n, err := strconv.ParseUint(string(number[1:]), 16, 16)
	if err != nil || n == 0 {
		return nil, false
	}
	return utf8.AppendRune(dst, rune(n)), true
}

// pieces adds what stands between delimiters.
func (r *Row) pieces(b, delimiter []byte) {
	var name []byte
	from := 0 // of the value in hand
	for at := 0; ; {
		end, next := len(b), len(b)
		if i := bytes.Index(b[at:], delimiter); i >= 0 {
			end = at + i
			next = end + len(delimiter)
		}
		if key, _, ok := bytes.Cut(b[at:end], []byte("=")); ok && isName(bytes.TrimSpace(key)) {
			if name != nil && !r.add(name, trim(b[from:max(from, at-len(delimiter))])) {
				return
			}
			name, from = bytes.TrimSpace(key), at+len(key)+1
		}
		if at = next; end == len(b) {
			break
		}
	}
	if name != nil {
		r.add(name, trim(bytes.TrimSuffix(b[from:], delimiter)))
	}
}
