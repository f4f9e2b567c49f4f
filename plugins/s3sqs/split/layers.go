package split

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/therootcompany/xz"
)

// magic is how a format's first bytes look.
type magic struct {
	prefix []byte
	name   string
	open   func(*bufio.Reader) (io.Reader, func(), error) // nil: known, not read
}

var magics = []magic{
	{[]byte{0x1f, 0x8b, 0x08}, "gzip", openGzip},
	{[]byte{0x28, 0xb5, 0x2f, 0xfd}, "zstd", openZstd},
	{[]byte("BZh"), "bzip2", openBzip2},
	{[]byte{0xfd, '7', 'z', 'X', 'Z', 0}, "xz", openXZ},
	{[]byte{0x04, 0x22, 0x4d, 0x18}, "lz4", openLZ4},
	{[]byte("\xff\x06\x00\x00sNaPpY"), "snappy", openSnappy},
	{[]byte("7z\xbc\xaf\x27\x1c"), "7z", nil},
	{[]byte("Obj\x01"), "Avro", nil},
	{[]byte("ORC"), "ORC", nil},
}

// appleDouble begins the files that macOS puts into archives beside each file.
var appleDouble = []byte{0, 5, 0x16, 7}

var (
	gzips   = sync.Pool{New: func() any { return new(gzip.Reader) }}
	zstds   sync.Pool // of *zstd.Decoder without goroutines
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}
)

func openGzip(br *bufio.Reader) (io.Reader, func(), error) {
	z := gzips.Get().(*gzip.Reader)
	if err := z.Reset(br); err != nil {
		return nil, nil, err
	}
	return z, func() { gzips.Put(z) }, nil
}

// openZstd bounds the window, which is memory, at four times what the format recommends.
func openZstd(br *bufio.Reader) (io.Reader, func(), error) {
	z, ok := zstds.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20)); err != nil {
			return nil, nil, err
		}
	}
	if err := z.Reset(br); err != nil {
		return nil, nil, err
	}
	return z, func() {
		if z.Reset(nil) == nil {
			zstds.Put(z)
		}
	}, nil
}

// openBzip2 checks the block size and the first block's own magic too: "BZh" alone may be text.
func openBzip2(br *bufio.Reader) (io.Reader, func(), error) {
	return bzip2.NewReader(br), func() {}, nil
}

// openXZ bounds the dictionary, which is memory, at what xz -9 uses.
func openXZ(br *bufio.Reader) (io.Reader, func(), error) {
	z, err := xz.NewReader(br, 64<<20)
	return z, func() {}, err
}

// openLZ4 reads frames; their blocks have 4 MiB at most.
func openLZ4(br *bufio.Reader) (io.Reader, func(), error) {
	return lz4.NewReader(br), func() {}, nil
}

// openSnappy reads the framing format, whose chunks have 64 KiB at most.
func openSnappy(br *bufio.Reader) (io.Reader, func(), error) {
	return s2.NewReader(br, s2.ReaderMaxBlockSize(64<<10)), func() {}, nil
}

func isBzip2(b []byte) bool {
	return len(b) >= 10 && b[3] >= '1' && b[3] <= '9' &&
		(bytes.Equal(b[4:10], []byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}) || bytes.Equal(b[4:10], []byte{0x17, 0x72, 0x45, 0x38, 0x50, 0x90}))
}

// object reads what r gives, an object or one file of a zip, whatever it is
// packed in. depth counts the layers around it.
func (s *splitter) object(src *source, r io.Reader, depth int) error {
	for ; ; depth++ {
		br := readers.Get().(*bufio.Reader)
		br.Reset(r)
		defer func() { br.Reset(nil); readers.Put(br) }()
		start, err := br.Peek(tarMagic + 5)
		if len(start) == 0 && err != nil && err != io.EOF { // else reading meets it again
			return s.corrupt(err)
		}
		if len(start) > tarMagic && string(start[tarMagic:]) == "ustar" {
			if depth >= s.lim.Depth {
				return s.tooDeep()
			}
			s.head.Layers = append(s.head.Layers, "tar")
			return s.tar(src, br, depth)
		}
		start = start[:min(len(start), 16)]
		if depth > 0 && bytes.HasPrefix(start, appleDouble) {
			s.result.Skipped++
			return nil
		}
		switch {
		case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")):
			if depth >= s.lim.Depth {
				return s.tooDeep()
			}
			s.head.Layers = append(s.head.Layers, "zip")
			return s.zip(src, br, depth)
		case bytes.HasPrefix(start, []byte("PAR1")):
			return s.parquet(src, br, depth)
		}
		m := find(start)
		if m == nil {
			return s.text(br, start)
		}
		if m.open == nil {
			return &Error{Unsupported, 0, fmt.Sprintf("the object is packed as %s, which is not read", m.name)}
		}
		if depth >= s.lim.Depth {
			return s.tooDeep()
		}
		s.head.Layers = append(s.head.Layers, m.name)
		z, done, err := m.open(br)
		if err != nil {
			return s.corrupt(err)
		}
		defer done()
		r = &bounded{r: z, s: s, src: src}
	}
}

func find(start []byte) *magic {
	for i := range magics {
		if m := &magics[i]; bytes.HasPrefix(start, m.prefix) && (m.name != "bzip2" || isBzip2(start)) {
			return m
		}
	}
	return nil
}

func (s *splitter) tooDeep() error {
	return &Error{Bomb, 0, fmt.Sprintf("more than %d layers of compression", s.lim.Depth)}
}

// corrupt makes a reader's error into ours.
func (s *splitter) corrupt(err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Error{Truncated, s.result.Bytes, "the compressed data breaks off"}
	case errors.Is(err, xz.ErrMemlimit):
		return &Error{Unsupported, s.result.Bytes, "xz with a dictionary of more than 64 MiB"}
	case errors.Is(err, xz.ErrOptions), errors.Is(err, xz.ErrUnsupportedCheck):
		return &Error{Unsupported, s.result.Bytes, "xz with a filter or check that is not known"}
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &Error{Unsupported, s.result.Bytes, "zstd with a window of more than 32 MiB"}
	}
	return &Error{Corrupt, s.result.Bytes, "the compressed data is damaged: " + err.Error()}
}

// bounded ends a layer that grows beyond the limits.
type bounded struct {
	r   io.Reader
	s   *splitter
	src *source
	n   int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	switch lim := &b.s.lim; {
	case b.n > lim.Object:
		return 0, &Error{Bomb, b.s.result.Bytes, fmt.Sprintf("more than %d bytes after decompression", lim.Object)}
	case b.n > ratioFloor && b.n/lim.Ratio > b.src.n:
		return 0, &Error{Bomb, b.s.result.Bytes, fmt.Sprintf("decompression to more than %d times the size", lim.Ratio)}
	}
	return n, err
}

// text cuts what is no container (any more) into records.
func (s *splitter) text(r io.Reader, start []byte) error {
	r, start, err := decode(r, start)
	if err != nil {
		return s.corrupt(err)
	}
	if text := bytes.TrimRight(start, "\x00"); len(text) > 0 {
		start = text // a file may end with zeros
	}
	for i, c := range start {
		if c < 0x20 && (c < 7 || c > 13 || c == 11) && c != 27 || c == 0x7f {
			return &Error{Binary, int64(i), fmt.Sprintf("the content is not text (byte 0x%02x)", c)}
		}
	}
	w := newWindow(r, s)
	defer w.free()
	return s.cut(w)
}

// cut cuts text into records. Text that begins with an envelope is JSON,
// whatever the records in it are.
func (s *splitter) cut(w *window) error {
	switch {
	case s.framing.Kind == JSON || s.enveloped(w):
		return s.json(w)
	case s.framing.Kind == XML:
		return s.xml(w)
	case s.framing.Kind == Lines && s.framing.FirstLine != nil:
		return s.multi(w)
	}
	return s.lines(w)
}

// enveloped reports whether the first thing in the text is an envelope.
func (s *splitter) enveloped(w *window) bool {
	const most = 4 << 10 // of blank lines before it
	for i := 0; i <= most; i++ {
		for i >= w.end-w.start {
			if !w.fill() {
				return false
			}
		}
		switch c := w.buf[w.start+i]; {
		case c == '{':
			_, kind := (&values{splitter: s, w: w}).wrapped(i)
			return kind != bare
		case !isSpace(c):
			return false
		}
	}
	return false
}
