package indicator

import (
	"encoding/binary"
	"net/netip"
)

// Networks are flattened: the address space is cut wherever a network begins
// or ends, and each range between two cuts knows the narrowest network that
// holds it. A network knows the next wider one, so all that hold an address
// are a walk from the narrowest.
//
// A section v4 or v6 is:
//
//	tops    65,537 × 4   for the first 16 bits of an address, the first range at or behind their beginning
//	starts  n × 4 or 16  where ranges begin, ascending, big-endian
//	inner   n × 4        the narrowest network, 1 is the first; 0: none
//
// The section networks has for each network its first row and the next wider
// network, 0 when there is none.

// networks gathers what the sections are written from. Networks are added in
// the order of their keys: IPv4 before IPv6, by address, the wider first.
type networks struct {
	list   []network
	v4, v6 ranges
}

type network struct {
	row    uint32
	parent uint32 // number, 1 is the first; 0: none
	last   netip.Addr
}

// ranges is one address family, while it is flattened.
type ranges struct {
	starts []byte
	inner  []uint32
	open   []uint32 // networks that hold the place, the widest first
}

const tops = 1 << 16

func (n *networks) add(key []byte, row uint32) {
	family := &n.v4
	if Kind(key[0]) == kindNet6 {
		family = &n.v6
	}
	first, _ := netip.AddrFromSlice(key[1 : len(key)-1])
	family.closeUntil(n.list, first)
	parent := uint32(0)
	if k := len(family.open); k > 0 {
		parent = family.open[k-1]
	}
	n.list = append(n.list, network{row, parent, lastOf(first, int(key[len(key)-1]))})
	number := uint32(len(n.list))
	family.open = append(family.open, number)
	family.cut(first, number)
}

// closeUntil ends the networks that end before a.
func (r *ranges) closeUntil(list []network, a netip.Addr) {
	for k := len(r.open); k > 0; k = len(r.open) {
		last := list[r.open[k-1]-1].last
		if a.IsValid() && !last.Less(a) {
			return
		}
		r.open = r.open[:k-1]
		next := last.Next()
		if !next.IsValid() {
			continue // it reaches to the end of all addresses
		}
		outer := uint32(0)
		if k > 1 {
			outer = r.open[k-2]
		}
		r.cut(next, outer)
	}
}

// cut begins a range.
func (r *ranges) cut(at netip.Addr, inner uint32) {
	text := at.AsSlice()
	if n := len(r.starts); n > 0 && string(r.starts[n-len(text):]) == string(text) {
		r.inner[len(r.inner)-1] = inner // nothing lies between
		return
	}
	r.starts = append(r.starts, text...)
	r.inner = append(r.inner, inner)
}

// lastOf is the last address of a network.
func lastOf(first netip.Addr, bits int) netip.Addr {
	b := first.AsSlice()
	for i := range b {
		if keep := min(max(bits-8*i, 0), 8); keep < 8 {
			b[i] |= 0xff >> keep
		}
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

func (n *networks) write(w *writer) {
	for _, family := range []struct {
		name string
		*ranges
		width int
	}{{"v4", &n.v4, 4}, {"v6", &n.v6, 16}} {
		family.closeUntil(n.list, netip.Addr{})
		w.section(family.name, func() {
			i := 0
			for top := range tops {
				for i < len(family.inner) && int(binary.BigEndian.Uint16(family.starts[i*family.width:])) < top {
					i++
				}
				w.u32(uint32(i))
			}
			w.u32(uint32(len(family.inner)))
			w.write(family.starts)
			for _, inner := range family.inner {
				w.u32(inner)
			}
		})
	}
	w.section("networks", func() {
		for _, n := range n.list {
			w.u32(n.row)
			w.u32(n.parent)
		}
	})
}

// flat is one address family of a table.
type flat struct {
	tops, starts, inner []byte
	width               int
}

// openFlat takes a section apart. ok is false when its size is none it can have.
func openFlat(b []byte, width int) (f flat, ok bool) {
	const head = 4 * (tops + 1)
	if len(b) < head || (len(b)-head)%(width+4) != 0 {
		return f, false
	}
	n := (len(b) - head) / (width + 4)
	return flat{b[:head], b[head : head+n*width], b[head+n*width:], width}, true
}

// find returns the narrowest network that holds an address of width bytes, 0
// when none does.
func (f *flat) find(a []byte) uint32 {
	top := int(binary.BigEndian.Uint16(a))
	n := uint32(len(f.inner) / 4)
	low, high := u32(f.tops, top), u32(f.tops, top+1)
	if high > n || low > high {
		return 0 // damaged
	}
	// The range that holds a is the last that begins at or before it.
	for low < high {
		middle := (low + high) / 2
		if f.after(int(middle), a) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == 0 {
		return 0
	}
	return u32(f.inner, int(low)-1)
}

// after says whether range i begins behind a.
func (f *flat) after(i int, a []byte) bool {
	if f.width == 4 {
		return binary.BigEndian.Uint32(f.starts[4*i:]) > binary.BigEndian.Uint32(a)
	}
	start := f.starts[16*i : 16*i+16]
	high, of := binary.BigEndian.Uint64(start), binary.BigEndian.Uint64(a)
	if high != of {
		return high > of
	}
	return binary.BigEndian.Uint64(start[8:]) > binary.BigEndian.Uint64(a[8:])
}
