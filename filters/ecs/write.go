package ecs

import (
	"bytes"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

const (
	// maxText is what a keyword field takes (Lucene's limit of a term, 32,766
	// bytes), and cutText where a longer text is cut, as the original does.
	maxText = 32766
	cutText = 32753
	// pathRoom is how much shorter a member of a record is cut: a flat_object
	// makes one term of its path and its value.
	pathRoom = 512
)

var truncated = []byte("<<TRUNCATED>>")

// AppendJSON appends the document as JSON.
func (c *Converter) AppendJSON(dst []byte) []byte {
	c.w.Reset(dst, false)
	c.write()
	return c.w.Buf
}

// AppendMsgpack appends the document as a msgpack map.
func (c *Converter) AppendMsgpack(dst []byte) []byte {
	c.w.Reset(dst, true)
	c.write()
	return c.w.Buf
}

// write walks the record, then the tree of ECS fields. Where the record has a
// root field of the same name, the two are merged.
func (c *Converter) write() {
	w := &c.w
	m := w.Object()
	var merged uint64 // roots that were written together with the record's
	switch {
	case c.p.t.Raw == "drop":
	case c.p.t.Prefix != "":
		c.writePrefixed()
	case c.rec != nil:
		merged = c.writeObject(c.rec, c.p.root, 0)
	default:
		c.writeColumns()
	}
	c.writeContainer()
	for i, n := range c.p.root.children {
		if merged&(1<<min(i, 63)) == 0 && n.name != c.p.t.Prefix {
			c.writeNode(n)
		}
	}
	w.EndObject(m)
}

// writePrefixed writes the record under the type's prefix, merged with what the
// tree has there.
func (c *Converter) writePrefixed() {
	w := &c.w
	before := w.Save()
	w.Key(c.p.prefix)
	m := w.Object()
	n := c.p.root.child(c.p.t.Prefix)
	var merged uint64
	if c.rec != nil {
		merged = c.writeObject(c.rec, n, 1)
	} else {
		c.writeColumns()
	}
	if n != nil {
		c.writeRest(n, merged)
	}
	c.endMember(before, m)
}

// writeRest writes the children of n that were not merged into the record.
func (c *Converter) writeRest(n *node, merged uint64) {
	for i, child := range n.children {
		if merged&(1<<min(i, 63)) == 0 {
			c.writeNode(child)
		}
	}
}

// endMember closes the object opened at m, or forgets it with its key, written
// since before, if it is empty.
func (c *Converter) endMember(before, m event.Mark) {
	if c.w.Len() == 0 {
		c.w.Restore(before)
		return
	}
	c.w.EndObject(m)
}

func (c *Converter) writeColumns() {
	w, l := &c.w, c.layout
	for i, b := range c.cols {
		if !l.skip[i] && !empty(b) {
			w.Key(l.keys[i])
			c.writeText(b)
		}
	}
	if len(c.extra) > 0 {
		w.Key(extraKey)
		c.writeTexts(c.extra)
	}
}

var extraKey = event.NewKey("extra_columns")

// writeNode writes one key of the tree and what is below it, or nothing.
func (c *Converter) writeNode(n *node) {
	w := &c.w
	if n.slot >= 0 && c.slots[n.slot].kind != none {
		c.writeSlot(n)
		return
	}
	if len(n.children) == 0 {
		return
	}
	before := w.Save()
	w.Key(n.key)
	m := w.Object()
	c.writeRest(n, 0)
	c.endMember(before, m)
}

// writeSlot writes the key and the value of a slot, or nothing if it is empty.
func (c *Converter) writeSlot(n *node) {
	w, s := &c.w, &c.slots[n.slot]
	switch s.kind {
	case text:
		if n.slot == c.p.std.message { // never cut: it is the evidence
			w.Key(n.key)
			w.String(s.text)
		} else if !empty(s.text) {
			w.Key(n.key)
			c.writeText(s.text)
		}
	case list:
		w.Key(n.key)
		c.writeTexts(s.list)
	case fragment:
		w.Key(n.key)
		if len(n.children) == 0 {
			w.Fragment(s.frag)
			break
		}
		m := w.Object() // what the tables lack may stand in the record
		w.Members(s.frag)
		for _, child := range n.children {
			if !s.frag.Has(child.key) {
				c.writeNode(child)
			}
		}
		w.EndObject(m)
	case jsonValue:
		before := w.Save()
		w.Key(n.key)
		if !c.writeMember(s.json, 1) {
			w.Restore(before)
		}
	}
}

func (c *Converter) writeTexts(items [][]byte) {
	w := &c.w
	m := w.Array()
	for _, item := range items {
		w.Item()
		c.writeText(item)
	}
	w.EndArray(m)
}

// writeText writes a text that is indexed: cut to what a keyword field takes.
func (c *Converter) writeText(b []byte) { c.writeCut(b, 0) }

func (c *Converter) writeCut(b []byte, room int) {
	if len(b) < maxText-room || c.whole {
		c.w.String(b)
		return
	}
	c.cuts++
	n := cutText - room
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	start := len(c.scratch)
	c.scratch = append(append(c.scratch, b[:n]...), truncated...)
	c.w.String(c.scratch[start:])
	c.scratch = c.scratch[:start]
}

// empty reports whether a text says that there is nothing.
func empty(b []byte) bool {
	switch len(b) {
	case 0:
		return true
	case 1:
		return b[0] == '-'
	case 2:
		return b[0] == '[' && b[1] == ']'
	case 4:
		return string(b) == "null"
	}
	return false
}

// writeObject writes the members of an object that are not empty, into the
// object that is open, merged with the tree at n (nil: none). It returns which
// children of n were written with them.
func (c *Converter) writeObject(v *fastjson.Value, n *node, depth int) (merged uint64) {
	w := &c.w
	object := v.GetObject()
	repeated := repeats(object)
	var last map[string]int // where a key stands last, of an object with many
	if repeated && object.Len() > manyKeys {
		last = lastPlaces(object)
	}
	i := 0
	object.Visit(func(k []byte, item *fastjson.Value) {
		i++
		if last != nil && last[string(k)] != i || last == nil && repeated && laterEqual(object, k, i) {
			return
		}
		if n != nil {
			for j, child := range n.children {
				if child.name == string(k) && j < 63 {
					merged |= 1 << j
					c.writeMerged(item, child, depth)
					return
				}
			}
		}
		if item.Type() == fastjson.TypeNull {
			return
		}
		before := w.Save()
		w.Name(k)
		if !c.writeMember(item, depth+1) {
			w.Restore(before)
		}
	})
	return merged
}

// writeMerged writes a member of the record together with the tree's node of
// the same name: objects are merged, else the tree's value wins.
func (c *Converter) writeMerged(item *fastjson.Value, n *node, depth int) {
	w := &c.w
	before := w.Save()
	if n.slot >= 0 && c.slots[n.slot].kind != none {
		if c.writeSlot(n); w.Len() > 0 && w.Save() != before {
			return
		}
	}
	if item.Type() != fastjson.TypeObject {
		if c.writeNode(n); w.Save() != before {
			return
		}
		w.Name([]byte(n.name))
		if !c.writeMember(item, depth+1) {
			w.Restore(before)
		}
		return
	}
	w.Key(n.key)
	m := w.Object()
	c.writeRest(n, c.writeObject(item, n, depth+1))
	c.endMember(before, m)
}

// writeMember writes a value of an object; false if it is empty.
func (c *Converter) writeMember(v *fastjson.Value, depth int) bool {
	w := &c.w
	switch v.Type() {
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		if empty(b) {
			return false
		}
		c.writeCut(b, pathRoom)
	case fastjson.TypeNull:
		return false
	case fastjson.TypeObject:
		m := w.Object()
		c.writeObject(v, nil, depth)
		if w.Len() == 0 {
			return false
		}
		w.EndObject(m)
	case fastjson.TypeArray:
		items := v.GetArray()
		if len(items) == 0 || len(items) == 1 && items[0].Type() == fastjson.TypeString && len(items[0].GetStringBytes()) == 0 {
			return false
		}
		c.writeArray(items, depth)
	default:
		c.writeScalar(v)
	}
	return true
}

func (c *Converter) writeScalar(v *fastjson.Value) {
	w := &c.w
	switch v.Type() {
	case fastjson.TypeTrue:
		w.Bool(true)
	case fastjson.TypeFalse:
		w.Bool(false)
	case fastjson.TypeNull:
		w.Null()
	default:
		start := len(c.scratch)
		c.scratch = v.MarshalTo(c.scratch)
		w.Number(c.scratch[start:])
		c.scratch = c.scratch[:start]
	}
}

// writeArray writes all items: what is empty in a list stays, as its place
// means something.
func (c *Converter) writeArray(items []*fastjson.Value, depth int) {
	w := &c.w
	m := w.Array()
	for _, item := range items {
		w.Item()
		switch item.Type() {
		case fastjson.TypeString:
			b, _ := item.StringBytes()
			c.writeCut(b, pathRoom)
		case fastjson.TypeObject:
			inner := w.Object()
			c.writeObject(item, nil, depth+1)
			w.EndObject(inner)
		case fastjson.TypeArray:
			c.writeArray(item.GetArray(), depth+1)
		default:
			c.writeScalar(item)
		}
	}
	w.EndArray(m)
}

// repeats reports whether an object may have the same key twice: then the last
// counts, as everywhere, and OpenSearch would refuse both.
func repeats(o *fastjson.Object) bool {
	var seen [4]uint64
	repeated := false
	o.Visit(func(k []byte, _ *fastjson.Value) {
		h := uint(len(k)) * 7
		if len(k) > 0 {
			h += uint(k[0])*31 + uint(k[len(k)-1])*17 + uint(k[len(k)/2])*5
		}
		word, bit := h>>6&3, uint64(1)<<(h&63)
		if seen[word]&bit != 0 {
			repeated = true
		}
		seen[word] |= bit
	})
	return repeated
}

// manyKeys is how many keys are compared one with another; of more a map is made,
// for a record may have a million.
const manyKeys = 256

// lastPlaces says which member is the last with its key; the first is 1.
func lastPlaces(o *fastjson.Object) map[string]int {
	places, i := make(map[string]int, o.Len()), 0
	o.Visit(func(k []byte, _ *fastjson.Value) {
		i++
		places[unsafeString(k)] = i
	})
	return places
}

// laterEqual reports whether one of the members after the first n has key k.
func laterEqual(o *fastjson.Object, k []byte, n int) bool {
	i, found := 0, false
	o.Visit(func(other []byte, _ *fastjson.Value) {
		i++
		if i > n && !found && bytes.Equal(other, k) {
			found = true
		}
	})
	return found
}
