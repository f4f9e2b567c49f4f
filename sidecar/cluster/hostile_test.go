package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// TestNoValueIsRefused: whatever stands where a field is named (another type, a
// list of different ones, an object, a text too long for a term), the document
// is stored, and no field is added.
func TestNoValueIsRefused(t *testing.T) {
	x := newTrial(t)
	x.apply(x.wanted(), false, "")
	schema, err := loadSchema(shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	const term = 32766 - 512 // what the filter leaves for a value in a tree
	deep := any("end")
	for range 50 {
		deep = object{"d": deep}
	}
	values := map[string]any{
		"text": "no number, date or address", "number": 1e300, "true": true, "null": nil,
		"list":   []any{"a", 1, true, nil, []any{"b"}},
		"object": object{"a": 1, "b": object{"c": nil}}, "objects": []any{object{"a": 1}, object{"a": object{"b": "x"}}},
		"mixed": []any{object{"a": 1}, "text", nil}, "empty": object{}, "none": []any{},
		"long": strings.Repeat("é", term/2-1), "deep": deep,
		"keys": object{"": 1, "a.b": object{"c.": 2}, "..": 3},
	}
	var bulk strings.Builder
	var what []string
	for _, f := range schema.families {
		fields := maps.Clone(f.fields)
		if f.Base != "none" {
			maps.Copy(fields, schema.ecs.fields)
		}
		for name, value := range values {
			doc := object{}
			long := 0
			for path, kind := range fields {
				if name == "long" && kind != "flat_object" {
					if long++; long > 20 { // a megabyte is enough
						continue
					}
				}
				// A member without a name is refused where members are fields;
				// nested documents are our own.
				if name == "keys" && kind != "flat_object" || kind == "nested" || strings.HasPrefix(path, "threat.enrichments") {
					continue
				}
				set(doc, strings.Split(path, "."), value)
			}
			text, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&bulk, `{"create":{"_index":"%s%s"}}`+"\n%s\n", x.set.IndexPrefix, strings.ReplaceAll(f.Patterns[0], "*", "2024"), text)
			what = append(what, f.name+" "+name)
			if bulk.Len() > 1<<20 {
				send(t, x, &bulk, &what)
			}
		}
	}
	if bulk.Len() > 0 {
		send(t, x, &bulk, &what)
	}
}

// send sends what was collected, and begins anew.
func send(t *testing.T, x *trial, bulk *strings.Builder, what *[]string) {
	t.Helper()
	var got struct {
		Items []struct{ Create struct{ Error any } }
	}
	if err := json.Unmarshal([]byte(x.do("POST", "/_bulk?filter_path=items.create.error,items.create.status", bulk.String(), 200)), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Items) != len(*what) {
		t.Errorf("%d answers for %d documents", len(got.Items), len(*what))
	}
	for i, item := range got.Items {
		if item.Create.Error != nil {
			t.Errorf("%s: %.600v", (*what)[i], item.Create.Error)
		}
	}
	bulk.Reset()
	*what = nil
}

// set puts a value at a path.
func set(o object, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		next, _ := o[name].(object)
		if next == nil {
			next = object{}
			o[name] = next
		}
		o = next
	}
	o[path[len(path)-1]] = value
}
