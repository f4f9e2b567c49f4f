package indicator

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// The limits of what a table may hold.
const (
	largestFile  = 16 << 30
	largestBlock = 4 << 20
	mostOfKey    = 64 // rows of one value that are told; more providers say no more
)

// Table answers from a file. It may be shared; a nil Table is empty. The file
// stays mapped until nobody can reach the Table any more.
type Table struct {
	// Head is what the file says of itself.
	Head Head

	name                                string
	rows, blocks, filterBlocks          []byte
	directory, marks, entries, networks []byte
	v4, v6                              flat
	shift                               uint
	broken                              atomic.Bool
	cache                               [1 << cacheBits]atomic.Pointer[group]
}

const cacheBits = 12

// group is the rows of one key. It does not depend on the mapping and never
// changes.
type group struct {
	first uint32
	key   []byte
	rows  []*Row
}

// OpenFile opens the table at path; see [Open].
func OpenFile(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Open(f)
}

// Open maps a file, reads it once to know that it is whole, and returns its
// table. f may be closed then. An error means that it cannot be used, and why.
func Open(f *os.File) (*Table, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", f.Name())
	case info.Size() < headRoom:
		return nil, fmt.Errorf("%s is no table of indicators, or not all of one; `fluent-siem ioc build` makes one", f.Name())
	case info.Size() > largestFile:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d a table may have", f.Name(), info.Size(), int64(largestFile))
	}
	data, err := mapFile(f, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be mapped: %w", f.Name(), err)
	}
	t, err := parse(data, true)
	if err != nil {
		unmap(data)
		return nil, fmt.Errorf("%s is no table of indicators that can be used: %w; `fluent-siem ioc build` makes one", f.Name(), err)
	}
	t.name = f.Name()
	runtime.AddCleanup(t, unmap, data)
	return t, nil
}

// parse finds the sections and looks at their limits. Without whole, damage
// within their contents is not looked for.
func parse(data []byte, whole bool) (t *Table, err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("reading it fails: %v", p)
		}
	}()
	t = &Table{}
	if t.Head, err = parseHead(data); err != nil {
		return nil, err
	}
	h := &t.Head
	t.shift = directoryShift(int(h.Keys))
	blocks := (int64(h.Rows) + blockRows - 1) / blockRows
	var v4, v6 []byte
	for _, s := range []struct {
		name string
		at   *[]byte
		size int64 // -1: any
	}{
		{"rows", &t.rows, -1}, {"blocks", &t.blocks, 8 * (blocks + 1)}, {"filter", &t.filterBlocks, -1},
		{"directory", &t.directory, 4 * (int64(1)<<(64-t.shift) + 1)},
		{"marks", &t.marks, 4 * int64(h.Keys)}, {"entries", &t.entries, 4 * int64(h.Keys)},
		{"v4", &v4, -1}, {"v6", &v6, -1}, {"networks", &t.networks, 8 * int64(h.Networks)},
	} {
		section, ok := h.Sections[s.name]
		size := int64(len(data))
		if !ok || section.At < headRoom || section.Size < 0 || section.At > size || section.Size > size-section.At ||
			s.size >= 0 && section.Size != s.size {
			return nil, fmt.Errorf("its section %q does not fit", s.name)
		}
		*s.at = data[section.At : section.At+section.Size : section.At+section.Size]
	}
	var ok4, ok6 bool
	t.v4, ok4 = openFlat(v4, 4)
	t.v6, ok6 = openFlat(v6, 16)
	if !ok4 || !ok6 || len(t.filterBlocks) == 0 || len(t.filterBlocks)%filterBlock != 0 {
		return nil, errDamaged
	}
	if whole {
		sum := xxh3.Hash128(data[headRoom:]).Bytes()
		if hex.EncodeToString(sum[:]) != h.Checksum {
			return nil, errors.New("its checksum is another: it is damaged")
		}
	}
	return t, nil
}

func parseHead(data []byte) (h Head, err error) {
	if len(data) < headRoom || string(data[:len(magic)]) != magic {
		return h, errors.New("it does not begin like one")
	}
	n := binary.LittleEndian.Uint64(data[8:])
	if n > headRoom-headAt {
		return h, errDamaged
	}
	text := data[headAt : headAt+n]
	if sum := xxh3.Hash128(text).Bytes(); !bytes.Equal(sum[:], data[16:headAt]) {
		return h, errors.New("the checksum of its head is another: it is damaged")
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("its head cannot be read: %w", err)
	}
	return h, nil
}

// Len is how many rows the table has.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return int(t.Head.Rows)
}

// Version names the table, "" for a nil one.
func (t *Table) Version() string {
	if t == nil {
		return ""
	}
	return t.Head.Version
}

// Addr appends to into the rows of a and of every network that holds it, the
// narrowest first.
func (t *Table) Addr(a netip.Addr, into []*Row) (rows []*Row) {
	rows = into
	if t == nil || !a.IsValid() || t.broken.Load() {
		return rows
	}
	defer t.leave(debug.SetPanicOnFault(true))
	kind, family := kindAddr4, &t.v4
	a = a.Unmap()
	b := a.As16()
	key := b[12:]
	if !a.Is4() {
		kind, family, key = kindAddr6, &t.v6, b[:]
	}
	if hash := hashKey(kind, key); filter(t.filterBlocks).may(hash) {
		rows = t.exact(kind, key, hash, rows)
	}
	networks := uint32(len(t.networks) / 8)
	steps := 0
	for n := family.find(key); n != 0 && n <= networks && steps <= 128; n = u32(t.networks, 2*int(n-1)+1) {
		rows = append(rows, t.group(u32(t.networks, 2*int(n-1))).rows...)
		steps++ // more than 128 networks cannot hold each other: it is damaged
	}
	return rows
}

// Domain appends to into the rows of a name and of the domains above it, the
// longest first.
func (t *Table) Domain(name string, into []*Row) (rows []*Row) {
	rows = into
	if t == nil || t.broken.Load() {
		return rows
	}
	var buffer [256]byte
	lower, ok := appendDomain(buffer[:0], name)
	if !ok {
		return rows
	}
	defer t.leave(debug.SetPanicOnFault(true))
	at := max(bytes.LastIndexByte(lower, '.'), 0)
	for at >= 0 {
		if at > 0 {
			at = bytes.LastIndexByte(lower[:at], '.')
		} else {
			at = -1
		}
		suffix := lower[at+1:]
		hash := hashKey(kindDomain, suffix)
		if !filter(t.filterBlocks).may(hash) {
			break // neither this one nor one below it is known
		}
		if found := t.exact(kindDomain, suffix, hash, nil); found != nil {
			rows = slices.Insert(rows, len(into), found...)
		}
	}
	return rows
}

// URL appends to into the rows of a URL.
func (t *Table) URL(u string, into []*Row) []*Row {
	var buffer [512]byte
	if key, ok := appendURL(buffer[:0], u); ok {
		return t.whole(kindURL, key, into)
	}
	return into
}

// Hash appends to into the rows of a hash of a file, in hexadecimal.
func (t *Table) Hash(hash string, into []*Row) []*Row {
	var buffer [128]byte
	if key, ok := appendHash(buffer[:0], hash); ok {
		return t.whole(kindHash, key, into)
	}
	return into
}

// whole appends the rows of a key that matches only as a whole.
func (t *Table) whole(kind Kind, value []byte, into []*Row) (rows []*Row) {
	rows = into
	if t == nil || t.broken.Load() {
		return rows
	}
	defer t.leave(debug.SetPanicOnFault(true))
	if hash := hashKey(kind, value); filter(t.filterBlocks).may(hash) {
		rows = t.exact(kind, value, hash, rows)
	}
	return rows
}

// Lookup returns what is known of a value that a person wrote: an address, a
// network (its own rows and those that hold all of it), a name, a URL or a
// hash.
func (t *Table) Lookup(value string) []*Row {
	value = strings.TrimSpace(value)
	if a, err := netip.ParseAddr(value); err == nil {
		return t.Addr(a.WithZone(""), nil)
	}
	if p, err := netip.ParsePrefix(value); err == nil {
		return slices.DeleteFunc(t.Addr(p.Masked().Addr(), nil), func(r *Row) bool {
			wider, err := netip.ParsePrefix(r.Value)
			return err != nil || wider.Bits() > p.Bits()
		})
	}
	rows := t.Hash(value, nil)
	if strings.Contains(value, "://") {
		return t.URL(value, rows)
	}
	return t.Domain(value, rows)
}

// leave ends a look-up: a fault in the mapping (somebody truncated the file)
// is no end of the process, but of the table.
func (t *Table) leave(before bool) {
	debug.SetPanicOnFault(before)
	if p := recover(); p != nil && !t.broken.Swap(true) {
		slog.Error("table of indicators cannot be read any more; events are not compared with it until there is another: replace the file by renaming, do not write into it",
			"file", t.name, "error", p, code.BrokenTable.Attr())
	}
	runtime.KeepAlive(t) // its memory must outlast the reading of it
}

// exact appends the rows of a key. hash is the key's.
func (t *Table) exact(kind Kind, value []byte, hash uint64, rows []*Row) []*Row {
	bucket := int(hash >> t.shift)
	low, high := u32(t.directory, bucket), u32(t.directory, bucket+1)
	high = min(high, uint32(len(t.marks)/4))
	for i := low; i < high; i++ {
		if u32(t.marks, int(i)) != uint32(hash) {
			continue
		}
		if g := t.group(u32(t.entries, int(i))); len(g.key) > 0 && g.key[0] == byte(kind) && bytes.Equal(g.key[1:], value) {
			rows = append(rows, g.rows...)
		}
	}
	return rows
}

// group returns the rows of the key whose first row this is.
func (t *Table) group(first uint32) *group {
	slot := &t.cache[first*0x9e3779b1>>(32-cacheBits)]
	if g := slot.Load(); g != nil && g.first == first {
		return g
	}
	g := &group{first: first}
	for r, err := range t.from(first) {
		if err != nil || len(g.rows) == mostOfKey {
			break
		}
		key, err := r.appendKey(nil)
		if err != nil || g.key != nil && !bytes.Equal(key, g.key) {
			break
		}
		g.key = key
		g.rows = append(g.rows, r)
	}
	slot.Store(g)
	return g
}

// All yields every row, in the order of kinds and keys; an error is the last.
func (t *Table) All() iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		if t == nil {
			return
		}
		defer t.leave(debug.SetPanicOnFault(true))
		for r, err := range t.from(0) {
			if !yield(r, err) {
				return
			}
		}
	}
}

// unpacker is what all tables unpack with; it may be shared.
var unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(largestBlock), zstd.WithDecoderLowmem(true))
})

// from yields the rows from the n-th.
func (t *Table) from(n uint32) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		var block []byte
		for n < t.Head.Rows {
			var err error
			if block, err = t.block(int(n/blockRows), block[:0]); err != nil {
				yield(nil, err)
				return
			}
			rest := block
			for skip := n % blockRows; skip > 0 && err == nil; skip-- {
				rest, err = skipRow(rest)
			}
			for err == nil && n < t.Head.Rows {
				var r *Row
				if r, rest, err = cutRow(rest); err != nil {
					break
				}
				n++
				if !yield(r, nil) {
					return
				}
				if n%blockRows == 0 {
					break
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// block unpacks a block of rows.
func (t *Table) block(i int, dst []byte) ([]byte, error) {
	base := uint64(t.Head.Sections["rows"].At)
	begin, end := binary.LittleEndian.Uint64(t.blocks[8*i:])-base, binary.LittleEndian.Uint64(t.blocks[8*i+8:])-base
	if begin > end || end > uint64(len(t.rows)) {
		return nil, errDamaged
	}
	u, err := unpacker()
	if err != nil {
		return nil, err
	}
	return u.DecodeAll(t.rows[begin:end], dst)
}

// ReadHead says what the file at path says of itself, without looking whether
// the rest of it is whole, and its size in bytes.
func ReadHead(path string) (h Head, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return h, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return h, 0, err
	}
	data := make([]byte, headRoom)
	if _, err := io.ReadFull(f, data); err != nil {
		return h, 0, fmt.Errorf("%s is no table of indicators: %w", path, err)
	}
	h, err = parseHead(data)
	return h, info.Size(), err
}
