// Package split turns the bytes of an S3 object into records. It is the second
// half of the pipeline's first step and knows nothing of AWS:
//
//	object → record → event → document
//	─────────────────
//
// [Records] looks at the content, never at the name: it unpacks gzip (several
// members), zstd, bzip2, xz, lz4, snappy (framed), zip and tar (all files in
// them), one inside the other if need be, decodes UTF-16, drops a byte order
// mark, and then cuts the text into lines, records of several lines, rows of
// CSV, JSON values, XML elements or rows of Parquet, as [Framing] says.
//
// Records that were wrapped on their way are taken out, whatever the framing:
// the events of a CloudWatch Logs subscription, the detail of an EventBridge
// event, the message of an SNS notification, the log of a FireLens record, the
// data of Kinesis and Firehose records; also one in the other. What the
// envelopes say is in [Record].Envelope.
//
// # Promises
//
//   - Memory does not depend on the object's size: one read buffer and the
//     current record, at most [Limits].Record, twice that while records of
//     several lines or XML are cut, four times for an envelope. CloudWatch Logs
//     batches are read event by event. Only zip and Parquet, which are
//     read from their end, are put into a file first, and only when the reader
//     cannot seek; that file has mode 0600, a bounded size and no name.
//   - Records do not depend on how the bytes arrive.
//   - Every byte of text that is not white space or framing is in exactly one
//     record, good or bad, up to the first object error: nothing is dropped
//     without a trace. Values that the framing leaves out on purpose (objects
//     without the key of records) are counted in [Result].Skipped.
//   - One bad record does not harm the next one: too long a line, garbage
//     between values and a value that breaks off before the next line are bad
//     records, and reading goes on.
//   - What arrives is bounded: a decompression bomb ends with an [Error].
//
// Whether a record is valid JSON, or fits its log type, is for the parser of
// the filter to say; only boundaries are found here.
package split

import (
	"errors"
	"fmt"
	"io"
	"regexp"
)

// Kind says how text is cut into records.
type Kind uint8

const (
	// Lines: each line that is not blank is a record.
	Lines Kind = iota
	// CSV: as Lines, but the first line that is not blank is the header.
	CSV
	// JSON: values one after another, on one line or many.
	JSON
	// XML: each element of a given name is a record, on one line or many.
	XML
	// Parquet is found by content, whatever the framing asked for: each row is
	// a record, as JSON text.
	Parquet
)

// String returns the kind as log types and metrics write it.
func (k Kind) String() string {
	switch k {
	case Lines:
		return "lines"
	case CSV:
		return "csv"
	case JSON:
		return "json"
	case XML:
		return "xml"
	case Parquet:
		return "parquet"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Framing says how an object is cut into records.
type Framing struct {
	Kind Kind

	// Records is the key of the array that holds the records of each JSON value,
	// such as "Records" for CloudTrail. A value without the key has no records.
	// Empty: each value is a record. The elements of an array at the root are
	// records in both cases.
	Records string

	// Text, for JSON, says that a line where a JSON value should begin is a record,
	// too: a log that may be written as text. Such a line does not begin with a
	// brace, and with a bracket only if no brace or bracket follows.
	Text bool

	// Bare says that envelopes are not looked for: an object that looks like one
	// is a record.
	Bare bool

	// Stderr keeps what containers wrote to standard error (FireLens). Without
	// it that is skipped, as the original does.
	Stderr bool

	// FirstLine, for Lines, matches the first line of a record that has several;
	// nil: each line is a record. Lines before the first one are skipped.
	FirstLine *regexp.Regexp

	// Quote, for CSV, encloses columns that may contain line breaks, as RFC 4180
	// has it; 0: a record is one line. Separator is what stands between columns.
	Quote, Separator byte

	// HeaderPrefix, for CSV, is how the lines begin that name the columns, wherever
	// they stand: #Fields: in logs of the W3C's extended format. Records before the
	// first such line have no header. Empty: the first line names the columns.
	HeaderPrefix string

	// Headless says that a CSV may lack its header: a first line with a number
	// among its columns is a record.
	Headless bool

	// Element is the name of the elements that are records, for XML.
	Element string

	// HeaderLines is the number of lines at the top that are not records, for
	// Lines. They count as positions, unless FirstLine is given.
	HeaderLines int

	// First and Last are the positions to keep, from 1 and inclusive; 0 means
	// no bound. Positions are line numbers for Lines and CSV (the header is line
	// 1), and count records for all other framings and within envelopes.
	First, Last uint64
}

// Limits bound what one object may cost. A zero field means its default.
type Limits struct {
	// Record is the longest record in bytes; a longer one is bad. Default 8 MiB.
	Record int64
	// Object is the most bytes an object may have after decompression. Default 16 GiB.
	Object int64
	// Ratio is how many times larger than its compressed form an object may
	// become, checked once 16 MiB are exceeded. Default 500: logs reach 10 to 50, a bomb of
	// gzip 1,030.
	Ratio int64
	// Depth is how many layers of compression are taken off. Default 3.
	Depth int
	// Spool is the most bytes put into a temporary file for zip and Parquet. Default 2 GiB.
	Spool int64
	// TempDir is where that file is made; "" means the system's default.
	TempDir string
}

const (
	ratioFloor = 16 << 20 // bytes that any object may have, however small it was
	badText    = 64 << 10 // bytes of text that a bad record keeps
)

func (l Limits) withDefaults() Limits {
	def := func(p *int64, v int64) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&l.Record, 8<<20)
	def(&l.Object, 16<<30)
	def(&l.Ratio, 500)
	def(&l.Spool, 2<<30)
	if l.Depth <= 0 {
		l.Depth = 3
	}
	return l
}

// Head is what is known of the text before its first record.
type Head struct {
	// Kind is the framing's, or Parquet.
	Kind Kind
	// Header is the line that names the columns of a CSV, without its line break
	// and without Framing.HeaderPrefix.
	Header []byte
	// Layers names the containers found, outermost first: "gzip", "zstd", "bzip2",
	// "xz", "lz4", "snappy", "zip", "tar".
	Layers []string
}

// Record is one record of an object.
type Record struct {
	// Number is the record's position, which ids are made of: see [Framing].First.
	Number uint64
	// Raw is the record's text, valid during emit only. Of a bad record, its
	// first 64 KiB at most.
	Raw []byte
	// Envelope says what the record was wrapped in, nil for nothing: a JSON object
	// with some of the texts account, region, log_group, log_stream, id (of the
	// event that carried it) and time (ISO 8601, or milliseconds since 1970), and
	// the object container. Valid during emit only.
	Envelope []byte
	// Bad says why the text is not a record; nil for a good one.
	Bad *Error
	// Head is the same for all records under one header. It changes within an
	// object when a zip holds several files, or with Framing.HeaderPrefix.
	Head *Head
}

// Result says what an object consisted of.
type Result struct {
	// Read counts the records given to emit, Bad the bad ones among them.
	Read, Bad uint64
	// Skipped counts JSON values that hold no records under the framing's key,
	// control messages of CloudWatch Logs, what containers wrote to standard
	// error, and lines before the first record of several lines.
	Skipped uint64
	// Compressed and Bytes are the object's size before and after decompression,
	// as far as it was read.
	Compressed, Bytes int64
	// Head is the last record's, or what would have been the first one's.
	Head Head
}

// Reason is a class of [Error], for counters.
type Reason string

// Reasons of bad records and of objects that cannot be read to their end.
const (
	TooLong     Reason = "too_long"    // a record exceeds Limits.Record
	NotXML      Reason = "not_xml"     // text where an XML element should begin, or an element that breaks off
	NoRecord    Reason = "no_record"   // no line begins a record of several lines
	NotJSON     Reason = "not_json"    // text where a JSON value should begin, or a value that breaks off
	Truncated   Reason = "truncated"   // the object ends in the middle
	Corrupt     Reason = "corrupt"     // the decompressor or Parquet reader gives up
	Bomb        Reason = "bomb"        // Limits.Ratio, Object, Depth or Spool is exceeded
	Binary      Reason = "binary"      // the content is neither text nor a known format
	Unsupported Reason = "unsupported" // a known format that is not read
)

// Error is a fault of the object's content: reading it again gives the same.
// Every other error that [Records] returns came from the reader or from emit.
type Error struct {
	Reason Reason
	// Offset is where in the decompressed text the fault begins.
	Offset int64
	// Detail says what was found.
	Detail string
}

// Error returns the fault and where it is.
func (e *Error) Error() string { return fmt.Sprintf("%s (at byte %d of the text)", e.Detail, e.Offset) }

// errStop ends reading after Framing.Last. It never leaves the package.
var errStop = errors.New("split: last position reached")

// Records reads an object to its end and calls emit for each record, in order.
// It returns an *[Error] when the content cannot be read further: the records
// before it were emitted. An error of emit ends reading and is returned as it is.
//
// When r is also an [io.ReaderAt] and [io.Seeker], such as a file, zip and
// Parquet are read in place.
func Records(r io.Reader, f Framing, lim Limits, emit func(Record) error) (Result, error) {
	s := &splitter{framing: f, lim: lim.withDefaults(), emit: emit}
	s.head = &Head{Kind: f.Kind}
	src := &source{r: r}
	s.src = src
	err := s.object(src, src, 0)
	s.result.Compressed = src.n
	s.result.Head = *s.head
	switch {
	case err == errStop:
		return s.result, nil
	case src.err != nil && !s.emitFailed:
		return s.result, src.err // whatever the decompressor made of it
	}
	return s.result, err
}

// splitter is the state of one call of Records.
type splitter struct {
	framing    Framing
	lim        Limits
	src        *source
	emit       func(Record) error
	emitFailed bool
	result     Result
	head       *Head
	number     uint64 // position of the last line or record

	env    envelope // around what is read now
	depth  int      // of envelopes
	texts  [][]byte // buffers for text taken from strings, by depth
	kept   []byte   // what s.env refers to that is nowhere else
	broken int      // CSV records whose quotes are not closed
	buf    []byte   // buffer for Record.Envelope
}

// record returns what is emitted for the text at s.number.
func (s *splitter) record(raw []byte, bad *Error) Record {
	r := Record{Number: s.number, Raw: raw, Bad: bad, Head: s.head}
	if s.env.known {
		s.buf = s.env.append(s.buf[:0])
		r.Envelope = s.buf
	}
	return r
}

// good hands out the record at position s.number.
func (s *splitter) good(raw []byte) error {
	if s.number < s.framing.First {
		return nil
	}
	if s.framing.Last != 0 && s.number > s.framing.Last {
		return errStop
	}
	s.result.Read++
	if err := s.emit(s.record(raw, nil)); err != nil {
		s.emitFailed = true
		return err
	}
	return nil
}

// bad hands out what should have been the record at position s.number.
func (s *splitter) bad(raw []byte, why *Error) error {
	if s.src.err != nil { // cut off by a connection, not by its writer: the object is read again
		return s.src.err
	}
	if s.number < s.framing.First {
		return nil
	}
	if s.framing.Last != 0 && s.number > s.framing.Last {
		return errStop
	}
	s.result.Read++
	s.result.Bad++
	if len(raw) > badText {
		raw = raw[:badText]
	}
	if err := s.emit(s.record(raw, why)); err != nil {
		s.emitFailed = true
		return err
	}
	return nil
}

// source counts what is read from the caller's reader and keeps its error apart
// from those of the decompressors.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
