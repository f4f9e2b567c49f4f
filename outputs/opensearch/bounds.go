package opensearch

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// bounds are what a document must keep to before it is sent anywhere: events of
// other inputs can name any index and id, and a record can be of any shape.
type bounds struct {
	allow []string // patterns of names of indices
	depth int      // objects and lists in each other
	width int      // members and items, in all
}

// misfit says why a document is a dead letter before it is sent.
func misfit(class, format string, args ...any) *problem {
	return &problem{lease.DeadLettered, deadletter.Refused, class, fmt.Sprintf(format, args...)}
}

// index checks the name of an index.
func (l bounds) index(name []byte) *problem {
	text := string(name)
	if !logtype.ValidIndex(text) {
		return misfit("invalid_index_name", "%.300q cannot be the name of an index", text)
	}
	for _, pattern := range l.allow {
		if text[0] == '.' && !strings.HasPrefix(pattern, ".") {
			continue // the cluster's own: they must be meant
		}
		if ok, err := path.Match(pattern, text); ok && err == nil {
			return nil
		}
	}
	return misfit("index_not_allowed", "allow_index names no pattern for the index %s", text)
}

// id checks an id that an event brings.
func (l bounds) id(id []byte) *problem {
	if len(id) > maxID {
		return misfit("id_too_long", "the id has more than 512 bytes")
	}
	for _, c := range id {
		if c < ' ' || c == 0x7f {
			return misfit("bad_id", "the id %.100q has a control character", id)
		}
	}
	return nil
}

// document checks the shape of a document, which is JSON. Most cannot be too wide
// or deep, which counting bytes tells at several gigabytes a second.
func (l bounds) document(doc []byte) *problem {
	commas, colons := bytes.Count(doc, []byte(",")), bytes.Count(doc, []byte(":"))
	opens := bytes.Count(doc, []byte("{")) + bytes.Count(doc, []byte("["))
	if opens <= l.depth && commas+opens <= l.width && colons <= l.width {
		return nil
	}
	depth, width := shape(doc)
	switch {
	case depth > l.depth:
		return misfit("nested_too_deep", "the document is nested %d deep; depth_limit is %d", depth, l.depth)
	case width > l.width:
		return misfit("too_wide", "the document has %d fields and items; width_limit is %d", width, l.width)
	}
	return nil
}

// shape measures JSON: how deep objects and lists are in each other, and how many
// members and items there are in all.
func shape(doc []byte) (depth, width int) {
	open, filled := 0, false // filled: something has come since the last bracket or comma
	value := func() {
		if !filled {
			filled = true
			width++
		}
	}
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; c {
		case '"':
			value()
			for i++; i < len(doc) && doc[i] != '"'; i++ {
				if doc[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			value()
			open++
			depth = max(depth, open)
			filled = false
		case '}', ']':
			open--
			filled = true
		case ',':
			filled = false
		case ' ', '\t', '\n', '\r', ':':
		default:
			value()
		}
	}
	return depth, max(width-1, 0) // without the document itself
}
