package event

import (
	"encoding/binary"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// plain[c] says that byte c stands for itself inside a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendJSONString appends s as a JSON string (RFC 8259, section 7). Any bytes
// become a valid string: what is not UTF-8 becomes U+FFFD.
func AppendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	if isPlain(s) {
		dst = append(dst, s...)
	} else {
		dst = appendEscaped(dst, s)
	}
	return append(dst, '"')
}

// isPlain reports whether every byte of s stands for itself. False is no
// promise of the contrary. The last word of s overlaps the one before it, so a
// text is looked at in words only.
func isPlain(s []byte) bool {
	n := len(s)
	if n >= 8 {
		for i := 0; i < n-8; i += 8 {
			if !plainWord(binary.LittleEndian.Uint64(s[i:])) {
				return false
			}
		}
		return plainWord(binary.LittleEndian.Uint64(s[n-8:]))
	}
	for _, c := range s {
		if !plain[c] {
			return false
		}
	}
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainWord reports whether all eight bytes of w stand for themselves.
func plainWord(w uint64) bool {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	// The high bit of a byte is set in: w itself (not ASCII), w-0x20 (control),
	// and x-1 where x is zero (quote, backslash). Borrows only err on the safe side.
	return (w|(w-ones*0x20)|(quote-ones)|(slash-ones))&highs == 0
}

func appendEscaped(dst, s []byte) []byte {
	start, i := 0, 0
	for i < len(s) {
		if i+8 <= len(s) && plainWord(binary.LittleEndian.Uint64(s[i:])) {
			i += 8
			continue
		}
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(dst, s[start:]...)
}
