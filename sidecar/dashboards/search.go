package dashboards

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Request is when, and what besides, a panel is asked for.
type Request struct {
	From, To time.Time
	Where    []any // queries that hold, too
}

// Search is a request to _search that OpenSearch Dashboards makes for a panel.
type Search struct {
	Index string // an index pattern
	Body  map[string]any

	metrics, buckets []agg
	interval         interval // of a histogram of time
}

// Saved are saved objects by type and id.
type Saved map[[2]string]Object

// ByID returns the objects of a set so that one finds another.
func (s *Set) ByID() Saved {
	saved := Saved{}
	for _, o := range s.Objects() {
		saved[[2]string{o.Type, o.ID}] = o
	}
	return saved
}

// Panels returns the objects that a dashboard places, in its order.
func (s Saved) Panels(dashboard string) (panels []Object, err error) {
	d, err := s.find("dashboard", dashboard)
	if err != nil {
		return nil, err
	}
	for _, r := range d.References {
		o, err := s.find(r.Type, r.ID)
		if err != nil {
			return nil, err
		}
		panels = append(panels, o)
	}
	return panels, nil
}

// Searches returns what OpenSearch Dashboards 2.x asks for a visualization or
// saved search on a dashboard: nothing for a text, a search for each list of
// controls, else one. The buckets "Other" are left out: for those it asks again,
// with the answer to the first request; see [Search.Table]. Of a top hit it wants
// the column beside the source where the field's type has one.
func (s Saved) Searches(dashboard string, panel Object, r Request) ([]Search, error) {
	d, err := s.find("dashboard", dashboard)
	if err != nil {
		return nil, err
	}
	queries, index, err := s.chain(panel)
	if err != nil {
		return nil, err
	}
	_, query, err := sourceOf(d)
	if err != nil {
		return nil, err
	}
	filter := slices.Concat([]any{object{"match_all": object{}}}, r.Where, []any{object{"range": object{"@timestamp": object{
		"gte": r.From.UTC().Format(time.RFC3339Nano), "lte": r.To.UTC().Format(time.RFC3339Nano), "format": "strict_date_optional_time"}}}})
	body := func() object {
		return object{"query": both(append(slices.Clone(queries), query), filter), "stored_fields": []string{"*"},
			"docvalue_fields": []object{{"field": "@timestamp", "format": "date_time"}}, "_source": object{"excludes": []string{}}}
	}
	if panel.Type == "search" {
		b := body()
		b["size"], b["version"], b["sort"] = 500, true, newest
		return []Search{{Index: index, Body: b}}, nil
	}
	var state struct {
		Type   string
		Aggs   []agg
		Params struct {
			Controls []struct {
				FieldName, IndexPatternRefName string
				Options                        struct{ Size int }
			}
		}
	}
	if err := json.Unmarshal(fmt.Append(nil, panel.Attributes["visState"]), &state); err != nil {
		return nil, fmt.Errorf("visState of %v: %w", panel.Attributes["title"], err)
	}
	var all []Search
	for _, c := range state.Params.Controls {
		pattern, err := s.referred(panel, c.IndexPatternRefName)
		if err != nil {
			return nil, err
		}
		b := body()
		b["size"], b["aggs"] = 0, object{"termsAgg": object{"terms": object{"field": c.FieldName, "size": c.Options.Size, "order": object{"_count": "desc"}}}}
		all = append(all, Search{Index: fmt.Sprint(pattern.Attributes["title"]), Body: b,
			buckets: []agg{{ID: "termsAgg", Type: "terms", Params: aggParams{Field: c.FieldName}}}, metrics: []agg{{Type: "count"}}})
	}
	if len(state.Aggs) == 0 {
		return all, nil
	}
	search := Search{Index: index, Body: body(), interval: auto(r.To.Sub(r.From))}
	for _, a := range state.Aggs {
		if a.isBucket() {
			search.buckets = append(search.buckets, a)
		} else {
			search.metrics = append(search.metrics, a)
		}
	}
	search.Body["size"], search.Body["aggs"] = 0, search.aggregations(0)
	return append(all, search), nil
}

// newest sorts documents.
var newest = []object{{"@timestamp": object{"order": "desc", "unmapped_type": "boolean"}}}

// chain is the queries of an object and of the search that it is made of, and
// the index pattern.
func (s Saved) chain(o Object) (queries []string, index string, err error) {
	ref, query, err := sourceOf(o)
	if err != nil {
		return nil, "", err
	}
	queries = append(queries, query)
	if ref != "" {
		pattern, err := s.referred(o, ref)
		return queries, fmt.Sprint(pattern.Attributes["title"]), err
	}
	name, _ := o.Attributes["savedSearchRefName"].(string)
	if name == "" {
		return queries, "", nil // text, or controls
	}
	search, err := s.referred(o, name)
	if err != nil {
		return nil, "", err
	}
	more, index, err := s.chain(search)
	return append(queries, more...), index, err
}

func (s Saved) referred(o Object, name string) (Object, error) {
	for _, r := range o.References {
		if r.Name == name {
			return s.find(r.Type, r.ID)
		}
	}
	return Object{}, fmt.Errorf("%v has no reference %q", o.Attributes["title"], name)
}

func (s Saved) find(kind, id string) (Object, error) {
	o, there := s[[2]string{kind, id}]
	if !there {
		return o, fmt.Errorf("there is no %s %s", kind, id)
	}
	return o, nil
}

// sourceOf reads where an object keeps its query, see [source].
func sourceOf(o Object) (indexRef, query string, err error) {
	var source struct {
		IndexRefName string
		Query        struct{ Query string }
	}
	meta, _ := o.Attributes["kibanaSavedObjectMeta"].(object)
	if err := json.Unmarshal(fmt.Append(nil, meta["searchSourceJSON"]), &source); err != nil {
		return "", "", fmt.Errorf("searchSourceJSON of %v: %w", o.Attributes["title"], err)
	}
	return source.IndexRefName, source.Query.Query, nil
}

// both is a query for which all hold.
func both(lucene []string, filter []any) object {
	must := []any{}
	for _, q := range lucene {
		if strings.TrimSpace(q) != "" {
			must = append(must, object{"query_string": object{"query": q, "analyze_wildcard": true, "time_zone": "UTC"}})
		}
	}
	return object{"bool": object{"must": must, "filter": filter, "should": []any{}, "must_not": []any{}}}
}

// agg is an aggregation of visState, see [aggs].
type agg struct {
	ID, Type, Schema string
	Params           aggParams
}

// aggParams are those of all kinds of aggregations.
type aggParams struct {
	Field, Order, OrderBy, SortField, SortOrder, CustomLabel string
	Size                                                     int
	MinDocCount                                              int `json:"min_doc_count"`
	OtherBucket, MissingBucket                               bool
	Percents                                                 []float64
	Filters                                                  []struct {
		Label string
		Input struct{ Query string }
	}
	CustomBucket, CustomMetric *agg
}

func (a agg) isBucket() bool {
	return a.Type == "terms" || a.Type == "filters" || a.Type == "date_histogram"
}

// aggregations nests the buckets from the outer to the inner; metrics are in the
// innermost, and where buckets are sorted by them.
func (s Search) aggregations(level int) object {
	all := object{}
	if level == len(s.buckets) {
		for _, m := range s.metrics {
			m.ask(all)
		}
		return all
	}
	b := s.buckets[level]
	inner := s.aggregations(level + 1)
	var is object
	switch b.Type {
	case "filters":
		named := object{}
		for _, f := range b.Params.Filters {
			named[labelOf(f.Label, f.Input.Query)] = both([]string{f.Input.Query}, []any{})
		}
		is = object{"filters": object{"filters": named}}
	case "date_histogram":
		is = object{"date_histogram": object{"field": b.Params.Field, s.interval.kind(): s.interval.text, "time_zone": "UTC", "min_doc_count": b.Params.MinDocCount}}
	default:
		by := b.Params.OrderBy
		for _, m := range s.metrics {
			if m.ID == by && m.Type == "count" {
				by = "_count"
			} else if m.ID == by {
				m.ask(inner)
			}
		}
		terms := object{"field": b.Params.Field, "size": b.Params.Size, "order": object{by: b.Params.Order}}
		if b.Params.MissingBucket {
			terms["missing"] = missing
		}
		is = object{"terms": terms}
	}
	if len(inner) > 0 {
		is["aggs"] = inner
	}
	all[b.ID] = is
	return all
}

// missing is the bucket of documents without the field; it is asked for fields of
// texts only.
const missing = "__missing__"

func labelOf(label, query string) string {
	for _, text := range []string{label, query} {
		if text != "" {
			return text
		}
	}
	return "*"
}

// ask adds a metric; a count needs no asking.
func (a agg) ask(to object) {
	p := a.Params
	switch a.Type {
	case "count":
	case "avg_bucket":
		inner := object{}
		p.CustomMetric.ask(inner)
		path := p.CustomBucket.ID + ">" + p.CustomMetric.ID
		if p.CustomMetric.Type == "count" {
			path = p.CustomBucket.ID + ">_count"
		}
		terms := object{"field": p.CustomBucket.Params.Field, "size": p.CustomBucket.Params.Size, "order": object{"_key": p.CustomBucket.Params.Order}}
		to[p.CustomBucket.ID] = object{"terms": terms, "aggs": inner}
		to[a.ID] = object{"avg_bucket": object{"buckets_path": path}}
	case "top_hits":
		to[a.ID] = object{"top_hits": object{"_source": p.Field, "size": p.Size, "sort": []object{{p.SortField: object{"order": p.SortOrder}}}}}
	case "percentiles":
		to[a.ID] = object{"percentiles": object{"field": p.Field, "percents": p.Percents, "keyed": false}}
	default:
		to[a.ID] = object{a.Type: object{"field": p.Field}}
	}
}

// interval is the width of a bar of time.
type interval struct {
	text string
	long time.Duration // a month has 30 days, a year 365
}

// kind is how OpenSearch wants to be told.
func (i interval) kind() string {
	if strings.HasSuffix(i.text, "ms") || i.text[0] != '1' || i.text[1] < 'A' || i.text == "1s" {
		return "fixed_interval"
	}
	return "calendar_interval"
}

const day = 24 * time.Hour

// intervals are those that OpenSearch Dashboards chooses from, each when a bar
// would be at least so long.
var intervals = []struct {
	from time.Duration
	interval
}{
	{365 * day, interval{"1y", 365 * day}}, {21 * day, interval{"1M", 30 * day}}, {7 * day, interval{"1w", 7 * day}},
	{day, interval{"1d", day}}, {6 * time.Hour, interval{"12h", 12 * time.Hour}}, {2 * time.Hour, interval{"3h", 3 * time.Hour}},
	{45 * time.Minute, interval{"1h", time.Hour}}, {20 * time.Minute, interval{"30m", 30 * time.Minute}}, {9 * time.Minute, interval{"10m", 10 * time.Minute}},
	{3 * time.Minute, interval{"5m", 5 * time.Minute}}, {45 * time.Second, interval{"1m", time.Minute}}, {15 * time.Second, interval{"30s", 30 * time.Second}},
	{7500 * time.Millisecond, interval{"10s", 10 * time.Second}}, {5 * time.Second, interval{"5s", 5 * time.Second}}, {0, interval{"1s", time.Second}},
}

// barTarget is the setting histogram:barTarget, see [Set.Advanced].
const barTarget = 100

// auto is the interval for some hundred bars.
func auto(span time.Duration) interval {
	for _, i := range intervals {
		if span/barTarget >= i.from {
			return i.interval
		}
	}
	return intervals[len(intervals)-1].interval
}
