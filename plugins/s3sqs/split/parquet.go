package split

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// rowsAtOnce is how many rows are decoded before they are written as JSON.
const rowsAtOnce = 64

// parquet hands out each row of a Parquet file as JSON text: the columns by
// their own names and in their own order, those that are null left out.
func (s *splitter) parquet(src *source, br *bufio.Reader, layers int) (err error) {
	at, size, done, err := s.random(src, br, layers)
	if err != nil {
		return err
	}
	defer done()
	s.head = &Head{Kind: Parquet, Layers: s.head.Layers}
	damaged := func(what any) error {
		return &Error{Corrupt, s.result.Bytes, fmt.Sprintf("the Parquet file cannot be read after row %d: %v", s.number, what)}
	}
	defer func() { // the reader panics on some damaged files
		if p := recover(); p != nil {
			err = damaged(p)
		}
	}()
	if err := checkFooter(at, size); err != nil {
		return damaged(err)
	}
	f, err := parquet.OpenFile(at, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
	if err != nil {
		return damaged(err)
	}
	if err := s.unpacked(f, size); err != nil {
		return err
	}
	if err := checkPages(at, size, f); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return e
		}
		return damaged(err)
	}
	root := newColumn(f.Root())
	var text []byte
	rows := make([]parquet.Row, rowsAtOnce)
	columns := make([][]parquet.Value, root.leaves)
	for _, group := range f.RowGroups() {
		in := group.Rows()
		for {
			n, readErr := in.ReadRows(rows)
			for _, row := range rows[:n] {
				row.Range(func(i int, values []parquet.Value) bool {
					columns[i] = values
					return true
				})
				text, _ = root.append(text[:0], columns)
				s.number++
				s.result.Bytes += int64(len(text))
				if err := s.row(text); err != nil {
					in.Close()
					return err
				}
			}
			if errors.Is(readErr, io.EOF) {
				break
			}
			if readErr != nil {
				in.Close()
				return damaged(readErr)
			}
		}
		if err := in.Close(); err != nil {
			return damaged(err)
		}
	}
	return nil
}

// row hands out one row's text.
func (s *splitter) row(text []byte) error {
	switch {
	case s.result.Bytes > s.lim.Object:
		return &Error{Bomb, s.result.Bytes, fmt.Sprintf("more than %d bytes of text", s.lim.Object)}
	case int64(len(text)) > s.lim.Record:
		return s.bad(text, &Error{TooLong, s.result.Bytes, fmt.Sprintf("a row of more than %d bytes", s.lim.Record)})
	}
	return s.good(text)
}

// unpacked checks what the file says of its own size.
func (s *splitter) unpacked(f *parquet.File, size int64) error {
	total := int64(0)
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			total += max(c.MetaData.TotalUncompressedSize, 0)
		}
	}
	if total > s.lim.Object || total > ratioFloor && total/s.lim.Ratio > size {
		return &Error{Bomb, 0, fmt.Sprintf("a Parquet file of %d bytes that unpacks to %d", size, total)}
	}
	return nil
}
