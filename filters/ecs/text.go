package ecs

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// textTree are the paths of a type whose values become texts, as a tree.
type textTree struct {
	name     string
	leaf     bool
	children []*textTree
}

func newTextTree(paths []string) *textTree {
	if len(paths) == 0 {
		return nil
	}
	root := new(textTree)
	for _, path := range paths {
		n := root
		for _, name := range strings.Split(path, ".") {
			var next *textTree
			for _, c := range n.children {
				if c.name == name {
					next = c
				}
			}
			if next == nil {
				next = &textTree{name: name}
				n.children = append(n.children, next)
			}
			n = next
		}
		n.leaf = true
	}
	return root
}

// apply turns the values at the tree's paths into texts: objects and lists into
// JSON text, numbers and booleans into their text. What is empty or false stays.
func (t *textTree) apply(c *Converter, v *fastjson.Value) {
	object := v.GetObject()
	if object == nil {
		return
	}
	object.Visit(func(k []byte, item *fastjson.Value) {
		for _, n := range t.children {
			if n.name != string(k) {
				continue
			}
			if n.leaf {
				if text := c.flatten(item); text != nil {
					v.Set(n.name, text)
				}
				return
			}
			n.apply(c, item)
			return
		}
	})
}

// flatten returns a value as a text; nil where it shall stay as it is.
func (c *Converter) flatten(v *fastjson.Value) *fastjson.Value {
	switch v.Type() {
	case fastjson.TypeString, fastjson.TypeNull, fastjson.TypeFalse:
		return nil
	case fastjson.TypeObject:
		if v.GetObject().Len() == 0 {
			return nil
		}
	case fastjson.TypeArray:
		if len(v.GetArray()) == 0 {
			return nil
		}
	}
	start := len(c.scratch)
	c.scratch = event.AppendJSONValue(c.scratch, v)
	text := c.newText(c.scratch[start:])
	c.scratch = c.scratch[:start]
	return text
}
