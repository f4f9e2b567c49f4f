package indexmetrics

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/conf"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/test/services"
)

var moment = time.Date(2024, 6, 15, 10, 0, 0, 0, time.UTC)

// real is a node, and an index with two documents on it.
func real(t *testing.T) (api *opensearch.Client, cfg opensearch.Config, index string) {
	t.Helper()
	cfg = opensearch.Defaults()
	cfg.Endpoint = []string{services.OpenSearch(t)}
	api, err := opensearch.NewClient(cfg, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	index = services.Name("indexmetrics")
	t.Cleanup(func() { _, _, _ = api.Do(context.WithoutCancel(t.Context()), "DELETE", "/"+index+"*", nil) })
	must(t, api, "PUT", "/"+index, `{"settings":{"number_of_shards":2,"number_of_replicas":1}}`)
	must(t, api, "POST", "/"+index+"/_bulk?refresh=true", `{"index":{}}`+"\n{}\n"+`{"index":{}}`+"\n{}\n")
	return api, cfg, index
}

func must(t *testing.T, api API, method, path, body string) []byte {
	t.Helper()
	var b []byte
	if body != "" {
		b = []byte(body)
	}
	status, answer, err := api.Do(t.Context(), method, path, b)
	if err != nil || status >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, path, status, answer, err)
	}
	return answer
}

// of are the lines of an index, of one kind.
func of(lines []Line, dataset, name string) (found []Line) {
	for _, l := range lines {
		if at(l, "event.dataset") == "opensearch."+dataset && at(l, "opensearch.index.name") == name {
			found = append(found, l)
		}
	}
	return found
}

// TestLinesOfARealNode: one for each index, open or closed, and for each shard,
// with what the cluster says of them, and no field that the template lacks.
func TestLinesOfARealNode(t *testing.T) {
	api, _, name := real(t)
	must(t, api, "PUT", "/"+name+"-closed", `{"settings":{"number_of_replicas":0}}`)
	must(t, api, "POST", "/"+name+"-closed/_close", "")
	lines, err := Collect(t.Context(), api, false, moment)
	if err != nil {
		t.Fatal(err)
	}
	index, shards := of(lines, "index", name), of(lines, "shard", name)
	if len(index) != 1 || len(shards) != 4 || len(of(lines, "index", name+"-closed")) != 1 {
		t.Fatalf("%d lines of the index, %d of its shards", len(index), len(shards))
	}
	for path, want := range map[string]string{
		"@timestamp": "2024-06-15T10:00:00.000Z", "metricset.name": "index", "metricset.period": "3600000",
		"opensearch.index.status": "yellow", "opensearch.index.index_status": "open", "opensearch.index.storage_tier": "hot",
		"opensearch.index.shards.primaries": "2", "opensearch.index.shards.total": "4",
		"opensearch.index.primaries.docs.count": "2", "opensearch.index.primaries.docs.deleted": "0",
		"opensearch.index.total.indexing.index_total": "2", "opensearch.index.total.segments.memory_in_bytes": "0",
	} {
		if got := fmt.Sprint(at(index[0], path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	states := map[string]int{}
	for _, s := range shards {
		states[fmt.Sprint(at(s, "opensearch.shard.state"), " ", at(s, "opensearch.shard.primary"), " ", at(s, "opensearch.shard.source_node.name") != nil)]++
	}
	if states["STARTED true true"] != 2 || states["UNASSIGNED false false"] != 2 {
		t.Errorf("shards: %v", states)
	}
	if got := fmt.Sprint(at(of(lines, "index", name+"-closed")[0], "opensearch.index.index_status")); got != "close" {
		t.Errorf("the closed index is %s", got)
	}
	known := template(t)
	for _, l := range lines {
		each(l, "", func(path string) {
			if !slices.Contains(known, path) {
				t.Fatalf("%s is not in the template", path)
			}
		})
	}
}

// template are the fields that conf/opensearch has for these lines.
func template(t *testing.T) (fields []string) {
	t.Helper()
	text, err := conf.OpenSearch.ReadFile("opensearch/metrics-opensearch-index.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var family struct{ Fields map[string][]string }
	if err := yaml.Unmarshal(text, &family); err != nil {
		t.Fatal(err)
	}
	for _, paths := range family.Fields {
		fields = append(fields, paths...)
	}
	return append(fields, "@timestamp")
}

func each(v any, path string, f func(path string)) {
	if o, ok := v.(object); ok {
		for key, item := range o {
			each(item, strings.TrimPrefix(path+"."+key, "."), f)
		}
		return
	}
	f(path)
}

// TestIntoTheIndex: the lines of one moment are documents of the cluster itself.
func TestIntoTheIndex(t *testing.T) {
	api, _, name := real(t)
	e := Exporter{Config: Defaults(), API: api}
	e.IndexPrefix = name + "-"
	where, n, err := e.Once(t.Context(), moment)
	if err != nil || where != name+"-metrics-opensearch-index-2024-06" || n < 5 {
		t.Fatalf("%s %d %v", where, n, err)
	}
	must(t, api, "POST", "/"+where+"/_refresh", "")
	var got struct{ Count int }
	if err := json.Unmarshal(must(t, api, "GET", "/"+where+"/_count", ""), &got); err != nil || got.Count != n {
		t.Errorf("%d documents of %d lines, %v", got.Count, n, err)
	}
}

// TestIntoABucket: under the key that the log type index-metrics knows, gzip of
// one line each.
func TestIntoABucket(t *testing.T) {
	api, _, name := real(t)
	emulator := services.AWS(t)
	if err := emulator.CreateBucket("metrics"); err != nil {
		t.Fatal(err)
	}
	e := Exporter{Config: Defaults(), API: api, AWS: aws.Config{
		Region: "eu-west-1", BaseEndpoint: &emulator.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}}
	e.To, e.Bucket, e.Account, e.Region, e.Prefix = "s3", "metrics", "123456789012", "eu-west-1", "own/"
	where, n, err := e.Once(t.Context(), moment)
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimPrefix(where, "s3://metrics/")
	if !regexp.MustCompile(`^own/AWSLogs/123456789012/OpenSearch/metrics/eu-west-1/2024/06/15/aos_index_metrics_[0-9a-f]{32}\.json\.gz$`).MatchString(key) {
		t.Errorf("the key is %s", key)
	}
	client := s3.NewFromConfig(e.AWS, func(o *s3.Options) { o.UsePathStyle = true })
	object, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &e.Bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	zip, err := gzip.NewReader(object.Body)
	if err != nil {
		t.Fatal(err)
	}
	var lines []Line
	for scan := bufio.NewScanner(zip); scan.Scan(); {
		var l Line
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if len(lines) != n || len(of(lines, "index", name)) != 1 {
		t.Errorf("%d lines are in the object, %d were written", len(lines), n)
	}
}

// tiers is a domain with UltraWarm and cold storage, which no test node has: its
// documented answers (OpenSearch Service, developer guide).
type tiers map[string]string

func (d tiers) Do(_ context.Context, _, path string, _ []byte) (int, []byte, error) {
	name, query, _ := strings.Cut(path, "?")
	if strings.Contains(query, "pagination_id") {
		name += " next"
	}
	answer, ok := d[name]
	if !ok {
		return 400, []byte(`{"error":"no handler found for uri"}`), nil
	}
	if strings.HasPrefix(answer, "!") {
		return 503, []byte(answer[1:]), nil
	}
	return 200, []byte(answer), nil
}

func domain() tiers {
	return tiers{
		"/":                   `{"cluster_name":"d","cluster_uuid":"u"}`,
		"/_cat/indices/_hot":  `[{"health":"green","status":"open","index":"h","uuid":"1","creation.date":"1700000000000","pri":"1","rep":"1"}]`,
		"/_cat/indices/_warm": `[{"health":"green","status":"open","index":"w","uuid":"2","creation.date":"1690000000000","pri":"1","rep":"1"}]`,
		"/_stats/docs,indexing,merge,refresh,segments,store,fielddata,search": `{"indices":{
			"h":{"primaries":{"docs":{"count":3,"deleted":0},"store":{"size_in_bytes":10}},"total":{"docs":{"count":6,"deleted":0},"store":{"size_in_bytes":20}}},
			"w":{"primaries":{"docs":{"count":5,"deleted":0},"store":{"size_in_bytes":50}},"total":{"docs":{"count":10,"deleted":0},"store":{"size_in_bytes":100}}}}}`,
		"/_cold/indices/_search":      `{"pagination_id":"p","total_results":2,"indices":[{"index":"c1","index_cold_uuid":"3","size":7,"creation_date":"2021-06-28T20:23:31.206Z","start_time":"2020-03-09T00:00Z","end_time":"2020-03-09T23:00Z"}]}`,
		"/_cold/indices/_search next": `{"pagination_id":null,"indices":[{"index":"c2","index_cold_uuid":"4","size":8}]}`,
		"/_cat/shards":                `[{"index":"h","shard":"0","prirep":"p","state":"STARTED","docs":"3","store":"10","id":"n","node":"one"}]`,
	}
}

// TestTiers: indexes of all three have a line; those of the warm tier count
// their primaries.
func TestTiers(t *testing.T) {
	lines, err := Collect(t.Context(), domain(), false, moment)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"h": "hot 6 20", "w": "warm 5 50", "c1": "cold <nil> 7", "c2": "cold <nil> 8"} {
		l := of(lines, "index", name)
		if len(l) != 1 {
			t.Errorf("%s has %d lines", name, len(l))
			continue
		}
		if got := fmt.Sprint(at(l[0], "opensearch.index.storage_tier"), " ", at(l[0], "opensearch.index.total.docs.count"), " ", at(l[0], "opensearch.index.total.store.size_in_bytes")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestWhatCanBeHadIsWritten: a tier that fails is told, the others are written.
func TestWhatCanBeHadIsWritten(t *testing.T) {
	for _, part := range []string{"/_cat/indices/_warm", "/_cold/indices/_search", "/_cat/shards", "/_stats/docs,indexing,merge,refresh,segments,store,fielddata,search"} {
		d := domain()
		d[part] = "!busy"
		lines, err := Collect(t.Context(), d, false, moment)
		if err == nil || !strings.Contains(err.Error(), part) || len(of(lines, "index", "h")) != 1 {
			t.Errorf("%s fails: %d lines, %v", part, len(lines), err)
		}
	}
	if lines, err := Collect(t.Context(), tiers{"/": "!down"}, false, moment); err == nil || len(lines) != 0 {
		t.Errorf("a dead cluster: %v %v", lines, err)
	}
}

func TestServerless(t *testing.T) {
	lines, err := Collect(t.Context(), tiers{"/_cat/indices": `[{"index":"a","uuid":"1","docs.count":"4","docs.deleted":"0"}]`}, true, moment)
	if err != nil || len(lines) != 1 || fmt.Sprint(at(lines[0], "opensearch.index.total.docs.count")) != "4" {
		t.Errorf("%v %v", lines, err)
	}
}

// TestSeriesAreBounded: the largest have their own, the others are summed.
func TestSeriesAreBounded(t *testing.T) {
	var lines []Line
	for i := range 1000 {
		lines = append(lines, Line{"opensearch": object{"index": object{"name": fmt.Sprint("i", i), "storage_tier": "hot",
			"total": object{"store": object{"size_in_bytes": float64(i)}}}}})
	}
	g := newGauges()
	g.set(lines, 3)
	got := gathered(t, g)
	if len(got) != 4*len(series) {
		t.Errorf("%d series", len(got))
	}
	for name, want := range map[string]float64{"i997": 997, "i998": 998, "i999": 999, "other": 496506} {
		if v := got[`siem_index_bytes index="`+name+`" tier="hot"`]; v != want {
			t.Errorf("%s: %v, want %v in %v", name, v, want, got)
		}
	}
}

// gathered are the values of a collector by name and labels.
func gathered(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			id := f.GetName()
			for _, l := range m.GetLabel() {
				id += fmt.Sprintf(" %s=%q", l.GetName(), l.GetValue())
			}
			values[id] = m.GetGauge().GetValue()
		}
	}
	return values
}

// TestRunWritesAtOnceAndEnds: with its context, without an error.
func TestRunWritesAtOnceAndEnds(t *testing.T) {
	_, connection, name := real(t)
	ctx, stop := context.WithCancel(t.Context())
	cfg := Defaults()
	cfg.IndexPrefix = name + "-"
	metrics := prometheus.NewRegistry()
	err := Run(ctx, cfg, connection, Env{Log: slog.New(slog.DiscardHandler), Metrics: metrics, Health: func(component, problem string) {
		if component != "index_metrics" || problem != "" {
			t.Errorf("%s: %s", component, problem)
		}
		stop()
	}})
	if err != nil {
		t.Error(err)
	}
	if families, err := metrics.Gather(); len(families) != len(series)+1 || err != nil {
		t.Errorf("%d metrics, %v", len(families), err)
	}
}
