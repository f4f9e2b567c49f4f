package indicator

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"
)

// index finds the rows of a whole value: hash, filter, directory, mark, row.
type index struct {
	entries []entry
	parents []uint64 // hashes of the domains above domains
}

// entry is a key and its first row.
type entry struct {
	hash uint64
	row  uint32
}

// hashKey hashes a key without its kind.
func hashKey(kind Kind, value []byte) uint64 { return xxh3.HashSeed(value, uint64(kind)) }

func (x *index) add(key []byte, row uint32) {
	kind, value := Kind(key[0]), key[1:]
	x.entries = append(x.entries, entry{hashKey(kind, value), row})
	if kind != kindDomain {
		return
	}
	for at := bytes.LastIndexByte(value, '.'); at > 0; { // the top-level domain is not looked up
		if at = bytes.LastIndexByte(value[:at], '.'); at >= 0 {
			x.parents = append(x.parents, hashKey(kindDomain, value[at+1:]))
		}
	}
}

func (x *index) write(w *writer) {
	slices.SortFunc(x.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.row, b.row))
	})
	slices.Sort(x.parents)
	x.parents = slices.Compact(x.parents)
	filter := make(filter, filterSize(len(x.entries)+len(x.parents)))
	for _, e := range x.entries {
		filter.set(e.hash)
	}
	for _, h := range x.parents {
		filter.set(h)
	}
	w.section("filter", func() { w.write(filter) })
	shift := directoryShift(len(x.entries))
	w.section("directory", func() {
		next := 0
		for bucket := range uint64(1) << (64 - shift) {
			for next < len(x.entries) && x.entries[next].hash>>shift < bucket {
				next++
			}
			w.u32(uint32(next))
		}
		w.u32(uint32(len(x.entries)))
	})
	w.section("marks", func() {
		for _, e := range x.entries {
			w.u32(uint32(e.hash))
		}
	})
	w.section("entries", func() {
		for _, e := range x.entries {
			w.u32(e.row)
		}
	})
}

// directoryShift is how far a hash is shifted to find its place in the
// directory of n entries: some eight of them share a place.
func directoryShift(n int) uint { return 64 - uint(max(1, bits.Len(uint(n)/8))) }

// filter is a blocked Bloom filter.
type filter []byte

const (
	filterBlock = 64 // bytes, a cache line
	filterBits  = 10 // a key
	filterTests = 6
)

func filterSize(keys int) int { return (keys*filterBits/8/filterBlock + 1) * filterBlock }

// place returns the block for a hash and the bits in it, nine for each test.
func (f filter) place(hash uint64) (block []byte, tests uint64) {
	n := uint64(len(f)) / filterBlock
	at := (hash >> 32) * n >> 32 * filterBlock
	return f[at : at+filterBlock], hash * 0x9e3779b97f4a7c15
}

func (f filter) set(hash uint64) {
	block, tests := f.place(hash)
	for range filterTests {
		block[tests>>3&63] |= 1 << (tests & 7)
		tests >>= 9
	}
}

// may says whether a hash may be in the filter; false is certain.
func (f filter) may(hash uint64) bool {
	block, tests := f.place(hash)
	for range filterTests {
		if block[tests>>3&63]&(1<<(tests&7)) == 0 {
			return false
		}
		tests >>= 9
	}
	return true
}

// u32 reads the i-th number of a section.
func u32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
