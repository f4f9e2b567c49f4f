package split

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Writers make pages of 1 MB and dictionaries of a few; the reader allocates
// what a page's header says.
const (
	pageBytes  = 64 << 20
	pageValues = 16 << 20
)

var errPage = errors.New("a page's header is not credible")

// checkFooter reads how long the footer says it is: the reader allocates that.
func checkFooter(at io.ReaderAt, size int64) error {
	var end [8]byte
	if _, err := at.ReadAt(end[:], size-int64(len(end))); size < 12 || err != nil && err != io.EOF {
		return errors.New("no footer")
	}
	if string(end[4:]) != "PAR1" {
		return errors.New("it does not end as a Parquet file does")
	}
	if n := int64(binary.LittleEndian.Uint32(end[:])); n > size-12 {
		return fmt.Errorf("a footer of %d bytes in a file of %d", n, size)
	}
	return nil
}

// checkPages reads the header of each page and refuses those that would cost
// more memory than any writer asks for. It does not see pages that unpack to
// more than their header says.
func checkPages(at io.ReaderAt, size int64, f *parquet.File) error {
	br := bufio.NewReaderSize(nil, 4<<10)
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			m := &c.MetaData
			if m.Codec == format.Lz4Raw { // its decoder asks for twice the memory again and again when a page is damaged
				return &Error{Unsupported, 0, "Parquet with pages packed as LZ4_RAW"}
			}
			off := m.DataPageOffset
			if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < off {
				off = m.DictionaryPageOffset
			}
			end := off + m.TotalCompressedSize
			if off < 0 || m.TotalCompressedSize < 0 || end < off || end > size {
				return errPage
			}
			for off < end {
				section := io.NewSectionReader(at, off, end-off)
				br.Reset(section)
				var h format.PageHeader
				if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(br)).Decode(&h); err != nil {
					return fmt.Errorf("%w: %w", errPage, err)
				}
				read, err := section.Seek(0, io.SeekCurrent)
				if err != nil {
					return err
				}
				off += read - int64(br.Buffered()) + int64(h.CompressedPageSize)
				if h.CompressedPageSize < 0 || off > end || h.UncompressedPageSize > pageBytes || h.CompressedPageSize > pageBytes ||
					max(h.DataPageHeader.V.NumValues, h.DataPageHeaderV2.V.NumValues, h.DictionaryPageHeader.V.NumValues) > pageValues {
					return errPage
				}
			}
		}
	}
	return nil
}
