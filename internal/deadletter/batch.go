package deadletter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A batch in a file is a skippable frame, which any zstd tool passes over, and
// a zstd frame with whole lines:
//
//	50 2A 4D 18   0C 00 00 00   "siem"   length   CRC-32C   zstd frame
//
// Length and checksum are those of the zstd frame, little endian.
var batchMark = []byte{0x50, 0x2a, 0x4d, 0x18, 12, 0, 0, 0, 's', 'i', 'e', 'm'}

const (
	headSize = 20
	// batchLines is how many bytes of lines one batch holds at most, unless one
	// line alone is longer.
	batchLines = 8 << 20
	// longestBatch bounds what a batch may claim to hold, unpacked: a document
	// is at most 100 MB (bulk_size), and its letter has it twice.
	longestBatch = 512 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var encoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		panic(err) // only for options that do not exist
	}
	return e
})

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(longestBatch))
	if err != nil {
		panic(err) // only for options that do not exist
	}
	return d
})

// appendBatches appends lines, which end with a line break, as batches.
func appendBatches(dst, lines []byte) []byte {
	for len(lines) > 0 {
		n := len(lines)
		if n > batchLines {
			if n = bytes.LastIndexByte(lines[:batchLines], '\n') + 1; n == 0 { // one line is longer
				n = bytes.IndexByte(lines, '\n') + 1
			}
		}
		dst = append(dst, batchMark...)
		at := len(dst)
		dst = append(dst, make([]byte, headSize-len(batchMark))...)
		dst = encoder().EncodeAll(lines[:n], dst)
		frame := dst[at+8:]
		binary.LittleEndian.PutUint32(dst[at:], uint32(len(frame)))
		binary.LittleEndian.PutUint32(dst[at+4:], crc32.Checksum(frame, castagnoli))
		lines = lines[n:]
	}
	return dst
}

// eachBatch calls visit with the lines of each whole batch of a file, and
// returns how many bytes belong to none.
func eachBatch(file []byte, visit func(lines []byte) error) (damaged int64, err error) {
	for len(file) > 0 {
		at := bytes.Index(file, batchMark)
		if at < 0 {
			return damaged + int64(len(file)), nil
		}
		damaged += int64(at)
		file = file[at:]
		lines, n := openBatch(file)
		if n == 0 { // not a batch, or not a whole one: look behind its first byte
			damaged++
			file = file[1:]
			continue
		}
		if err := visit(lines); err != nil {
			return damaged, err
		}
		file = file[n:]
	}
	return damaged, nil
}

// openBatch unpacks the batch that a file begins with; n is its size, 0 when it
// is not whole.
func openBatch(file []byte) (lines []byte, n int) {
	if len(file) < headSize {
		return nil, 0
	}
	size := int64(binary.LittleEndian.Uint32(file[len(batchMark):]))
	sum := binary.LittleEndian.Uint32(file[len(batchMark)+4:])
	if size > int64(len(file)-headSize) {
		return nil, 0
	}
	frame := file[headSize : headSize+size]
	if crc32.Checksum(frame, castagnoli) != sum {
		return nil, 0
	}
	lines, err := decoder().DecodeAll(frame, nil)
	if err != nil {
		return nil, 0
	}
	return lines, headSize + int(size)
}

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// eachLine calls visit with each whole line of a file, of batches or plain, and
// returns how many bytes could not be read. The line is valid during visit only.
func eachLine(file []byte, visit func(line []byte) error) (damaged int64, err error) {
	lines := func(text []byte) error {
		for len(text) > 0 {
			line, rest, whole := bytes.Cut(text, []byte("\n"))
			if !whole {
				damaged += int64(len(line))
				return nil
			}
			if len(line) > 0 {
				if err := visit(line); err != nil {
					return err
				}
			}
			text = rest
		}
		return nil
	}
	switch {
	case bytes.Contains(file, batchMark):
		n, err := eachBatch(file, lines)
		return damaged + n, err
	case bytes.HasPrefix(file, zstdMagic): // packed by another tool
		r, err := zstd.NewReader(bytes.NewReader(file), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(longestBatch))
		if err != nil {
			return int64(len(file)), nil
		}
		defer r.Close()
		text, err := io.ReadAll(io.LimitReader(r, longestBatch))
		if err != nil && !errors.Is(err, io.EOF) {
			damaged++ // how much of it cannot be told
		}
		err = lines(text)
		return damaged, err
	}
	err = lines(file)
	return damaged, err
}
