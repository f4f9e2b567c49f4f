package indicator

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// MostRows is how many rows a table may have.
const MostRows = 64 << 20

// sortMemory is how many bytes of rows are sorted at a time.
const sortMemory = 192 << 20

// Builder makes a table. It is for one goroutine; call [Builder.Close] when
// done with it, whatever happened.
type Builder struct {
	dir   string
	now   time.Time
	runs  []*os.File // sorted rows, without names: they go when they are closed
	chunk chunk
	limit int
	rows  int

	// Left counts the rows that Add did not take, Expired those that were no
	// longer valid.
	Left, Expired int
}

// NewBuilder returns a Builder that puts its table into the folder of path,
// and sorts there too: it takes there, for a while, about the size of the rows
// as text. Rows whose ValidUntil lies before now are left out.
func NewBuilder(path string, now time.Time) *Builder {
	return &Builder{dir: filepath.Dir(path), now: now.UTC(), limit: sortMemory}
}

// Add takes a row. An error says why it is not taken; the build goes on.
// Only an error that is a [BuildError] ends it.
func (b *Builder) Add(r *Row) error {
	if b.rows >= MostRows {
		b.Left++
		return fmt.Errorf("indicator is left out: the table has the %d rows it may have", MostRows)
	}
	if len(r.Value) > longestValue {
		b.Left++
		return fmt.Errorf("indicator is left out: its value has %d bytes, more than %d", len(r.Value), longestValue)
	}
	if r.ValidUntil != "" && r.ValidUntil < b.now.Format(time.RFC3339) {
		b.Expired++
		return nil
	}
	if err := b.chunk.add(r); err != nil {
		b.Left++
		return fmt.Errorf("indicator is left out: %w", err)
	}
	b.rows++
	if len(b.chunk.data) >= b.limit {
		return b.spill()
	}
	return nil
}

// BuildError is an error for which there is no table.
type BuildError struct{ Err error }

func (e *BuildError) Error() string {
	return fmt.Sprintf("the table of indicators is not made: %v; the one before it stays", e.Err)
}

func (e *BuildError) Unwrap() error { return e.Err }

// spill sorts the chunk and writes it to a file.
func (b *Builder) spill() error {
	if len(b.chunk.items) == 0 {
		return nil
	}
	f, err := os.CreateTemp(b.dir, ".indicators-*.sort")
	if err != nil {
		return &BuildError{err}
	}
	b.runs = append(b.runs, f)
	_ = os.Remove(f.Name()) // where that is not possible yet, Close does it
	b.chunk.sort()
	w := bufio.NewWriterSize(f, 1<<20)
	for _, i := range b.chunk.items {
		if _, err := w.Write(b.chunk.data[i.at:i.end]); err != nil {
			return &BuildError{err}
		}
	}
	b.chunk.reset()
	if err := w.Flush(); err != nil {
		return &BuildError{err}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return &BuildError{err}
	}
	return nil
}

// Close removes what the build needed. The table stays.
func (b *Builder) Close() error {
	var errs []error
	for _, f := range b.runs {
		errs = append(errs, f.Close())
		_ = os.Remove(f.Name())
	}
	b.runs, b.chunk = nil, chunk{}
	return errors.Join(errs...)
}

// chunk is rows in memory: for each the length of its order, its order, the
// length of the row, the row. The order is kind, key, provider, name, with 0
// between: rows of one key stand together, duplicates beside each other.
type chunk struct {
	data  []byte
	items []item
}

// item is where a row of a chunk is.
type item struct {
	first   uint64 // the first bytes of its order: most comparisons need no more
	at, end uint32
}

func (c *chunk) add(r *Row) error {
	begin := len(c.data)
	c.data = append(c.data, 0, 0, 0, 0)
	data, err := r.appendKey(c.data)
	if err != nil {
		c.data = c.data[:begin]
		return err
	}
	data = append(data, 0)
	data = append(data, r.Provider[:min(len(r.Provider), longestText)]...)
	data = append(data, 0)
	data = append(data, r.Name[:min(len(r.Name), longestText)]...)
	binary.LittleEndian.PutUint32(data[begin:], uint32(len(data)-begin-4))
	at := len(data)
	data = append(data, 0, 0, 0, 0)
	data = appendRow(data, r)
	binary.LittleEndian.PutUint32(data[at:], uint32(len(data)-at-4))
	var first [8]byte
	copy(first[:], data[begin+4:at])
	c.data = data
	c.items = append(c.items, item{binary.BigEndian.Uint64(first[:]), uint32(begin), uint32(len(data))})
	return nil
}

func (c *chunk) order(i item) []byte {
	n := binary.LittleEndian.Uint32(c.data[i.at:])
	return c.data[i.at+4 : i.at+4+n]
}

func (c *chunk) sort() {
	slices.SortStableFunc(c.items, func(a, b item) int {
		if a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		return bytes.Compare(c.order(a), c.order(b))
	})
}

func (c *chunk) reset() { c.data, c.items = c.data[:0], c.items[:0] }

// run reads a sorted file.
type run struct {
	in    *bufio.Reader
	turn  int // of two that are equal, the earlier one comes first
	order []byte
	row   []byte
}

// next reads the next row; io.EOF is the end.
func (r *run) next() error {
	for _, part := range []*[]byte{&r.order, &r.row} {
		var head [4]byte
		if _, err := io.ReadFull(r.in, head[:]); err != nil {
			return err
		}
		n := int(binary.LittleEndian.Uint32(head[:]))
		*part = slices.Grow((*part)[:0], n)[:n]
		if _, err := io.ReadFull(r.in, *part); err != nil {
			return err
		}
	}
	return nil
}

// merged is a heap of runs: the one with the least row is on top.
type merged []*run

func (m merged) Len() int { return len(m) }
func (m merged) Less(i, j int) bool {
	if c := bytes.Compare(m[i].order, m[j].order); c != 0 {
		return c < 0
	}
	return m[i].turn < m[j].turn
}
func (m merged) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merged) Push(x any)   { *m = append(*m, x.(*run)) }
func (m *merged) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// each calls f for each row in order. order and row are valid until f returns.
func (b *Builder) each(f func(order, row []byte) error) error {
	var runs merged
	for i, file := range b.runs {
		r := &run{in: bufio.NewReaderSize(file, 1<<20), turn: i}
		if err := r.next(); err != nil {
			return fmt.Errorf("a file of sorted rows: %w", err)
		}
		runs = append(runs, r)
	}
	heap.Init(&runs)
	for len(runs) > 0 {
		if err := f(runs[0].order, runs[0].row); err != nil {
			return err
		}
		switch err := runs[0].next(); err {
		case nil:
			heap.Fix(&runs, 0)
		case io.EOF:
			heap.Pop(&runs)
		default:
			return fmt.Errorf("a file of sorted rows: %w", err)
		}
	}
	return nil
}
