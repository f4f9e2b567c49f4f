package split

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/flate"
)

// seekable is what a caller's reader may be beside an io.Reader.
type seekable interface {
	io.ReaderAt
	io.Seeker
}

// random gives random access to what br reads: the caller's reader itself when
// it can and nothing is packed around it, else a file that has no name any more.
func (s *splitter) random(src *source, br *bufio.Reader, layers int) (at io.ReaderAt, size int64, done func(), err error) {
	if in, ok := src.r.(seekable); ok && layers == 0 {
		pos, err1 := in.Seek(0, io.SeekCurrent)
		end, err2 := in.Seek(0, io.SeekEnd)
		if err1 == nil && err2 == nil {
			first := pos - src.n // where the caller's reader stood
			src.n = end - first
			return io.NewSectionReader(in, first, end-first), end - first, func() {}, nil
		}
	}
	f, err := os.CreateTemp(s.lim.TempDir, "fluent-siem-*") // mode 0600
	if err != nil {
		return nil, 0, nil, fmt.Errorf("no temporary file for a zip or Parquet object: %w; the object was not read", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, 0, nil, fmt.Errorf("temporary file for a zip or Parquet object: %w; the object was not read", err)
	}
	size, err = io.Copy(f, io.LimitReader(br, s.lim.Spool+1))
	switch {
	case err != nil:
		var disk *os.PathError
		if !errors.As(err, &disk) {
			err = s.corrupt(err)
		}
	case size > s.lim.Spool:
		err = &Error{Bomb, 0, fmt.Sprintf("a zip or Parquet object of more than %d bytes", s.lim.Spool)}
	}
	if err != nil {
		f.Close()
		return nil, 0, nil, err
	}
	return f, size, func() { f.Close() }, nil
}

// zip reads every file of an archive, one after the other; positions go on from
// one to the next.
func (s *splitter) zip(src *source, br *bufio.Reader, layers int) error {
	at, size, done, err := s.random(src, br, layers)
	if err != nil {
		return err
	}
	defer done()
	z, err := zip.NewReader(at, size)
	if err != nil {
		return &Error{Corrupt, 0, "the zip archive cannot be read: " + err.Error()}
	}
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	f := files{splitter: s, src: src, layers: layers, outer: s.head}
	for _, file := range z.File {
		if file.FileInfo().IsDir() {
			continue
		}
		r, err := file.Open()
		if err == nil {
			err = f.read(r)
			r.Close()
		} else {
			err = f.note(&Error{Corrupt, s.result.Bytes, fmt.Sprintf("file %.100q of the zip archive: %v", file.Name, err)})
		}
		if err != nil {
			return err
		}
	}
	return f.first
}
