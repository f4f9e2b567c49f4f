package split

import "bytes"

// mostBroken is how many records with a quote that is not closed an object may
// have before line breaks in quotes are no longer looked for in it.
const mostBroken = 16

// rowEnd returns where the line break is that ends the CSV record that b begins
// with, or -1 where b ends before. last: b is the rest of the text, which ends a
// record too. It is not ok when the quotes are not those of RFC 4180.
func (s *splitter) rowEnd(b []byte, last bool) (n int, ok bool) {
	f := &s.framing
	unknown := -1
	if last {
		unknown = len(b)
	}
	for i := 0; ; i++ {
		if i < len(b) && b[i] == f.Quote {
			for i++; ; i += 2 { // behind an escaped quote
				k := bytes.IndexByte(b[min(i, len(b)):], f.Quote)
				if k < 0 {
					return -1, !last
				}
				if i += k; i+1 >= len(b) || b[i+1] != f.Quote {
					break
				}
			}
			if i++; i < len(b) && b[i] == '\r' {
				i++
			}
			if i >= len(b) {
				return unknown, true
			}
			if b[i] != f.Separator && b[i] != '\n' {
				return -1, false
			}
		}
		for i < len(b) && b[i] != f.Separator && b[i] != '\n' {
			i++
		}
		switch {
		case i >= len(b):
			return unknown, true
		case b[i] == '\n':
			return i, true
		}
	}
}

// isHeader reports whether a line may be the header of a CSV: no column of it
// is a number.
func isHeader(line []byte) bool {
	digits, others := 0, 0
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9':
			digits++
			continue
		case c != ' ' && c != '\t' && c != ',' && c != ';' && c != '|' && c != '"':
			others++
			continue
		case digits > 0 && others == 0:
			return false
		}
		digits, others = 0, 0
	}
	return digits == 0 || others > 0
}
