// Package golden compares the documents that this project makes with those
// that SIEM on Amazon OpenSearch Service v2.10.4 made of the same objects.
//
// A case is a directory cases/<log type>/<case>: the object, case.json (key,
// bucket, conditions), documents.ndjson (what the original made). Another
// directory of the same layout is named with
//
//	go test ./test/golden -args -dir DIR
//
// Where the documents differ on purpose, the difference has a row in the table
// of permitted differences; any other difference fails.
package golden

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/exclude"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

var dir = flag.String("dir", "cases", "directory of cases")

// clock is the time at which the original made the documents.
var clock = time.Date(2024, 6, 15, 0, 0, 0, 0, time.UTC)

// goldenCase is case.json.
type goldenCase struct {
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	LogType string `json:"log_type"`
	Object  string `json:"object"`
	Notes   string `json:"notes"`
	Defect  string `json:"defect"`
	Split   struct {
		First uint64 `json:"start_number"`
		Last  uint64 `json:"end_number"`
	} `json:"split"`
	UserINI      string            `json:"user_ini"`
	Environment  map[string]string `json:"environment"`
	ReadOnly     []string          `json:"read_only_indices"`
	IOC          []json.RawMessage `json:"ioc"`
	ExclusionCSV string            `json:"exclusion_csv"`
	Parameters   [][2]string       `json:"parameters"`
	Mismatches   int               `json:"records_dropped_pattern_mismatch"`
	Proxies      []struct {
		Network string `json:"cidr"`
	} `json:"trusted_proxies"`

	dir string
}

type document struct {
	Index  string         `json:"_index"`
	ID     string         `json:"_id"`
	Source map[string]any `json:"_source"`
}

func TestGolden(t *testing.T) {
	geo := enrich.OpenGeo("../../filters/enrich/testdata/mmdb", discard)
	defer geo.Close()
	if len(geo.Versions()) != 2 {
		t.Fatalf("GeoIP test databases: %v", geo.Versions())
	}
	paths, err := filepath.Glob(filepath.Join(*dir, "*", "*", "case.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s: %v", *dir, err)
	}
	tally := map[string]*counts{}
	used := map[*permitted]int{}
	for _, path := range paths {
		group := filepath.Base(filepath.Dir(filepath.Dir(path)))
		name := group + "/" + filepath.Base(filepath.Dir(path))
		if tally[group] == nil {
			tally[group] = new(counts)
		}
		t.Run(name, func(t *testing.T) { runCase(t, path, geo, tally[group], used) })
	}
	var report strings.Builder
	groups := make([]string, 0, len(tally))
	for g := range tally {
		groups = append(groups, g)
	}
	sort.Strings(groups)
	for _, g := range groups {
		n := tally[g]
		fmt.Fprintf(&report, "%-28s %4d of %4d documents identical", g, n.identical, n.documents)
		if n.permitted+n.more > 0 {
			fmt.Fprintf(&report, ", %d differ as permitted, %d that the original lost", n.permitted, n.more)
		}
		report.WriteByte('\n')
	}
	t.Logf("\n%s", report.String())
	if *dir == "cases" {
		for i := range table {
			if used[&table[i]] == 0 {
				t.Errorf("permitted difference %q is met by no case: delete the row", table[i].reason)
			}
		}
	}
}

type counts struct{ documents, identical, permitted, more int }

func runCase(t *testing.T, path string, geo *enrich.Geo, n *counts, used map[*permitted]int) {
	c := readCase(t, path)
	want := readDocuments(t, filepath.Join(c.dir, "documents.ndjson"))
	got, failed := convert(t, c, geo)
	n.documents += len(want)
	pairs, missing, more := match(c, want, got)
	for _, d := range missing {
		if excludedByCSV(t, c, d) {
			n.permitted++
			continue
		}
		t.Errorf("the document of %.200v is missing (records failed: %v)", d.Source["@message"], failed)
	}
	if len(more) > 0 && c.Defect == "" && c.Mismatches == 0 {
		t.Errorf("%d documents more than the original made, and no defect of the original explains them; the first: %.300v", len(more), more[0].Source["@message"])
	}
	n.more += len(more)
	for _, p := range pairs {
		diffs := compare(c, p[0], p[1])
		open := slices.DeleteFunc(slices.Clone(diffs), func(d difference) bool { return d.row != nil })
		for _, d := range diffs {
			if d.row != nil {
				used[d.row]++
			}
		}
		switch {
		case len(diffs) == 0:
			n.identical++
		case len(open) == 0:
			n.permitted++
		default:
			for _, d := range open {
				t.Errorf("%s:\n  want %s\n  got  %s", d.path, brief(d.want), brief(d.got))
			}
		}
	}
}

func brief(v any) string {
	b, _ := json.Marshal(v)
	if len(b) > 400 {
		b = append(b[:400], "…"...)
	}
	return string(b)
}

func readDocuments(t *testing.T, path string) []document {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []document
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if len(lines.Bytes()) > 0 {
			all = append(all, parseDocument(t, lines.Bytes()))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func parseDocument(t *testing.T, line []byte) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(line, &d); err != nil {
		t.Fatalf("%v: %.300s", err, line)
	}
	return d
}

func readCase(t *testing.T, path string) goldenCase {
	t.Helper()
	var c goldenCase
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.dir = filepath.Dir(path)
	return c
}

// convert runs a case through the same code as the filter.
func convert(t *testing.T, c goldenCase, geo *enrich.Geo) (docs []document, failed []error) {
	t.Helper()
	types := logTypes(t, c)
	lt, why := types.Match(c.Bucket, c.Key)
	if lt == nil {
		return nil, []error{fmt.Errorf("%s", why)}
	}
	engine := &ecs.Engine{
		IDs: ecs.Content, Geo: geo, Agents: agents, Now: func() time.Time { return clock },
		Indicators: indicators(t, c), Proxies: proxies(t, c), Rules: rules(t, c),
	}
	switch c.Environment["AOSS_TYPE"] {
	case "SEARCH":
		engine.Collection = ecs.Search
	case "TIMESERIES":
		engine.Collection = ecs.TimeSeries
	}
	f, err := os.Open(filepath.Join(c.dir, c.Object))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	framing := lt.Framing()
	framing.First, framing.Last = c.Split.First, c.Split.Last
	conv := engine.NewConverter()
	var object *ecs.Object
	var head *split.Head
	_, err = split.Records(f, framing, split.Limits{}, func(r split.Record) error {
		if r.Bad != nil {
			failed = append(failed, fmt.Errorf("record %d: %w", r.Number, r.Bad))
			return nil
		}
		if head != r.Head {
			head = r.Head
			src := lease.Source{Bucket: c.Bucket, Key: c.Key, LogType: lt.Name, Header: r.Head.Header}
			if r.Head.Kind == split.Parquet {
				src.Format = "json"
			}
			if object, err = conv.Object(lt, src); err != nil {
				return err
			}
		}
		err := conv.Convert(object, r.Number, r.Envelope, r.Raw)
		if _, excluded := err.(*ecs.Excluded); excluded {
			return nil
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("record %d: %w", r.Number, err))
			return nil
		}
		source := conv.AppendJSON(nil)
		packed, rest, err := event.AppendJSON(nil, conv.AppendMsgpack(nil))
		if err != nil || len(rest) > 0 {
			t.Errorf("the document as msgpack: %v, %d bytes left", err, len(rest))
		}
		if !sameJSON(source, packed) {
			t.Errorf("emit: record and emit: document differ:\n%s\n%s", packed, source)
		}
		target := conv.Target()
		index, ok := string(target.Index), true
		for ok && slices.Contains(c.ReadOnly, index) && engine.Collection == ecs.Cluster { // as the output does when it is refused
			index, ok = opensearch.Neighbour(index)
		}
		docs = append(docs, parseDocument(t, fmt.Appendf(nil, `{"_index":%q,"_id":%q,"_source":%s}`, index, target.ID, source)))
		return nil
	})
	if err != nil {
		failed = append(failed, err)
	}
	return docs, failed
}

func indicators(t *testing.T, c goldenCase) func() *enrich.Indicators {
	t.Helper()
	if len(c.IOC) == 0 {
		return nil
	}
	var rows bytes.Buffer
	for _, r := range c.IOC {
		if err := json.Compact(&rows, r); err != nil {
			t.Fatal(err)
		}
		rows.WriteByte('\n')
	}
	path := filepath.Join(t.TempDir(), "indicators.ioc")
	b := indicator.NewBuilder(path, clock)
	defer b.Close()
	err := indicator.ReadNDJSON(&rows, b.Add, func(err error) { t.Logf("indicator not used: %v", err) })
	if err == nil {
		_, err = b.Write(path, indicator.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	table, err := indicator.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func() *enrich.Indicators { return table }
}

func proxies(t *testing.T, c goldenCase) func() *enrich.Proxies {
	t.Helper()
	var networks []string
	for _, p := range c.Proxies {
		networks = append(networks, p.Network)
	}
	table, left := enrich.NewProxies(networks)
	for _, err := range left {
		t.Logf("%v", err)
	}
	return func() *enrich.Proxies { return table }
}

func rules(t *testing.T, c goldenCase) func() *exclude.Rules {
	t.Helper()
	var parameters []exclude.Parameter
	for _, p := range c.Parameters {
		parameters = append(parameters, exclude.Parameter{Name: p[0], Value: p[1]})
	}
	r, problems := exclude.Load([]byte(c.ExclusionCSV), parameters)
	for _, err := range problems {
		t.Logf("exclusion rule not used: %v", err)
	}
	return func() *exclude.Rules { return r }
}
