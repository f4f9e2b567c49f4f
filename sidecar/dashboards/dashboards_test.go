package dashboards

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/sidecar/cluster"
)

func shipped(t *testing.T) *Set {
	t.Helper()
	s, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReferencesAreThere: each object names only objects that come before it,
// and no id comes twice.
func TestReferencesAreThere(t *testing.T) {
	var file bytes.Buffer
	if err := shipped(t).Write(&file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	counts := map[string]int{}
	for line := range bytes.Lines(file.Bytes()) {
		var o Object
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatal(err)
		}
		for _, r := range o.References {
			if !seen[r.Type+r.ID] {
				t.Errorf("%s %v refers to %s %s, which does not come before it", o.Type, o.Attributes["title"], r.Type, r.ID)
			}
		}
		if seen[o.Type+o.ID] {
			t.Errorf("%s %v has an id that is taken", o.Type, o.Attributes["title"])
		}
		seen[o.Type+o.ID] = true
		counts[o.Type]++
	}
	if counts["dashboard"] < 18 || counts["index-pattern"] < 34 {
		t.Errorf("saved objects: %v", counts)
	}
	t.Logf("saved objects: %v", counts)
}

// TestEveryFieldIsInATemplate: those of aggregations, columns, controls and queries.
func TestEveryFieldIsInATemplate(t *testing.T) {
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	all, err := cluster.Resources(cluster.DefaultSettings(), registry.Set(), cluster.Features{Version: "3.0.0", Flat: true})
	if err != nil {
		t.Fatal(err)
	}
	components := map[string]object{}
	for _, r := range all {
		if r.Kind == "component template" {
			components[r.Name] = r.Body["template"].(object)["mappings"].(object)
		}
	}
	// has reports whether an index that the pattern finds has the field, as one of
	// the kinds if there are any.
	has := func(pattern, field string, kinds ...any) bool {
		for _, r := range all {
			if r.Kind != "index template" {
				continue
			}
			for _, p := range r.Body["index_patterns"].([]any) {
				a, _ := path.Match(pattern, strings.TrimSuffix(p.(string), "*"))
				b, _ := path.Match(p.(string), strings.TrimSuffix(pattern, "*"))
				for _, c := range r.Body["composed_of"].([]any) {
					if kind := mapped(components[c.(string)], field); (a || b) && kind != nil && (len(kinds) == 0 || slices.Contains(kinds, kind)) {
						return true
					}
				}
			}
		}
		return false
	}
	s := shipped(t)
	for _, d := range s.Dashboards {
		index := map[string]string{}
		for _, p := range d.Panels {
			if p.Kind == "search" {
				index[p.Title] = p.Index
			}
		}
		for _, p := range d.Panels {
			if p.Search != "" {
				p.Index = index[p.Search]
			}
			for _, a := range slices.Concat(p.By, p.Series) {
				if a.Missing && !has(p.Index, a.Field, "keyword") {
					t.Errorf("%s: %s: documents without %s have a bucket of texts, and it is none", d.Title, p.Title, a.Field)
				}
			}
			for _, f := range fieldsOf(p) {
				if !has(p.Index, f) {
					t.Errorf("%s: %s: no index template of %s has %s", d.Title, p.Title, p.Index, f)
				}
			}
		}
	}
}

// TestAdvancedSettings: one object, named as the version, with an index pattern
// that is there, and objects as text.
func TestAdvancedSettings(t *testing.T) {
	s := shipped(t)
	o, err := s.Advanced("2.19.0")
	if err != nil {
		t.Fatal(err)
	}
	var ranges []struct{ From, To, Display string }
	if err := json.Unmarshal([]byte(o.Attributes["timepicker:quickRanges"].(string)), &ranges); err != nil || len(ranges) != 15 || ranges[1].From != "now-15m" {
		t.Errorf("%v %v", ranges, err)
	}
	if o.ID != "2.19.0" || o.Type != "config" || o.Attributes["defaultIndex"] != s.pattern("log-*").ID || o.Attributes["histogram:barTarget"] != uint64(barTarget) {
		t.Errorf("%+v", o)
	}
	if text(s.Settings["timepicker:timeDefaults"]) != o.Attributes["timepicker:timeDefaults"] {
		t.Error("the set was changed")
	}
}

// inQuery are the fields of a Lucene query.
var inQuery = regexp.MustCompile(`([@A-Za-z_][\w@.\\/-]*):`)

func fieldsOf(p Panel) []string {
	all := append([]string{}, p.Columns...)
	queries := []string{p.Query}
	for _, list := range [][]Agg{p.Show, p.By, p.Series} {
		for _, a := range list {
			if a.Field != "" {
				all = append(all, a.Field)
			}
			for _, f := range a.Filters {
				queries = append(queries, f.Query)
			}
		}
	}
	for _, c := range p.Controls {
		all = append(all, c.Field)
	}
	for _, q := range queries {
		for _, m := range inQuery.FindAllStringSubmatch(q, -1) {
			if m[1] != "_exists_" {
				all = append(all, strings.ReplaceAll(m[1], `\`, ""))
			}
		}
	}
	return all
}

// mapped is the type of a field, or of the flat object that holds it; nil: it is
// not mapped.
func mapped(at object, field string) any {
	for name := range strings.SplitSeq(field, ".") {
		if at["type"] == "flat_object" {
			return at["type"]
		}
		for _, key := range []string{"properties", "fields"} {
			if next, ok := at[key].(object); ok {
				at, _ = next[name].(object)
				break
			}
		}
		if at == nil {
			return nil
		}
	}
	return at["type"]
}
