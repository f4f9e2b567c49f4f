package dashboards

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// searchOf is what a panel with the title asks for over a day.
func searchOf(t *testing.T, dashboard, title string) Search {
	t.Helper()
	s := shipped(t)
	saved := s.ByID()
	for _, d := range s.Dashboards {
		if d.Title != dashboard {
			continue
		}
		panels, err := saved.Panels(d.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range panels {
			if p.Attributes["title"] == title {
				to := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
				all, err := saved.Searches(d.ID, p, Request{From: to.Add(-day), To: to})
				if err != nil || len(all) != 1 {
					t.Fatalf("%d searches, %v", len(all), err)
				}
				return all[0]
			}
		}
	}
	t.Fatalf("no panel %q", title)
	return Search{}
}

// TestSearchIsThatOfOpenSearchDashboards: the request as its inspector shows it for
// a chart by time with a line for each value, on a dashboard with a query.
func TestSearchIsThatOfOpenSearchDashboards(t *testing.T) {
	got, err := json.Marshal(searchOf(t, "Web Summary", "Web - Status Code / Date Histogram").Body)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
	  "size": 0,
	  "aggs": {"2": {
	    "date_histogram": {"field": "@timestamp", "fixed_interval": "10m", "time_zone": "UTC", "min_doc_count": 1},
	    "aggs": {"3": {"terms": {"field": "http.response.status_code", "order": {"_count": "desc"}, "size": 8}}}
	  }},
	  "stored_fields": ["*"],
	  "docvalue_fields": [{"field": "@timestamp", "format": "date_time"}],
	  "_source": {"excludes": []},
	  "query": {"bool": {
	    "must": [
	      {"query_string": {"query": "event.module:access", "analyze_wildcard": true, "time_zone": "UTC"}},
	      {"query_string": {"query": "NOT user_agent.original:(\"ELB-HealthChecker/1.0\" OR \"ELB-HealthChecker/2.0\")", "analyze_wildcard": true, "time_zone": "UTC"}}
	    ],
	    "filter": [{"match_all": {}}, {"range": {"@timestamp": {"gte": "2026-01-01T00:00:00Z", "lte": "2026-01-02T00:00:00Z", "format": "strict_date_optional_time"}}}],
	    "should": [], "must_not": []
	  }}
	}`
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(want), &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestIntervals are those of OpenSearch Dashboards for a hundred bars.
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		span       time.Duration
		kind, text string
	}{
		{15 * time.Minute, "fixed_interval", "10s"}, {time.Hour, "fixed_interval", "30s"}, {4 * time.Hour, "calendar_interval", "1m"}, {day, "fixed_interval", "10m"},
		{7 * day, "calendar_interval", "1h"}, {30 * day, "fixed_interval", "12h"}, {365 * day, "calendar_interval", "1d"},
		{3650 * day, "calendar_interval", "1M"}, {36500 * day, "calendar_interval", "1y"}, {time.Second, "fixed_interval", "1s"},
	} {
		if i := auto(c.span); i.text != c.text || i.kind() != c.kind {
			t.Errorf("%s: %s %s, want %s %s", c.span, i.kind(), i.text, c.kind, c.text)
		}
	}
}

// TestTable: an answer becomes rows, and a row leads to its documents.
func TestTable(t *testing.T) {
	s := searchOf(t, "Web Summary", "Web - Status Code / Date Histogram")
	table, err := s.Table([]byte(`{"hits":{"total":{"value":9}},"aggregations":{"2":{"buckets":[
		{"key":1767225600000,"key_as_string":"x","doc_count":9,"3":{"sum_other_doc_count":2,"buckets":[{"key":"200","doc_count":7}]}}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(table.Rows)
	if want := `[[1767225600000,"200",7],[1767225600000,"__other__",2]]`; err != nil || string(got) != want {
		t.Errorf("rows %s, want %s", got, want)
	}
	if table.Empty() || !table.Columns[0].Time || table.Columns[1].Role != "series" || table.Columns[2].Label != "Count" {
		t.Errorf("columns %+v", table.Columns)
	}
	where, err := s.Narrow([]string{"1767225600000", "200"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := text(where), `[{"range":{"@timestamp":{"format":"strict_date_optional_time","gte":"2026-01-01T00:00:00Z","lt":"2026-01-01T00:10:00Z"}}},{"term":{"http.response.status_code":"200"}}]`; got != want {
		t.Errorf("the documents of a row: %s, want %s", got, want)
	}
	for _, keys := range [][]string{{"noon"}, {"1", "2", "3"}, {"1767225600000", other}} {
		if _, err := s.Narrow(keys); err == nil {
			t.Errorf("%q are no keys of a bucket", keys)
		}
	}
}

// TestValues: names may be paths, have dots, and lead through lists.
func TestValues(t *testing.T) {
	doc := object{"a": object{"b.c": []any{object{"d": 1}, object{"d": []any{2, nil}}}}, "e": "x"}
	for field, want := range map[string][]any{"a.b.c.d": {1, 2}, "e": {"x"}, "e.f": nil, "a.x": nil} {
		if got := Values(doc, field); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", field, got, want)
		}
	}
}
