package indicator

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

const (
	magic      = "siemioc\x01"
	headRoom   = 64 << 10
	headAt     = 8 + 8 + 16
	alignment  = 64
	blockRows  = 64
	mostListed = 256 // sources in a head
)

// Head is what a file says of itself.
type Head struct {
	// Version names this table: when it was built, and the first digits of its
	// checksum.
	Version string `json:"version"`
	// Built is when its rows were gathered; ValidUntil is when a newer table is
	// due, the zero time when nobody promised one.
	Built      time.Time `json:"built"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
	// Rows, Keys and Networks count what the table has: rows, values other than
	// networks, networks.
	Rows     uint32 `json:"rows"`
	Keys     uint32 `json:"keys"`
	Networks uint32 `json:"networks"`
	// Sources says whose the rows are; those beyond 256 are under "others".
	Sources []Source `json:"sources"`

	Checksum string             `json:"checksum"` // xxh3, 128 bits, of everything behind the head
	Sections map[string]section `json:"sections"`
}

// Source counts the rows of one type of one provider.
type Source struct {
	Provider string `json:"provider"`
	Type     string `json:"type"`
	Rows     int    `json:"rows"`
}

// section is where a part of the file is.
type section struct {
	At   int64 `json:"at"`
	Size int64 `json:"size"`
}

// Options are what a table is written with.
type Options struct {
	// ValidUntil is when a newer table is due.
	ValidUntil time.Time
	// Keep is a name for the table that was at path, such as path + ".previous";
	// "": none is kept.
	Keep string
}

// Write sorts the rest, writes the table and puts it in place at path, in the
// folder that NewBuilder was told. An error means that what was at path is
// still there.
func (b *Builder) Write(path string, o Options) (head Head, err error) {
	if err := b.spill(); err != nil {
		return head, err
	}
	b.chunk = chunk{} // its memory goes to the index
	f, err := os.CreateTemp(filepath.Dir(path), ".indicators-*.tmp")
	if err != nil {
		return head, &BuildError{err}
	}
	defer os.Remove(f.Name()) // it is gone when it was renamed
	defer f.Close()
	if head, err = b.write(f, o); err != nil {
		return head, &BuildError{err}
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return head, &BuildError{err}
	}
	if o.Keep != "" {
		_ = os.Remove(o.Keep)
		if err := os.Link(path, o.Keep); err != nil && !errors.Is(err, os.ErrNotExist) {
			return head, &BuildError{err}
		}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return head, &BuildError{err}
	}
	return head, syncDir(filepath.Dir(path))
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (b *Builder) write(f *os.File, o Options) (head Head, err error) {
	if _, err := f.Seek(headRoom, io.SeekStart); err != nil {
		return head, err
	}
	w := &writer{out: bufio.NewWriterSize(f, 1<<20), sum: xxh3.New(), at: headRoom, sections: map[string]section{}}
	rows, err := newRowWriter(w)
	if err != nil {
		return head, err
	}
	if err := b.gather(rows); err != nil {
		return head, err
	}
	w.section("blocks", func() {
		for _, at := range rows.blocks {
			w.u64(uint64(at))
		}
	})
	rows.index.write(w)
	rows.networks.write(w)
	if err := errors.Join(w.err, w.out.Flush()); err != nil {
		return head, err
	}
	sum := w.sum.Sum128().Bytes()
	head = Head{
		Version: b.now.Format("20060102T150405Z") + "-" + hex.EncodeToString(sum[:4]),
		Built:   b.now.Truncate(time.Second), ValidUntil: o.ValidUntil.UTC().Truncate(time.Second),
		Rows: rows.n, Keys: uint32(len(rows.index.entries)), Networks: uint32(len(rows.networks.list)),
		Sources: rows.sources(), Checksum: hex.EncodeToString(sum[:]), Sections: w.sections,
	}
	return head, writeHead(f, head)
}

func writeHead(f *os.File, head Head) error {
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if len(text) > headRoom-headAt {
		return fmt.Errorf("its head would have %d bytes, more than %d", len(text), headRoom-headAt)
	}
	sum := xxh3.Hash128(text).Bytes()
	all := append(make([]byte, 0, headRoom), magic...)
	all = binary.LittleEndian.AppendUint64(all, uint64(len(text)))
	all = append(append(all, sum[:]...), text...)
	_, err = f.WriteAt(all[:headRoom], 0)
	return err
}

// gather merges the sorted rows and gives each to w.
func (b *Builder) gather(w *rowWriter) error {
	var last *Row
	var order []byte // of last
	err := b.each(func(next, row []byte) error {
		r, _, err := cutRow(row)
		if err != nil {
			return err
		}
		if last != nil && bytes.Equal(order, next) {
			last.absorb(r)
			return nil
		}
		if last != nil {
			if err := w.add(order, last); err != nil {
				return err
			}
		}
		last, order = r, append(order[:0], next...)
		return nil
	})
	if err == nil && last != nil {
		err = w.add(order, last)
	}
	if err == nil {
		err = w.flush()
	}
	return err
}

// writer writes sections, and remembers the first error.
type writer struct {
	out      *bufio.Writer
	sum      *xxh3.Hasher
	at       int64
	sections map[string]section
	err      error
	number   [8]byte
}

func (w *writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
	_, _ = w.sum.Write(b) // it does not fail
	w.at += int64(len(b))
}

func (w *writer) u64(v uint64) {
	binary.LittleEndian.PutUint64(w.number[:], v)
	w.write(w.number[:8])
}

func (w *writer) u32(v uint32) {
	binary.LittleEndian.PutUint32(w.number[:], v)
	w.write(w.number[:4])
}

func (w *writer) section(name string, content func()) {
	for w.at%alignment != 0 {
		w.write([]byte{0})
	}
	at := w.at
	content()
	w.sections[name] = section{at, w.at - at}
}

// rowWriter writes the blocks of rows, and gathers what finds them.
type rowWriter struct {
	w        *writer
	packer   *zstd.Encoder
	block    []byte
	packed   []byte
	inBlock  int
	blocks   []int64
	n        uint32
	key      []byte // of the row before
	count    map[Source]int
	index    index
	networks networks
}

func newRowWriter(w *writer) (*rowWriter, error) {
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	w.sections["rows"] = section{At: w.at}
	return &rowWriter{w: w, packer: packer, blocks: []int64{w.at}, count: map[Source]int{}}, nil
}

func (r *rowWriter) add(order []byte, row *Row) error {
	key, err := row.appendKey(nil)
	if err != nil || !bytes.HasPrefix(order, key) {
		return fmt.Errorf("row %d, %q, lost its key: %w", r.n, brief(row.Value), errors.Join(err, errDamaged))
	}
	if !bytes.Equal(key, r.key) {
		r.key = key
		switch Kind(key[0]) {
		case kindNet4, kindNet6:
			r.networks.add(key, r.n)
		default:
			r.index.add(key, r.n)
		}
	}
	r.count[Source{Provider: row.Provider, Type: row.Type}]++
	r.n++
	r.block = appendRow(r.block, row)
	if r.inBlock++; r.inBlock == blockRows {
		return r.flush()
	}
	return nil
}

// flush writes the block that is begun.
func (r *rowWriter) flush() error {
	if r.inBlock > 0 {
		r.packed = r.packer.EncodeAll(r.block, r.packed[:0])
		r.w.write(r.packed)
		r.blocks = append(r.blocks, r.w.at)
		r.block, r.inBlock = r.block[:0], 0
	}
	r.w.sections["rows"] = section{r.blocks[0], r.w.at - r.blocks[0]}
	return r.w.err
}

func (r *rowWriter) sources() []Source {
	list := []Source{}
	for s, n := range r.count {
		s.Rows = n
		s.Provider = brief(s.Provider)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Source) int {
		return cmp.Or(-cmp.Compare(a.Rows, b.Rows), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Type, b.Type))
	})
	if len(list) > mostListed {
		others := Source{Provider: "others"}
		for _, s := range list[mostListed-1:] {
			others.Rows += s.Rows
		}
		list = append(list[:mostListed-1], others)
	}
	return list
}
