package opensearch

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// A document that the mapping refuses is changed in the smallest way that
// makes it fit, and sent again:
//
//	n: "1,234" in a number         n: 1234
//	n: "many" in a number          taken away, overflow: {"n": "many"}
//	k: too long for a keyword      k: its beginning
//	a.o: "text" for an object      taken away, overflow: {"a_o": "text"}
//
// What was done is in siem.repaired, such as "mapping_conflict:n". The record
// as it came stays in @message, which is never changed. A mapping may give
// overflow the type flat_object, so that it adds no fields.
const (
	overflowField = "overflow"
	tagObject     = "siem"
	tagField      = "repaired"
	messageField  = "@message"
)

// maxRepairs bounds the repairs of one document: each is a request.
const maxRepairs = 10

// maxTerm is the longest term that Lucene stores, in bytes.
const maxTerm = 32766

// maxOverflow is how much of one value goes to overflow, in bytes.
const maxOverflow = 8191

// repairable are the classes that can be repaired, for the setting repair.
var repairable = []string{"mapping_conflict", "field_too_long", "too_many_fields", "unmapped_field", "too_deep", "field_name"}

// complaint is what a refusal says about a document.
type complaint struct {
	field string // its path; "" when the reason names none
	kind  string // type that the field has in the mapping
	limit int    // of depth
}

var (
	parseField    = regexp.MustCompile(`failed to parse field \[([^\]]+)\] of type \[([^\]]+)\]`)
	asObject      = regexp.MustCompile(`object mapping for \[([^\]]+)\] tried to parse field`)
	notAnObject   = regexp.MustCompile(`Could not dynamically add mapping for field \[[^\]]+\]\. Existing mapping for \[([^\]]+)\] must be of type object but found \[([^\]]+)\]`)
	otherType     = regexp.MustCompile(`mapper \[([^\]]+)\] cannot be changed from type \[([^\]]+)\] to`)
	notMergeable  = regexp.MustCompile(`can't merge a non object mapping \[([^\]]+)\] with an object mapping`)
	immenseTerm   = regexp.MustCompile(`immense term in field="([^"]+)"`)
	strictMapping = regexp.MustCompile(`dynamic introduction of \[([^\]]+)\] within \[([^\]]+)\] is not allowed`)
	depthLimit    = regexp.MustCompile(`depth of the field has exceeded the allowed limit of \[(\d+)\]|Limit of mapping depth \[(\d+)\]`)
)

// understand reads the reason of a refusal.
func understand(reason string) (c complaint) {
	if m := parseField.FindStringSubmatch(reason); m != nil {
		return complaint{field: m[1], kind: m[2]}
	}
	if m := asObject.FindStringSubmatch(reason); m != nil {
		return complaint{field: m[1], kind: "object"}
	}
	if m := notAnObject.FindStringSubmatch(reason); m != nil {
		return complaint{field: m[1], kind: m[2]}
	}
	if m := otherType.FindStringSubmatch(reason); m != nil {
		return complaint{field: m[1], kind: m[2]}
	}
	if m := notMergeable.FindStringSubmatch(reason); m != nil {
		return complaint{field: m[1]}
	}
	if m := immenseTerm.FindStringSubmatch(reason); m != nil {
		return complaint{field: m[1], kind: "keyword"}
	}
	if m := strictMapping.FindStringSubmatch(reason); m != nil {
		if m[2] == "_doc" {
			return complaint{field: m[1]}
		}
		return complaint{field: m[2] + "." + m[1]}
	}
	if m := depthLimit.FindStringSubmatch(reason); m != nil {
		c.limit, _ = strconv.Atoi(m[1] + m[2]) // digits
	}
	return c
}

// patient is a document under repair.
type patient struct {
	doc   *fastjson.Value
	arena fastjson.Arena
	fresh map[string][]string // what goes to overflow, by path
	// mapped lists the fields of the index; nil when they are not known.
	mapped func() map[string]bool
}

// repair changes a document so that a refusal of that class would not come
// again, or not for that cause. done are the repairs it has had, such as
// mapping_conflict:source.ip. ok is false when nothing can be done: doc is as it was.
func repair(doc []byte, class, reason string, done []string, mapped func() map[string]bool) (out []byte, tag string, ok bool) {
	var parser fastjson.Parser
	v, err := parser.ParseBytes(doc)
	if err != nil || v.Type() != fastjson.TypeObject {
		return doc, "", false
	}
	p := &patient{doc: v, fresh: map[string][]string{}, mapped: mapped}
	c := understand(reason)
	root, _, _ := strings.Cut(c.field, ".")
	switch {
	case root == messageField || root == overflowField:
		return doc, "", false
	case root == tagObject: // the mapping has no place for what we say
		if v.Exists(tagObject, tagField) {
			if o := v.GetObject(tagObject); o.Len() == 1 {
				v.Del(tagObject)
			} else {
				o.Del(tagField)
			}
			return event.AppendJSONValue(nil, v), "untagged", true
		}
		return doc, "", false
	}
	tag = class + ":" + c.field
	switch class {
	case "mapping_conflict":
		ok = c.field != "" && p.refit(c, slices.Contains(done, tag))
	case "field_too_long":
		ok = c.field != "" && p.cut(c.field)
	case "unmapped_field":
		ok = c.field != "" && p.move(c.field)
	case "too_many_fields":
		ok = p.fewer()
	case "too_deep":
		ok = c.limit > 0 && p.shallower(c.limit)
	case "field_name":
		ok = p.rename()
	}
	if !ok || !p.flow() {
		return doc, "", false
	}
	if !slices.Contains(done, "untagged") && (class != "too_many_fields" || p.mapped()[tagObject+"."+tagField]) {
		p.tag(strings.TrimSuffix(tag, ":"))
	}
	return event.AppendJSONValue(nil, v), tag, true
}

// refit makes a value fit its field's type, or moves it.
func (p *patient) refit(c complaint, again bool) bool {
	if again {
		return p.move(c.field)
	}
	changed, moved := false, false
	each(p.doc, c.field, func(in *fastjson.Object, key string, v *fastjson.Value) {
		switch text, fits := coerce(v, c.kind, &p.arena); {
		case fits && text == nil:
			in.Del(key) // empty: nothing to keep
			changed = true
		case fits:
			if !p.doc.Exists(messageField) {
				p.keep(c.field, v)
			}
			in.Set(key, text)
			changed = true
		default:
			p.keep(c.field, v)
			in.Del(key)
			moved = true
		}
	})
	return changed || moved
}

// move takes the values of a field into overflow.
func (p *patient) move(field string) bool {
	found := false
	each(p.doc, field, func(in *fastjson.Object, key string, v *fastjson.Value) {
		p.keep(field, v)
		in.Del(key)
		found = true
	})
	return found
}

// cut shortens the texts of a field, which may be the parent of a field of the
// mapping alone (k of k.keyword).
func (p *patient) cut(field string) bool {
	for {
		found := false
		shorten := func(v *fastjson.Value) *fastjson.Value {
			text := string(v.GetStringBytes())
			if len(text) <= maxTerm {
				return v
			}
			found = true
			return p.arena.NewString(clip(text, maxTerm))
		}
		each(p.doc, field, func(in *fastjson.Object, key string, v *fastjson.Value) {
			if v.Type() == fastjson.TypeArray {
				for i, item := range v.GetArray() {
					v.SetArrayItem(i, shorten(item))
				}
				return
			}
			in.Set(key, shorten(v))
		})
		at := strings.LastIndexByte(field, '.')
		if found || at < 0 {
			return found
		}
		field = field[:at]
	}
}

// fewer moves the fields that the mapping lacks, when it has an overflow.
func (p *patient) fewer() bool {
	mapped := p.mapped()
	if !mapped[overflowField] {
		return false
	}
	return p.sweep(p.doc, "", 1, func(path string, _ int, v *fastjson.Value) bool {
		return path != messageField && !mapped[path] && path != overflowField && path != tagObject && !isObject(v)
	})
}

// shallower moves what lies deeper than the mapping may go.
func (p *patient) shallower(limit int) bool {
	return p.sweep(p.doc, "", 1, func(_ string, depth int, v *fastjson.Value) bool {
		return depth >= limit && isObject(v)
	})
}

// rename moves fields whose names OpenSearch cannot resolve.
func (p *patient) rename() bool {
	return p.sweep(p.doc, "", 1, func(path string, _ int, _ *fastjson.Value) bool {
		return path == "" || strings.HasPrefix(path, ".") || strings.HasSuffix(path, ".") || strings.Contains(path, "..")
	})
}

// isObject reports whether v is an object, or an array of some.
func isObject(v *fastjson.Value) bool {
	if v.Type() == fastjson.TypeArray {
		return slices.ContainsFunc(v.GetArray(), isObject)
	}
	return v.Type() == fastjson.TypeObject
}

// sweep moves the values for which out says so.
func (p *patient) sweep(v *fastjson.Value, path string, depth int, out func(path string, depth int, v *fastjson.Value) bool) bool {
	found := false
	switch v.Type() {
	case fastjson.TypeArray:
		for _, item := range v.GetArray() {
			found = p.sweep(item, path, depth, out) || found
		}
	case fastjson.TypeObject:
		o := v.GetObject()
		var keys []string
		o.Visit(func(k []byte, _ *fastjson.Value) { keys = append(keys, string(k)) })
		for _, k := range keys {
			at := k
			if path != "" {
				at = path + "." + k
			}
			item := o.Get(k)
			if at == overflowField || at == tagObject {
				continue
			}
			if out(at, depth, item) {
				p.keep(at, item)
				o.Del(k)
				found = true
				continue
			}
			found = p.sweep(item, at, depth+1, out) || found
		}
	}
	return found
}

// each calls visit for each value at a path, of which a key may be a part: the
// names in a document may have dots.
func each(v *fastjson.Value, path string, visit func(in *fastjson.Object, key string, v *fastjson.Value)) {
	switch v.Type() {
	case fastjson.TypeArray:
		for _, item := range v.GetArray() {
			each(item, path, visit)
		}
	case fastjson.TypeObject:
		o := v.GetObject()
		var keys []string
		o.Visit(func(k []byte, _ *fastjson.Value) { keys = append(keys, string(k)) })
		for _, k := range keys {
			if rest, ok := strings.CutPrefix(path, k+"."); ok {
				each(o.Get(k), rest, visit)
			} else if k == path || strings.HasPrefix(k, path+".") { // the field, or one below it written with dots
				visit(o, k, o.Get(k))
			}
		}
	}
}

// keep notes what goes to overflow.
func (p *patient) keep(path string, v *fastjson.Value) {
	text := string(event.AppendJSONValue(nil, v))
	if v.Type() == fastjson.TypeString {
		text = string(v.GetStringBytes())
	}
	p.fresh[path] = append(p.fresh[path], clip(text, maxOverflow))
}

// flow writes overflow. It fails where the document has another field of that name.
func (p *patient) flow() bool {
	if len(p.fresh) == 0 {
		return true
	}
	over := p.doc.Get(overflowField)
	if over == nil {
		over = p.arena.NewObject()
		p.doc.Set(overflowField, over)
	}
	if over.Type() != fastjson.TypeObject {
		return false
	}
	for path, texts := range p.fresh {
		path = dots.ReplaceAllString(strings.Trim(path, "."), "_")
		if path == "" {
			path = "_"
		}
		if len(texts) == 1 {
			over.Set(path, p.arena.NewString(texts[0]))
			continue
		}
		list := p.arena.NewArray()
		for i, t := range texts {
			list.SetArrayItem(i, p.arena.NewString(t))
		}
		over.Set(path, list)
	}
	return true
}

// tag adds to siem.repaired.
func (p *patient) tag(text string) {
	o := p.doc.Get(tagObject)
	if o == nil {
		o = p.arena.NewObject()
		p.doc.Set(tagObject, o)
	}
	if o.Type() != fastjson.TypeObject {
		return
	}
	list := o.Get(tagField)
	if list == nil || list.Type() != fastjson.TypeArray {
		list = p.arena.NewArray()
		o.Set(tagField, list)
	}
	list.SetArrayItem(len(list.GetArray()), p.arena.NewString(text))
}

// dots in a name would make objects of it, and conflicts anew.
var dots = regexp.MustCompile(`\.+`)

// clip is the beginning of s, of at most n bytes, on a character boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:n]), nil))
}
