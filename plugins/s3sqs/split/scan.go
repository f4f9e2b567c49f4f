package split

import (
	"encoding/binary"
	"math/bits"
)

// state is where a scan stands.
type state uint8

const (
	more   state = iota // the value goes on behind the bytes given
	done                // it ended
	broken              // it broke off: another one begins here
)

// scan finds the end of one JSON value that arrives in pieces. It counts
// brackets outside strings and looks at nothing else.
type scan struct {
	mode  mode
	depth int
	// kinds has a bit for each of the 64 innermost brackets: 1 for a brace.
	kinds uint64
	// last is the last significant byte before a line feed outside strings.
	last byte
}

type mode uint8

const (
	atStart   mode = iota
	inside         // between brackets, outside strings
	newLine        // the same, and only white space since a line feed
	inString       //
	escaped        // behind a backslash
	cutString      // behind a line feed within a string, where none may be
	inScalar       // a number, true, false, null or nonsense at the outermost level
)

// significant marks the bytes that a scan outside strings stops at.
var significant = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true, '\n': true}

// scalar reports whether the value is one that only what follows it ends.
func (s *scan) scalar() bool { return s.mode == inScalar }

// forget notes what run needs to know of b when it will not see b again.
func (s *scan) forget(b []byte) {
	if c := lastByte(b); c != 0 {
		s.last = c
	}
}

// lastByte returns the last byte that is not white space, or 0.
func lastByte(b []byte) byte {
	for i := len(b) - 1; i >= 0; i-- {
		if c := b[i]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

// run scans b, whose first i bytes it has seen, and returns how far it came:
// behind the value's end when done, to the next value's begin when broken.
func (s *scan) run(b []byte, i int) (int, state) {
	mode, depth, kinds := s.mode, s.depth, s.kinds
	for i < len(b) {
		switch mode {
		case inString:
			if i = special(b, i); i == len(b) {
				break
			}
			switch c := b[i]; c {
			case '"':
				mode = inside
				if depth == 0 {
					return i + 1, done
				}
			case '\\':
				mode = escaped
			case '\n':
				mode = cutString
			}
			i++
		case escaped:
			mode = inString
			i++
		case cutString:
			if b[i] == '{' {
				return i, broken
			}
			mode = inString
		case inside:
			if i, mode, depth, kinds = structure(b, i, depth, kinds); mode == atStart {
				return i, done
			}
			if mode == newLine {
				if c := lastByte(b[:i-1]); c != 0 {
					s.last = c
				}
			}
		case newLine:
			switch c := b[i]; {
			case c == ' ' || c == '\t' || c == '\r' || c == '\n':
				i++
			case c == '{' && !(s.last == ':' || s.last == '[' || s.last == ',' && kinds&1 == 0):
				return i, broken
			default:
				mode = inside
			}
		case inScalar:
			for i < len(b) {
				switch b[i] {
				case ',', ']', '}', ':', ' ', '\t', '\r', '\n':
					return i, done
				}
				i++
			}
		case atStart:
			switch b[i] {
			case '"':
				mode = inString
				i++
			case '{', '[':
				mode = inside
			default:
				mode = inScalar
				i++
			}
		}
	}
	s.mode, s.depth, s.kinds = mode, depth, kinds
	return i, more
}

// structure scans from outside a string on, through whole strings, until b ends
// (inside, or inString), a string needs a closer look (inString), behind a line
// feed (newLine), or behind the value's end (atStart).
func structure(b []byte, i, depth int, kinds uint64) (int, mode, int, uint64) {
	for i < len(b) {
		c := b[i]
		i++
		if !significant[c] {
			continue
		}
		switch c {
		case '"':
			if i = special(b, i); i == len(b) || b[i] != '"' {
				return i, inString, depth, kinds
			}
			i++
		case '{':
			depth++
			kinds = kinds<<1 | 1
		case '[':
			depth++
			kinds <<= 1
		case '}', ']':
			depth--
			kinds >>= 1
			if depth == 0 {
				return i, atStart, depth, kinds
			}
		case '\n':
			return i, newLine, depth, kinds
		}
	}
	return i, inside, depth, kinds
}

// special returns where the first quote, backslash or control character is, or
// len(b). It looks at eight bytes at a time.
func special(b []byte, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for len(b)-i >= 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		if hit := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x) & highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
		i += 8
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
		i++
	}
	return i
}
