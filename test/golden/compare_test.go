package golden

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
)

// difference is a field that is not the same in both documents; row is the
// permission for it, nil when there is none.
type difference struct {
	path      string
	want, got any
	row       *permitted
}

// match pairs the original's documents with ours: in order when there are as
// many, else by the text of the record, or by id where the text had a secret.
func match(c goldenCase, want, got []document) (pairs [][2]document, missing, more []document) {
	if len(want) == len(got) {
		for i := range want {
			pairs = append(pairs, [2]document{want[i], got[i]})
		}
		return pairs, nil, nil
	}
	byText := map[string][]document{}
	texts := map[string]string{} // id → text
	for _, d := range got {
		k := messageKey(d)
		byText[k] = append(byText[k], d)
		texts[d.ID] = k
	}
	for _, w := range want {
		k := messageKey(w)
		if len(byText[k]) == 0 && w.ID != "" {
			k = texts[w.ID]
		}
		if len(byText[k]) == 0 {
			missing = append(missing, w)
			continue
		}
		pairs = append(pairs, [2]document{w, byText[k][0]})
		byText[k] = byText[k][1:]
	}
	for _, rest := range byText {
		more = append(more, rest...)
	}
	return pairs, missing, more
}

func messageKey(d document) string {
	b, _ := json.Marshal(parsedMessage(d.Source["@message"]))
	return string(b)
}

// compare lists how a document differs from the original's, after what the
// cases' README says to compare leniently.
func compare(c goldenCase, want, got document) []difference {
	var diffs []difference
	if want.Index != got.Index {
		diffs = append(diffs, difference{path: "_index", want: want.Index, got: got.Index})
	}
	if want.ID != got.ID {
		diffs = append(diffs, difference{path: "_id", want: want.ID, got: got.ID})
	}
	w, g := normal(want.Source).(map[string]any), normal(got.Source).(map[string]any)
	for _, s := range []map[string]any{w, g} {
		if event, ok := s["event"].(map[string]any); ok {
			delete(event, "ingested")
		}
		s["@message"] = parsedMessage(s["@message"])
		s["@timestamp"] = instant(s["@timestamp"])
	}
	walk("", w, g, &diffs)
	for i := range diffs {
		diffs[i].row = permission(c, diffs[i])
	}
	return diffs
}

// normal drops what is empty and makes objects of keys with a dot where the
// original wrote such keys itself.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, item := range v {
			item = normal(item)
			if item == nil {
				continue
			}
			parent, name := out, k
			if strings.HasPrefix(k, "os.") || strings.HasPrefix(k, "device.") || strings.HasPrefix(k, "threat.") {
				first, rest, _ := strings.Cut(k, ".")
				child, ok := out[first].(map[string]any)
				if !ok {
					child = map[string]any{}
					out[first] = child
				}
				parent, name = child, rest
			}
			parent[name] = item
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		if len(v) == 0 {
			return nil
		}
		out := make([]any, len(v))
		for i := range v {
			if out[i] = normal(v[i]); out[i] == nil {
				out[i] = v[i]
			}
		}
		return out
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

func parsedMessage(v any) any {
	if s, ok := v.(string); ok && strings.HasPrefix(s, "{") {
		var parsed any
		if json.Unmarshal([]byte(s), &parsed) == nil {
			return parsed
		}
	}
	return v
}

func instant(v any) any {
	if s, ok := v.(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return t.UnixNano()
		}
	}
	return v
}

var sets = regexp.MustCompile(`^(related\.\w+|threat\.matched\.\w+|threat\.enrichments|threat\.enrichments\[\d+\]\.matched\.field)$`)

func walk(path string, want, got any, diffs *[]difference) {
	w, wok := want.(map[string]any)
	g, gok := got.(map[string]any)
	if wok && gok {
		keys := map[string]bool{}
		for k := range w {
			keys[k] = true
		}
		for k := range g {
			keys[k] = true
		}
		names := make([]string, 0, len(keys))
		for k := range keys {
			names = append(names, k)
		}
		sort.Strings(names)
		for _, k := range names {
			walk(strings.TrimPrefix(path+"."+k, "."), w[k], g[k], diffs)
		}
		return
	}
	if sets.MatchString(path) {
		want, got = asSet(want), asSet(got)
	}
	if !reflect.DeepEqual(want, got) {
		*diffs = append(*diffs, difference{path: path, want: want, got: got})
	}
}

// asSet sorts a list of which only the members count.
func asSet(v any) any {
	items, ok := v.([]any)
	if !ok {
		return v
	}
	items = slices.Clone(items)
	sort.Slice(items, func(i, j int) bool {
		a, _ := json.Marshal(items[i])
		b, _ := json.Marshal(items[j])
		return string(a) < string(b)
	})
	return items
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
