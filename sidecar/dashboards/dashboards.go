// Package dashboards turns the descriptions of conf/opensearch/dashboards into
// saved objects that OpenSearch Dashboards 2.x imports ([Set.Write]).
//
// # Promises
//
//   - Dashboards and index patterns have the original's ids; the id of any other
//     object follows from its dashboard and title. So a later import replaces it,
//     and nothing else.
//   - A description with an unknown key, kind or aggregation is refused.
//   - Every field that a panel names is in an index template.
package dashboards

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/conf"
)

// Dashboard is one file: panels on a grid of 48 columns.
type Dashboard struct {
	ID     string  `yaml:"id"`
	Title  string  `yaml:"title"`
	From   string  `yaml:"from"`  // where the time range begins, such as now-7d; "": the user's
	Query  string  `yaml:"query"` // Lucene; holds for each panel
	Panels []Panel `yaml:"panels"`
}

// Panel is one visualization, saved search or heading.
type Panel struct {
	Title    string    `yaml:"title"`
	Kind     string    `yaml:"kind"`   // see kinds
	At       [4]int    `yaml:"at"`     // column, row, width, height
	Index    string    `yaml:"index"`  // title of an index pattern
	Search   string    `yaml:"search"` // or of a search on the same dashboard, whose query holds, too
	Query    string    `yaml:"query"`  // Lucene
	Show     []Agg     `yaml:"show"`   // metrics
	By       []Agg     `yaml:"by"`     // slices, rows, or the axis
	Series   []Agg     `yaml:"series"` // a line, colour or number for each
	Text     string    `yaml:"text"`   // Markdown
	Columns  []string  `yaml:"columns"`
	Controls []Control `yaml:"controls"`
}

// Agg is a metric or a bucket.
type Agg struct {
	// Of is count, sum, avg, min, max, cardinality, percentiles, top_hit; or terms,
	// filters, time (a histogram of @timestamp).
	Of string `yaml:"of"`
	// Latest is a metric of the newest moment only: index metrics come as a whole
	// every hour.
	Latest   string   `yaml:"latest"`
	Field    string   `yaml:"field"`
	Label    string   `yaml:"label"`
	Size     int      `yaml:"size"`    // of terms; 0: 5
	ByKey    bool     `yaml:"by_key"`  // terms in their order, not by the first metric
	Other    bool     `yaml:"other"`   // with what the size leaves out
	Missing  bool     `yaml:"missing"` // with documents without the field
	First    bool     `yaml:"first"`   // top_hit: the oldest, not the newest
	Percents []int    `yaml:"percents"`
	Filters  []Filter `yaml:"filters"`
}

// Filter is one bucket of filters.
type Filter struct {
	Label string `yaml:"label"`
	Query string `yaml:"query"` // Lucene
}

// Control is a drop-down list of the values of a field.
type Control struct {
	Field  string `yaml:"field"`
	Label  string `yaml:"label"`
	Multi  bool   `yaml:"multi"`
	Parent string `yaml:"parent"` // label of the control that narrows this one
}

// Pattern is an index pattern; its time field is @timestamp.
type Pattern struct {
	ID      string            `yaml:"id"`
	Title   string            `yaml:"title"`
	Formats map[string]string `yaml:"formats"` // field → how it is shown
}

// Set is all that ships.
type Set struct {
	Patterns   []Pattern      `yaml:"patterns"`
	Searches   []Panel        `yaml:"searches"` // that no dashboard places
	Settings   map[string]any `yaml:"settings"` // see [Set.Advanced]
	Dashboards []Dashboard
}

// kinds are the kinds of panels and what OpenSearch Dashboards calls them.
var kinds = map[string]string{
	"bar": "histogram", "line": "line", "area": "area", "pie": "pie", "donut": "pie", "table": "table", "metric": "metric",
	"map": "region_map", "heatmap": "heatmap", "markdown": "markdown", "controls": "input_control_vis", "search": "search",
}

var metrics = []string{"count", "sum", "avg", "min", "max", "cardinality", "percentiles", "top_hit"}
var buckets = []string{"terms", "filters", "time"}

// Shipped reads and checks the descriptions of conf/opensearch/dashboards.
func Shipped() (*Set, error) {
	files, err := fs.Glob(conf.Dashboards, "opensearch/dashboards/*.yaml")
	if err != nil {
		return nil, err
	}
	s := new(Set)
	for _, file := range files {
		text, err := conf.Dashboards.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if path.Base(file) == "index-patterns.yaml" {
			err = yaml.UnmarshalWithOptions(text, s, yaml.DisallowUnknownField())
		} else {
			var d Dashboard
			err = yaml.UnmarshalWithOptions(text, &d, yaml.DisallowUnknownField())
			s.Dashboards = append(s.Dashboards, d)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return s, s.check()
}

// check reports every mistake at once.
func (s *Set) check() error {
	var bad []error
	for _, d := range s.Dashboards {
		for _, p := range d.Panels {
			say := func(format string, args ...any) {
				bad = append(bad, fmt.Errorf("dashboard %q, panel %q: %s", d.Title, p.Title, fmt.Sprintf(format, args...)))
			}
			if kinds[p.Kind] == "" {
				say("%q is no kind of panel", p.Kind)
			}
			if x, w, h := p.At[0], p.At[2], p.At[3]; x < 0 || w <= 0 || h <= 0 || x+w > 48 {
				say("%v is no place on a grid of 48 columns", p.At)
			}
			if p.Search != "" && !slices.ContainsFunc(d.Panels, func(q Panel) bool { return q.Kind == "search" && q.Title == p.Search }) {
				say("there is no search %q on the dashboard", p.Search)
			}
			if p.Index != "" && s.pattern(p.Index) == nil {
				say("%q is no index pattern", p.Index)
			}
			if p.Index == "" && p.Search == "" && p.Kind != "markdown" {
				say("it names neither index nor search")
			}
			for _, a := range p.Show {
				if name := a.Of + a.Latest; !slices.Contains(metrics, name) || (a.Field == "") != (name == "count") {
					say("%+v is no metric", a)
				}
			}
			for _, a := range slices.Concat(p.By, p.Series) {
				if !slices.Contains(buckets, a.Of) || (a.Field == "") == (a.Of == "terms") || (len(a.Filters) == 0) == (a.Of == "filters") {
					say("%+v is no bucket", a)
				}
			}
		}
	}
	return errors.Join(bad...)
}

func (s *Set) pattern(title string) *Pattern {
	if i := slices.IndexFunc(s.Patterns, func(p Pattern) bool { return p.Title == title }); i >= 0 {
		return &s.Patterns[i]
	}
	return nil
}
