package split

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// decode strips a byte order mark, and turns UTF-16 into UTF-8. start is what r
// begins with; it comes back decoded, as far as it is ASCII.
func decode(r io.Reader, start []byte) (io.Reader, []byte, error) {
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		start = bytes.Clone(start[3:])
		_, err := io.CopyN(io.Discard, r, 3)
		return r, start, err
	case bytes.HasPrefix(start, []byte{0xff, 0xfe}):
		_, err := io.CopyN(io.Discard, r, 2)
		return &utf16Reader{r: r, order: binary.LittleEndian}, nil, err
	case bytes.HasPrefix(start, []byte{0xfe, 0xff}):
		_, err := io.CopyN(io.Discard, r, 2)
		return &utf16Reader{r: r, order: binary.BigEndian}, nil, err
	}
	return r, start, nil
}

// utf16Reader decodes UTF-16. Half a character, or half of a pair, becomes U+FFFD.
type utf16Reader struct {
	r     io.Reader
	order binary.ByteOrder
	in    [4096]byte
	n     int // bytes of in that wait
	out   []byte
	err   error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		n, err := u.r.Read(u.in[u.n:])
		u.n += n
		u.err = err
		u.out = u.decode(u.out[:0], err != nil)
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

func (u *utf16Reader) decode(out []byte, last bool) []byte {
	i := 0
	for i+2 <= u.n {
		c := rune(u.order.Uint16(u.in[i:]))
		if utf16.IsSurrogate(c) {
			if i+4 > u.n && !last {
				break
			}
			pair := rune(0)
			if i+4 <= u.n {
				pair = rune(u.order.Uint16(u.in[i+2:]))
			}
			if c = utf16.DecodeRune(c, pair); c != utf8.RuneError {
				i += 2
			}
		}
		out = utf8.AppendRune(out, c)
		i += 2
	}
	u.n = copy(u.in[:], u.in[i:u.n])
	if last && u.n > 0 {
		out = utf8.AppendRune(out, utf8.RuneError)
		u.n = 0
	}
	return out
}
