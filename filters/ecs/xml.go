package ecs

import (
	"bytes"
	"fmt"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/internal/xmltok"
)

// maxNames is how many different names the children and attributes of one XML
// element may have: more are no record of a log, and would be slow.
const maxNames = 4096

// xmlForm is how XML becomes JSON.
type xmlForm struct {
	attribute string // what stands before the names of attributes
	strip     bool   // white space at the ends of texts does not count
}

var (
	// userXML is as the original's library (Python's xmltodict) has it: attributes
	// are @name, the text beside attributes or children #text.
	userXML = xmlForm{"@", true}
	// windowsXML is for Windows events: attributes and children are keys alike, and
	// texts stay as they are.
	windowsXML = xmlForm{"", false}
)

// xmlTree makes JSON values of XML in a converter's arena.
type xmlTree struct {
	r      xmltok.Reader
	frames []xmlFrame
	chunks []xmlChunk
	clean  []byte // the document without control characters
}

// xmlFrame is an element that is open.
type xmlFrame struct {
	object      *fastjson.Value // nil: no attributes and no children so far
	names       int
	first, last int // chunks of its text, -1: none
}

// xmlChunk is a part of an element's text; other elements may stand between two.
type xmlChunk struct {
	text []byte
	next int
}

func (c *Converter) parseXML() error { return c.readXML(userXML) }

// readXML makes the record of a document: an object with the root element under
// its name. Children of the same name are a list; an element with nothing in it
// is null. Where the document has characters that XML forbids, it is read
// without control characters.
func (c *Converter) readXML(form xmlForm) error {
	t := &c.xml
	t.r.Reset(c.raw)
	err := c.readElement(form)
	if err != nil && bytes.ContainsFunc(c.raw, func(r rune) bool { return r < ' ' }) {
		t.clean = xmltok.WithoutControls(t.clean[:0], c.raw)
		t.r.ResetLenient(t.clean)
		if c.readElement(form) == nil {
			return nil
		}
	}
	return err
}

func (c *Converter) readElement(form xmlForm) error {
	t := &c.xml
	c.rec = c.arena.NewObject()
	t.frames = append(t.frames[:0], xmlFrame{object: c.rec, first: -1})
	t.chunks = t.chunks[:0]
	for {
		kind, err := t.r.Next()
		if err != nil || kind == xmltok.EOF {
			return err
		}
		top := &t.frames[len(t.frames)-1]
		switch kind {
		case xmltok.Start:
			t.frames = append(t.frames, xmlFrame{first: -1})
			top = &t.frames[len(t.frames)-1]
			for _, a := range t.r.Attrs {
				name := a.Name
				if form.attribute != "" {
					name = c.join([]byte(form.attribute), name)
				}
				if err := c.addXML(top, name, c.newText(a.Value)); err != nil {
					return err
				}
			}
		case xmltok.Text:
			t.chunks = append(t.chunks, xmlChunk{t.r.Text, -1})
			last := len(t.chunks) - 1
			if top.first < 0 {
				top.first = last
			} else {
				t.chunks[top.last].next = last
			}
			top.last = last
		case xmltok.End:
			value := top.object
			text := c.xmlText(top, form)
			switch {
			case value != nil && len(text) > 0:
				value.Set("#text", c.newText(text))
			case value != nil:
			case len(text) > 0:
				value = c.newText(text)
			default:
				value = c.arena.NewNull()
			}
			t.frames = t.frames[:len(t.frames)-1]
			if err := c.addXML(&t.frames[len(t.frames)-1], t.r.Name, value); err != nil {
				return err
			}
		}
	}
}

// addXML adds a member to an element; one of a name that is there makes a list.
func (c *Converter) addXML(f *xmlFrame, name []byte, value *fastjson.Value) error {
	if f.object == nil {
		f.object = c.arena.NewObject()
	}
	key := unsafeString(name)
	switch old := f.object.Get(key); {
	case old == nil:
		if f.names++; f.names > maxNames {
			return fmt.Errorf("an XML element with more than %d different names in it", maxNames)
		}
		f.object.Set(key, value)
	case old.Type() == fastjson.TypeArray:
		old.SetArrayItem(len(old.GetArray()), value)
	default:
		list := c.arena.NewArray()
		list.SetArrayItem(0, old)
		list.SetArrayItem(1, value)
		f.object.Set(key, list)
	}
	return nil
}

// xmlText returns the text of an element.
func (c *Converter) xmlText(f *xmlFrame, form xmlForm) []byte {
	if f.first < 0 {
		return nil
	}
	chunks := c.xml.chunks
	text := chunks[f.first].text
	if f.first != f.last {
		start := len(c.scratch)
		for i := f.first; i >= 0; i = chunks[i].next {
			c.scratch = append(c.scratch, chunks[i].text...)
		}
		text = c.scratch[start:len(c.scratch):len(c.scratch)]
	}
	if form.strip {
		text = bytes.TrimSpace(text)
	}
	return text
}
