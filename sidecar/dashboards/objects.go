package dashboards

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
)

type object = map[string]any

// Object is a saved object, one line of the file that is imported.
type Object struct {
	ID         string      `json:"id"`
	Type       string      `json:"type"`
	Attributes object      `json:"attributes"`
	References []Reference `json:"references"`
}

// Reference is how one saved object names another.
type Reference struct {
	Name string `json:"name"`
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Write writes the saved objects as NDJSON.
func (s *Set) Write(w io.Writer) error {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for _, o := range s.Objects() {
		if err := lines.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

// Objects returns the index patterns, searches, visualizations and dashboards;
// what is named comes before what names it.
func (s *Set) Objects() []Object {
	var all []Object
	for _, p := range s.Patterns {
		formats := object{}
		for field, kind := range p.Formats {
			formats[field] = object{"id": kind}
		}
		all = append(all, Object{p.ID, "index-pattern", object{
			"title": p.Title, "timeFieldName": "@timestamp", "fieldFormatMap": text(formats),
		}, []Reference{}})
	}
	for _, p := range s.Searches {
		all = append(all, s.object(Dashboard{}, p))
	}
	for _, d := range s.Dashboards { // panels name the searches beside them
		for _, p := range d.Panels {
			if p.Kind == "search" {
				all = append(all, s.object(d, p))
			}
		}
	}
	for _, d := range s.Dashboards {
		var panels []object
		var refs []Reference
		for i, p := range d.Panels {
			o := s.object(d, p)
			if p.Kind != "search" {
				all = append(all, o)
			}
			n := strconv.Itoa(i + 1)
			panels = append(panels, object{
				"panelIndex": n, "panelRefName": "panel_" + n, "embeddableConfig": object{}, "version": "2.0.0",
				"gridData": object{"i": n, "x": p.At[0], "y": p.At[1], "w": p.At[2], "h": p.At[3]},
			})
			refs = append(refs, Reference{"panel_" + n, o.Type, o.ID})
		}
		attributes := object{
			"title": d.Title, "hits": 0, "version": 1, "description": "", "timeRestore": d.From != "",
			"panelsJSON": text(panels), "optionsJSON": text(object{"hidePanelTitles": false, "useMargins": true}),
			"kibanaSavedObjectMeta": source(d.Query, object{}),
		}
		if d.From != "" {
			attributes["timeFrom"], attributes["timeTo"] = d.From, "now"
		}
		all = append(all, Object{d.ID, "dashboard", attributes, refs})
	}
	return all
}

// Advanced is the object with the advanced settings for a version of OpenSearch
// Dashboards, such as 2.19.0, which is its id: it replaces a tenant's own settings.
func (s *Set) Advanced(version string) (Object, error) {
	attributes := maps.Clone(s.Settings)
	pattern := s.pattern(fmt.Sprint(attributes["defaultIndex"]))
	if pattern == nil {
		return Object{}, fmt.Errorf("defaultIndex %v is no index pattern", attributes["defaultIndex"])
	}
	attributes["defaultIndex"] = pattern.ID
	names, _ := attributes["timepicker:quickRanges"].([]any)
	var ranges []object
	for _, n := range names {
		r := object{"from": fmt.Sprintf("now-%v", n), "to": "now", "display": fmt.Sprintf("Last %v", n)}
		if n == "Today" {
			r = object{"from": "now/d", "to": "now/d", "display": n}
		}
		ranges = append(ranges, r)
	}
	attributes["timepicker:quickRanges"] = text(ranges) // OpenSearch Dashboards keeps objects as text
	attributes["timepicker:timeDefaults"] = text(attributes["timepicker:timeDefaults"])
	return Object{version, "config", attributes, []Reference{}}, nil
}

// idOf is the same for the same names, and looks as OpenSearch Dashboards' own.
func idOf(names ...string) string {
	h := sha256.Sum256([]byte(fmt.Sprintf("%q", names)))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of texts and numbers
	}
	return string(b)
}

// source is where an object keeps its query.
func source(query string, more object) object {
	more["query"] = object{"language": "lucene", "query": query}
	more["filter"] = []any{}
	return object{"searchSourceJSON": text(more)}
}

// indexRef is the name by which objects refer to their index pattern.
const indexRef = "kibanaSavedObjectMeta.searchSourceJSON.index"

func (s *Set) object(d Dashboard, p Panel) Object {
	o := Object{ID: idOf(d.ID, p.Title), Type: "visualization", References: []Reference{}}
	more := object{}
	if p.Index != "" && p.Kind != "controls" {
		more["indexRefName"] = indexRef
		o.References = append(o.References, Reference{indexRef, "index-pattern", s.pattern(p.Index).ID})
	}
	o.Attributes = object{"title": p.Title, "description": "", "version": 1, "kibanaSavedObjectMeta": source(p.Query, more)}
	if p.Kind == "search" {
		o.Type = "search"
		o.Attributes["columns"] = p.Columns
		o.Attributes["sort"] = [][]string{{"@timestamp", "desc"}}
		o.Attributes["hits"] = 0
		return o
	}
	if p.Search != "" {
		o.Attributes["savedSearchRefName"] = "search_0"
		o.References = append(o.References, Reference{"search_0", "search", idOf(d.ID, p.Search)})
	}
	params := params(p)
	if p.Kind == "controls" {
		var controls []object
		for i, c := range p.Controls {
			ref := fmt.Sprintf("control_%d_index_pattern", i)
			o.References = append(o.References, Reference{ref, "index-pattern", s.pattern(p.Index).ID})
			control := object{
				"id": strconv.Itoa(i), "type": "list", "fieldName": c.Field, "label": c.Label, "parent": "", "indexPatternRefName": ref,
				"options": object{"type": "terms", "multiselect": c.Multi, "dynamicOptions": true, "size": 5, "order": "desc"},
			}
			for j, above := range p.Controls {
				if c.Parent != "" && above.Label == c.Parent {
					control["parent"] = strconv.Itoa(j)
				}
			}
			controls = append(controls, control)
		}
		params["controls"] = controls
	}
	o.Attributes["uiStateJSON"] = "{}"
	o.Attributes["visState"] = text(object{"title": p.Title, "type": kinds[p.Kind], "params": params, "aggs": aggs(p)})
	return o
}
