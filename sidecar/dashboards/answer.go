package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table is an answer as rows, one for each innermost bucket; first the keys of
// the buckets from the outer to the inner, then the metrics.
type Table struct {
	Columns []Column `json:"columns"`
	Rows    [][]any  `json:"rows"` // a moment is milliseconds since 1970; what there is no value of is nil
}

// Column is a bucket or a metric.
type Column struct {
	Label string `json:"label"`
	Field string `json:"field,omitempty"`
	Role  string `json:"role"` // by, series or show
	Time  bool   `json:"time,omitempty"`
}

// Empty reports whether there is nothing to see: no row, or no metric with a
// value that is not 0.
func (t Table) Empty() bool {
	for _, row := range t.Rows {
		for i, c := range t.Columns {
			if v := row[i]; c.Role == "show" && v != nil && fmt.Sprint(v) != "0" && fmt.Sprint(v) != "0.0" {
				return false
			}
		}
	}
	return true
}

// Table reads the answer to s. Where the innermost terms are counted and shall
// have a bucket for the others, what they leave out is that; elsewhere OpenSearch
// Dashboards asks a second time, and there is no such bucket here.
func (s Search) Table(answer []byte) (Table, error) {
	t := Table{Rows: [][]any{}}
	for _, b := range s.buckets {
		role := "by"
		if b.Schema == "group" {
			role = "series"
		}
		label := b.Params.CustomLabel
		if label == "" {
			label = b.Params.Field
		}
		t.Columns = append(t.Columns, Column{label, b.Params.Field, role, b.Type == "date_histogram"})
	}
	for _, m := range s.metrics {
		for _, label := range m.labels() {
			t.Columns = append(t.Columns, Column{Label: label, Field: m.Params.Field, Role: "show"})
		}
	}
	var got struct {
		Hits         struct{ Total struct{ Value json.Number } }
		Aggregations object
	}
	in := json.NewDecoder(bytes.NewReader(answer))
	in.UseNumber() // 64 bits
	if err := in.Decode(&got); err != nil {
		return t, fmt.Errorf("the answer of OpenSearch: %w", err)
	}
	s.rows(&t, 0, nil, got.Aggregations, got.Hits.Total.Value)
	return t, nil
}

// rows adds a row for each innermost bucket in at.
func (s Search) rows(t *Table, level int, keys []any, at object, count any) {
	if level == len(s.buckets) {
		row := slices.Clone(keys)
		for _, m := range s.metrics {
			row = append(row, m.values(at, count)...)
		}
		t.Rows = append(t.Rows, row)
		return
	}
	b := s.buckets[level]
	result, _ := at[b.ID].(object)
	if b.Type == "filters" {
		named, _ := result["buckets"].(object)
		for _, f := range b.Params.Filters {
			label := labelOf(f.Label, f.Input.Query)
			if bucket, ok := named[label].(object); ok {
				s.rows(t, level+1, append(keys, label), bucket, bucket["doc_count"])
			}
		}
		return
	}
	list, _ := result["buckets"].([]any)
	for _, item := range list {
		bucket, _ := item.(object)
		key := bucket["key"]
		if text, ok := bucket["key_as_string"]; ok && b.Type == "terms" {
			key = text
		}
		s.rows(t, level+1, append(keys, key), bucket, bucket["doc_count"])
	}
	others, _ := result["sum_other_doc_count"].(json.Number)
	counts := !slices.ContainsFunc(s.metrics, func(m agg) bool { return m.Type != "count" })
	if b.Params.OtherBucket && level == len(s.buckets)-1 && counts && others != "" && others != "0" {
		s.rows(t, level+1, append(keys, other), nil, others)
	}
}

// other is the key of the bucket of what the size of terms leaves out.
const other = "__other__"

// labels are what the values of a metric are called.
func (a agg) labels() []string {
	p := a.Params
	if a.Type == "percentiles" {
		var labels []string
		for _, n := range p.Percents {
			labels = append(labels, fmt.Sprintf("%vth percentile of %s", n, labelOf(p.CustomLabel, p.Field)))
		}
		return labels
	}
	name := map[string]string{"count": "Count", "cardinality": "Unique count of ", "sum": "Sum of ", "avg": "Average ", "min": "Min ", "max": "Max ",
		"top_hits": "Last ", "avg_bucket": "Latest"}[a.Type]
	if a.Type == "top_hits" && p.SortOrder == "asc" {
		name = "First "
	}
	return []string{labelOf(p.CustomLabel, name+p.Field)}
}

// values are those of a metric; at is the bucket that holds it.
func (a agg) values(at object, count any) []any {
	if a.Type == "count" {
		return []any{count}
	}
	result, _ := at[a.ID].(object)
	switch a.Type {
	case "percentiles":
		list, _ := result["values"].([]any)
		values := make([]any, len(a.Params.Percents))
		for i := range min(len(list), len(values)) {
			v, _ := list[i].(object)
			values[i] = v["value"]
		}
		return values
	case "top_hits":
		hits, _ := result["hits"].(object)
		list, _ := hits["hits"].([]any)
		var all []string
		for _, item := range list {
			hit, _ := item.(object)
			for _, v := range Values(hit["_source"], a.Params.Field) {
				all = append(all, fmt.Sprint(v))
			}
		}
		if len(all) == 0 {
			return []any{nil}
		}
		return []any{strings.Join(all, ", ")}
	}
	return []any{result["value"]}
}

// Values are those that a document has in a field, whose name may be a path.
func Values(at any, field string) []any {
	switch v := at.(type) {
	case []any:
		var all []any
		for _, item := range v {
			all = append(all, Values(item, field)...)
		}
		return all
	case object:
		if field == "" {
			return []any{v}
		}
		for i := len(field); i > 0; i = strings.LastIndexByte(field[:i], '.') { // names may have dots
			if inner, there := v[field[:i]]; there {
				return Values(inner, strings.TrimPrefix(field[i:], "."))
			}
		}
		return nil
	case nil:
		return nil
	}
	if field != "" {
		return nil
	}
	return []any{at}
}

// Narrow returns the queries that hold for the documents of a bucket: keys are
// those of its columns, from the outermost; fewer are a bucket of an outer level.
func (s Search) Narrow(keys []string) (where []any, err error) {
	if len(keys) > len(s.buckets) {
		return nil, fmt.Errorf("%d keys for %d levels of buckets", len(keys), len(s.buckets))
	}
	for i, key := range keys {
		b := s.buckets[i]
		switch {
		case b.Type == "filters":
			at := slices.IndexFunc(b.Params.Filters, func(f struct {
				Label string
				Input struct{ Query string }
			}) bool {
				return labelOf(f.Label, f.Input.Query) == key
			})
			if at < 0 {
				return nil, fmt.Errorf("there is no filter %q", key)
			}
			where = append(where, both([]string{b.Params.Filters[at].Input.Query}, []any{}))
		case b.Type == "date_histogram":
			ms, err := strconv.ParseInt(key, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no moment", key)
			}
			begin := time.UnixMilli(ms).UTC()
			where = append(where, object{"range": object{b.Params.Field: object{
				"gte": begin.Format(time.RFC3339Nano), "lt": s.interval.after(begin).Format(time.RFC3339Nano), "format": "strict_date_optional_time"}}})
		case key == missing && b.Params.MissingBucket:
			where = append(where, object{"bool": object{"must_not": object{"exists": object{"field": b.Params.Field}}}})
		case key == other && b.Params.OtherBucket:
			return nil, fmt.Errorf("the documents that the other buckets leave out cannot be asked for")
		default:
			where = append(where, object{"term": object{b.Params.Field: key}})
		}
	}
	return where, nil
}

// Conditions are the buckets of terms that keys name, as field=value.
func (s Search) Conditions(keys []string) (all []string) {
	for i, key := range keys {
		if b := s.buckets[i]; b.Type == "terms" && key != missing && key != other {
			all = append(all, b.Params.Field+"="+key)
		}
	}
	return all
}

// Documents is the search for the n newest documents that s is about.
func (s Search) Documents(n int) Search {
	return Search{Index: s.Index, Body: object{"query": s.Body["query"], "size": n, "sort": newest}}
}

// after is the moment at which a bar that begins at t ends.
func (i interval) after(t time.Time) time.Time {
	switch i.text {
	case "1M":
		return t.AddDate(0, 1, 0)
	case "1y":
		return t.AddDate(1, 0, 0)
	}
	return t.Add(i.long)
}

// Document is what a search for documents finds.
type Document struct {
	Index  string         `json:"_index"`
	ID     string         `json:"_id"`
	Source map[string]any `json:"_source"`
}

// Documents reads the answer to the search of a saved search, and how many there
// are altogether (at most 10,000 are counted).
func Documents(answer []byte) (list []Document, total int, err error) {
	var got struct {
		Hits struct {
			Total struct{ Value int }
			Hits  []Document
		}
	}
	in := json.NewDecoder(bytes.NewReader(answer))
	in.UseNumber()
	if err := in.Decode(&got); err != nil {
		return nil, 0, fmt.Errorf("the answer of OpenSearch: %w", err)
	}
	return got.Hits.Hits, got.Hits.Total.Value, nil
}
