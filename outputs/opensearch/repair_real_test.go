package opensearch

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/test/services"
)

// document is an event with a finished document, of a lease with one record.
func document(r *rig, index, doc string) (chunk []byte, l *lease.Lease, o *lease.Object) {
	l, o = open(r, 1)
	chunk = event.AppendTarget(nil, l.Opened(), &event.Origin{Object: o.ID, Record: 1, Size: 1}, event.Target{Index: []byte(index), ID: []byte("x")}, nil, nil)
	return event.AppendDocument(chunk, []byte(doc)), l, o
}

// What a real cluster refuses is changed and stored; the record as it came is
// untouched; the advice, carried out, makes the repair unnecessary.
func TestRepairsOnARealCluster(t *testing.T) {
	n := plainNode(t)
	long := strings.Repeat("é", 20000)
	props := func(p string) string { return `{"mappings":{"properties":{` + p + `}}}` }
	const over = `"overflow":{"type":"flat_object"},"siem":{"properties":{"repaired":{"type":"keyword"}}},"@message":{"type":"text"}`
	for _, c := range []struct {
		name, make, doc string
		tags            string // of siem.repaired, joined
		want            string // other fields of the document that is stored
		advice          bool   // it is a request that can be carried out
	}{
		{"number as text", props(`"n":{"type":"long"}`), `{"n":"many"}`, "mapping_conflict:n", `{"overflow":{"n":"many"}}`, true},
		{"number with separators", props(`"n":{"type":"long"}`), `{"n":"1,234"}`, "mapping_conflict:n", `{"n":1234}`, true},
		{"number too large", props(`"n":{"type":"long"}`), `{"n":99999999999999999999}`, "mapping_conflict:n", `{"overflow":{"n":"99999999999999999999"}}`, true},
		{"empty number", props(`"n":{"type":"long"}`), `{"n":"-"}`, "mapping_conflict:n", `{}`, true},
		{"float", props(`"n":{"type":"float"}`), `{"n":"fast"}`, "mapping_conflict:n", `{"overflow":{"n":"fast"}}`, true},
		{"object as number", props(`"n":{"type":"long"}`), `{"n":{"a":1}}`, "mapping_conflict:n", `{"overflow":{"n":"{\"a\":1}"}}`, false},
		{"boolean", props(`"b":{"type":"boolean"}`), `{"b":"Yes"}`, "mapping_conflict:b", `{"b":true}`, false},
		{"no boolean", props(`"b":{"type":"boolean"}`), `{"b":"maybe"}`, "mapping_conflict:b", `{"overflow":{"b":"maybe"}}`, false},
		{"date", props(`"d":{"type":"date"}`), `{"d":"2024/06/15 12:00:00"}`, "mapping_conflict:d", `{"d":"2024-06-15T12:00:00Z"}`, true},
		{"no date", props(`"d":{"type":"date"}`), `{"d":"yesterday"}`, "mapping_conflict:d", `{"overflow":{"d":"yesterday"}}`, true},
		{"date of another format", props(`"d":{"type":"date","format":"epoch_second"}`), `{"d":"2024/06/15 12:00:00"}`, "mapping_conflict:d mapping_conflict:d", `{"overflow":{"d":"2024-06-15T12:00:00Z"}}`, false},
		{"address with port", props(`"source":{"properties":{"ip":{"type":"ip"}}}`), `{"source":{"ip":"203.0.113.7:443"}}`, "mapping_conflict:source.ip", `{"source":{"ip":"203.0.113.7"}}`, true},
		{"no address", props(`"source":{"properties":{"ip":{"type":"ip"}}}`), `{"source":{"ip":["nowhere","10.0.0.1"]}}`, "mapping_conflict:source.ip", `{"source":{},"overflow":{"source_ip":"[\"nowhere\",\"10.0.0.1\"]"}}`, true},
		{"place", props(`"g":{"type":"geo_point"}`), `{"g":"nowhere"}`, "mapping_conflict:g", `{"overflow":{"g":"nowhere"}}`, true},
		{"value for an object", props(`"o":{"properties":{"x":{"type":"keyword"}}}`), `{"o":"text"}`, "mapping_conflict:o", `{"overflow":{"o":"text"}}`, false},
		{"value in an array of objects", props(`"o":{"properties":{"x":{"type":"keyword"}}}`), `{"o":[1,{"x":"a"}]}`, "mapping_conflict:o", `{"overflow":{"o":"[1,{\"x\":\"a\"}]"}}`, false},
		{"value for a nested object", props(`"o":{"type":"nested"}`), `{"o":"text"}`, "mapping_conflict:o", `{"overflow":{"o":"text"}}`, false},
		{"object for a keyword", props(`"k":{"type":"keyword"}`), `{"k":{"z":1}}`, "mapping_conflict:k", `{"overflow":{"k":"{\"z\":1}"}}`, false},
		{"object for a text", props(`"k":{"type":"text"}`), `{"k":{"z":1}}`, "mapping_conflict:k", `{"overflow":{"k":"{\"z\":1}"}}`, false},
		{"dotted name below a keyword", props(`"k":{"type":"keyword"}`), `{"k.x":1}`, "mapping_conflict:k", `{"overflow":{"k":"1"}}`, false},
		{"object and value in one record", `{}`, `{"q":[{"a":1},{"a":{"b":1}}]}`, "mapping_conflict:q.a", `{"q":[{},{}],"overflow":{"q_a":["1","{\"b\":1}"]}}`, false},
		{"value for a flat object", props(`"f":{"type":"flat_object"}`), `{"f":"text"}`, "mapping_conflict:f", `{"overflow":{"f":"text"}}`, false},
		{"too long for a keyword", props(`"k":{"type":"keyword"}`), `{"k":"` + long + `"}`, "field_too_long:k", `{"k":"` + long[:32766] + `"}`, true},
		{"too long for a second form", props(`"k":{"type":"text","fields":{"raw":{"type":"keyword"}}}`), `{"k":"` + long + `"}`, "field_too_long:k.raw", `{"k":"` + long[:32766] + `"}`, false},
		{"too many fields", `{"settings":{"index.mapping.total_fields.limit":6},` + props(over + `,"a":{"type":"long"}`)[1:], `{"a":1,"z":"1","y":{"x":2}}`, "too_many_fields", `{"a":1,"y":{},"overflow":{"z":"1","y_x":"2"}}`, false},
		{"strict", `{"mappings":{"dynamic":"strict","properties":{` + over + `}}}`, `{"new":{"a":1}}`, "unmapped_field:new", `{"overflow":{"new":"{\"a\":1}"}}`, false},
		{"strict below", `{"mappings":{"properties":{"a":{"type":"object","dynamic":"strict"}}}}`, `{"a":{"q":1}}`, "unmapped_field:a.q", `{"a":{},"overflow":{"a_q":"1"}}`, true},
		{"strict, no place for the tag", `{"mappings":{"dynamic":"strict","properties":{"overflow":{"type":"flat_object"},"@message":{"type":"text"}}}}`, `{"new":"a"}`, "", `{"overflow":{"new":"a"}}`, false},
		{"too deep", `{"settings":{"index.mapping.depth.limit":3}}`, `{"a":{"b":{"c":{"d":{"e":1}}}}}`, "too_deep", `{"a":{"b":{}},"overflow":{"a_b_c":"{\"d\":{\"e\":1}}"}}`, false},
		{"name without letters", `{}`, `{"":1}`, "field_name", `{"overflow":{"_":"1"}}`, false},
		{"name with dots", `{}`, `{".a":1,"b":{"c..d":2}}`, "field_name", `{"b":{},"overflow":{"a":"1","b_c_d":"2"}}`, false},
		{"several at once", props(`"n":{"type":"long"},"b":{"type":"boolean"},"i":{"type":"ip"}`), `{"n":"x","b":"y","i":"z"}`, "mapping_conflict:n mapping_conflict:b mapping_conflict:i", `{"b":true,"overflow":{"n":"x","i":"z"}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			index := n.drop(services.Name("out-repair"))
			n.must("PUT", "/"+index, c.make)
			doc := `{"@message":"as it came \"1,234\"",` + c.doc[1:]
			r := newRig(t, nil, func(cfg *Config) { cfg.Endpoint = []string{n.url} })
			chunk, l, o := document(r, index, doc)
			if err := r.Write(t.Context(), "siem", chunk); err != nil || !settled(l) || o.Totals().Of(lease.Stored) != 1 {
				t.Fatalf("%v, books %+v, dead letters %+v\n%s", err, o.Totals(), lettersIn(t, r.dir), r.log)
			}
			var got struct {
				Source map[string]any `json:"_source"`
			}
			if err := json.Unmarshal([]byte(n.must("GET", "/"+index+"/_doc/x", "")), &got); err != nil {
				t.Fatal(err)
			}
			if got.Source["@message"] != `as it came "1,234"` {
				t.Errorf("@message is %q", got.Source["@message"])
			}
			var tags []string
			if s, ok := got.Source["siem"].(map[string]any); ok {
				list, _ := s["repaired"].([]any)
				for _, x := range list {
					tags = append(tags, fmt.Sprint(x))
				}
			}
			if strings.Join(tags, " ") != c.tags {
				t.Errorf("siem.repaired is %q, want %q", tags, c.tags)
			}
			delete(got.Source, "siem")
			delete(got.Source, "@message")
			var want map[string]any
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			a, _ := json.Marshal(got.Source)
			b, _ := json.Marshal(want)
			if string(a) != string(b) {
				t.Errorf("stored %.300s, want %.300s", a, b)
			}
			for _, tag := range strings.Fields(c.tags) {
				class, field, _ := strings.Cut(tag, ":")
				if n := r.repairs(t, class, field); field != "" && n == 0 {
					t.Errorf("the repair %s is not counted", tag)
				}
			}
			advice := ""
			for line := range strings.Lines(r.log.String()) {
				if strings.Contains(line, "fit the mapping") && strings.Contains(line, "mapping=") {
					advice = line
				}
			}
			if advice == "" {
				t.Fatalf("nothing says what would make the repair unnecessary:\n%s", r.log)
			}
			if !c.advice {
				return
			}
			class, _, _ := strings.Cut(c.tags, ":")
			request := MappingAdvice(class, reasonIn(t, n, index, doc), index)
			method, rest, _ := strings.Cut(request, " ")
			path, rest, _ := strings.Cut(rest, " ")
			body, _, _ := strings.Cut(rest, " (and")
			n.must(method, path, body)
			if status, answer := n.do("PUT", "/"+index+"/_doc/y", doc); status > 299 {
				t.Errorf("after %s %s %s: %d %s", method, path, body, status, answer)
			}
		})
	}
}

// repairs is how often a class was repaired in a field, in any index.
func (r *rig) repairs(t *testing.T, class, field string) (n float64) {
	t.Helper()
	families, err := r.p.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "siem_output_repairs_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["class"] == class && (labels["field"] == field || strings.HasPrefix(field, labels["field"]+".")) {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// reasonIn is what the cluster says to a document.
func reasonIn(t *testing.T, n node, index, doc string) string {
	t.Helper()
	_, answer := n.do("PUT", "/"+index+"/_doc/z", doc)
	return refused(400, []byte(answer)).reason
}

// What cannot be repaired, or may not, becomes a dead letter with the document
// as it was.
func TestUnrepairedOnARealCluster(t *testing.T) {
	n := plainNode(t)
	long := strings.Repeat("x", 40000)
	for _, c := range []struct {
		name, make, doc string
		may             []string // classes that may be repaired; nil: all
	}{
		{"the record itself is too long", `{"mappings":{"properties":{"@message":{"type":"keyword"}}}}`, `{"@message":"` + long + `"}`, nil},
		{"no place for what is too much", `{"settings":{"index.mapping.total_fields.limit":2}}`, `{"a":1,"b":2,"c":3}`, nil},
		{"strict without overflow", `{"mappings":{"dynamic":"strict","properties":{}}}`, `{"a":1}`, nil},
		{"overflow is taken", `{"mappings":{"properties":{"n":{"type":"long"}}}}`, `{"n":"x","overflow":"mine"}`, nil},
		{"off", `{"mappings":{"properties":{"n":{"type":"long"}}}}`, `{"n":"x"}`, []string{"none"}},
		{"only another class", `{"mappings":{"properties":{"n":{"type":"long"}}}}`, `{"n":"x"}`, []string{"field_too_long", "too_deep"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			index := n.drop(services.Name("out-unrepaired"))
			n.must("PUT", "/"+index, c.make)
			r := newRig(t, nil, func(cfg *Config) {
				cfg.Endpoint = []string{n.url}
				if c.may != nil {
					cfg.Repair = c.may
				}
			})
			chunk, l, _ := document(r, index, c.doc)
			err := r.Write(t.Context(), "siem", chunk)
			letters := lettersIn(t, r.dir)
			if err != nil || !settled(l) || len(letters) != 1 || string(letters[0].Document) != c.doc {
				t.Errorf("%v, settled %v, dead letters %.500v", err, settled(l), letters)
			}
		})
	}
}

// A repair changes nothing but what was refused, and never @message.
func FuzzRepair(f *testing.F) {
	for _, doc := range []string{`{"a":1}`, `{"a":{"b":["x",{"c":1}]},"@message":"m"}`, `{"a.b":"x","a":{"b":"y"}}`, `{"":{"":1}}`, `[1]`, `{"overflow":{"a":"1"},"siem":{"repaired":["x"]}}`} {
		for _, reason := range []string{"failed to parse field [a.b] of type [long] in document", "object mapping for [a] tried to parse field [a] as object", "depth of the field has exceeded the allowed limit of [1]"} {
			f.Add(doc, reason, uint8(0))
		}
	}
	f.Add(`{"":"\u0011"}`, "", uint8(slices.Index(repairable, "too_many_fields"))) // fastjson writes it as \x11
	f.Fuzz(func(t *testing.T, doc, reason string, class uint8) {
		mapped := map[string]bool{"overflow": true, "a": true}
		out, tag, ok := repair([]byte(doc), repairable[int(class)%len(repairable)], reason, nil, func() map[string]bool { return mapped })
		if !ok {
			if string(out) != doc {
				t.Fatalf("no repair, and yet %q became %q", doc, out)
			}
			return
		}
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%s: %q became %q: %v", tag, doc, out, err)
		}
		if json.Unmarshal([]byte(doc), &before) != nil {
			return // fastjson takes more than encoding/json
		}
		if strings.Count(doc, `"@message"`) == 1 && string(before["@message"]) != string(after["@message"]) && json.Valid(before["@message"]) {
			var a, b any
			_ = json.Unmarshal(before["@message"], &a)
			_ = json.Unmarshal(after["@message"], &b)
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("@message %q became %q", before["@message"], after["@message"])
			}
		}
		for _, k := range slices.Collect(maps.Keys(after)) {
			if _, was := before[k]; !was && k != "overflow" && k != "siem" {
				t.Errorf("%q has a new field %q", out, k)
			}
		}
	})
}
