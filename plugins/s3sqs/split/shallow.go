package split

import (
	"unicode/utf16"
	"unicode/utf8"
)

// A shallow reading of JSON that is in memory: only the members or elements at
// the outermost level are told apart.

// firstKey returns the first key of the object that b begins with, as it is
// written. It is not complete when b ends before; nil when there is none.
func firstKey(b []byte) (key []byte, complete bool) {
	i := blanks(b, 1)
	if i >= len(b) {
		return nil, false
	}
	if b[i] != '"' {
		return nil, true
	}
	end := stringEnd(b, i)
	if end < 0 {
		return nil, false
	}
	return b[i+1 : end-1], true
}

// blanks returns where b goes on after white space.
func blanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns where the string that begins at b[i] ends, -1 if it does not.
func stringEnd(b []byte, i int) int {
	for i++; ; i++ {
		if i = special(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}

// valueEnd returns where the value that begins at b[i] ends, -1 if it does not.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		for depth := 0; i < len(b); {
			c := b[i]
			if !significant[c] {
				i++
				continue
			}
			switch c {
			case '"':
				if i = stringEnd(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			if i++; depth == 0 {
				return i
			}
		}
		return -1
	case '}', ']', ',', ':':
		return -1
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}

// eachMember calls f for the members of the object that b begins with, until f
// returns false. It returns where the object ends, 0 when it did not come there,
// -1 when b is no object.
// Keys come without quotes; they and values are as they are written. A value that
// b ends in is nil.
func eachMember(b []byte, f func(key, value []byte) bool) (end int) {
	if len(b) == 0 || b[0] != '{' {
		return 0
	}
	for i := 1; ; {
		for i = blanks(b, i); i < len(b) && b[i] == ','; {
			i = blanks(b, i+1)
		}
		if i >= len(b) {
			return 0
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != '"' {
			return -1
		}
		end = stringEnd(b, i)
		if end < 0 {
			return 0
		}
		key := b[i+1 : end-1]
		if i = blanks(b, end); i >= len(b) {
			return 0
		}
		if b[i] != ':' {
			return -1
		}
		i = blanks(b, i+1)
		if end = valueEnd(b, i); end < 0 {
			f(key, nil)
			return 0
		}
		if !f(key, b[i:end]) {
			return 0
		}
		i = end
	}
}

// member returns the value of a key in the object b, nil if it has none.
func member(b []byte, name string) (value []byte) {
	eachMember(b, func(key, v []byte) bool {
		if string(key) == name {
			value = v
			return false
		}
		return true
	})
	return value
}

// eachElement calls f for the elements of the array b, until f returns an error.
func eachElement(b []byte, f func(value []byte) error) error {
	for i := 1; i < len(b); {
		for i = blanks(b, i); i < len(b) && b[i] == ','; {
			i = blanks(b, i+1)
		}
		end := valueEnd(b, i)
		if end < 0 {
			return nil
		}
		if err := f(b[i:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// appendText appends the text that a JSON string stands for. Half of a
// surrogate pair becomes U+FFFD; an escape that JSON does not have stays.
func appendText(dst, quoted []byte) []byte {
	if len(quoted) < 2 || quoted[0] != '"' {
		return append(dst, quoted...)
	}
	b := quoted[1 : len(quoted)-1]
	for i := 0; i < len(b); {
		k := special(b, i)
		for k < len(b) && b[k] != '\\' { // quotes are escaped; a control character is kept
			k = special(b, k+1)
		}
		dst = append(dst, b[i:k]...)
		if k+1 >= len(b) {
			return append(dst, b[k:]...)
		}
		i = k + 2
		switch c := b[k+1]; c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r, ok := hex4(b, i)
			if !ok {
				dst = append(dst, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if i+6 <= len(b) && b[i] == '\\' && b[i+1] == 'u' {
					low, _ = hex4(b, i+2)
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, '\\', c)
		}
	}
	return dst
}

func hex4(b []byte, i int) (r rune, ok bool) {
	if i+4 > len(b) {
		return 0, false
	}
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
