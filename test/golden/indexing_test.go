package golden

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/cluster"
	real "github.com/fluent-siem/fluent-siem/test/services"
)

// TestEveryDocumentFitsTheTemplates: in a cluster that was set up, no document of
// any case or sample is refused, and no index comes near its limit of fields. The fields
// do not grow with what is loaded, but for log types of the user's own.
func TestEveryDocumentFitsTheTemplates(t *testing.T) {
	api, prefix := setUp(t)
	docs := everyDocument(t)
	cases := len(docs)
	docs = append(docs, everySample(t)...)
	var refused []string
	for batch := range slices.Chunk(docs, 500) {
		var body bytes.Buffer
		for _, d := range batch {
			fmt.Fprintf(&body, `{"index":{"_index":%q}}`+"\n", prefix+undated(d.Index))
			source, err := json.Marshal(d.Source)
			if err != nil {
				t.Fatal(err)
			}
			body.Write(append(source, '\n'))
		}
		var got struct {
			Items []struct {
				Index struct {
					Index string `json:"_index"`
					Error any
				}
			}
		}
		ask(t, api, "POST", "/_bulk?filter_path=items.index._index,items.index.error", body.Bytes(), &got)
		for i, item := range got.Items {
			if item.Index.Error != nil {
				refused = append(refused, fmt.Sprintf("%s: %v: %.200v", item.Index.Index, item.Index.Error, batch[i].Source["@message"]))
			}
		}
	}
	for _, r := range refused {
		t.Error(r)
	}
	t.Logf("%d of %d documents are refused", len(refused), len(docs))

	indexes := fieldsOf(t, api, prefix)
	var report strings.Builder
	for _, name := range slices.Sorted(maps.Keys(indexes)) {
		n := indexes[name]
		fmt.Fprintf(&report, "%-44s %4d fields of at most %d\n", strings.TrimPrefix(name, prefix), n.fields, n.limit)
		if n.fields > n.limit*9/10 {
			t.Errorf("%s has %d fields of at most %d", name, n.fields, n.limit)
		}
	}
	t.Logf("\n%s", report.String())
	lost, hasCases := map[string]int{}, map[string]bool{}
	for _, d := range docs[:cases] {
		hasCases[fmt.Sprint(d.Source["@log_type"])] = true
	}
	for i, d := range docs {
		name, into := undated(d.Index), lost
		if i >= cases && hasCases[fmt.Sprint(d.Source["@log_type"])] {
			into = map[string]int{} // the cases say which fields matter
		}
		if mappings := indexes[prefix+name].mappings; mappings != nil {
			unmapped(d.Source, mappings, name+" ", into)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(lost)) {
		if invented.MatchString(path) {
			continue
		}
		say := t.Errorf
		if *dir != "cases" || path == "log-aws-guardduty-2024 x" { // a case's invention
			say = t.Logf
		}
		say("%s is in %d documents and in no template: it can be found in @message only", path, lost[path])
	}
}

// invented are fields of samples that their sources added to what the service
// writes.
var invented = regexp.MustCompile(`[ .]p_\w+$| app-version$`)

// undated gives all indexes of a log type the same date: one index is enough.
func undated(index string) string {
	return strings.TrimRight(dated.ReplaceAllString(index, ""), "-") + "-2024"
}

var dated = regexp.MustCompile(`-(\d{4}|\d{2}|w\d{2}|\d{2}_\d{2}|\d{3})(-|$)(.*)$`)

// unmapped adds the values that no field of the mapping holds.
func unmapped(v any, mapping map[string]any, path string, lost map[string]int) {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			at := mapping
			for _, part := range strings.Split(name, ".") {
				fields, _ := at["properties"].(map[string]any)
				next, _ := fields[part].(map[string]any)
				if next == nil {
					if item != nil {
						lost[path+name]++
					}
					at = nil
					break
				}
				at = next
				if at["properties"] == nil {
					break
				}
			}
			if at["properties"] != nil {
				unmapped(item, at, path+name+".", lost)
			}
		}
	case []any:
		for _, item := range v {
			unmapped(item, mapping, path, lost)
		}
	}
}

// setUp makes the templates under a name and a prefix of their own, and takes
// all away at the end of the test.
func setUp(t *testing.T) (api *opensearch.Client, prefix string) {
	t.Helper()
	cfg := opensearch.Defaults()
	cfg.Endpoint = []string{real.OpenSearch(t)}
	api, err := opensearch.NewClient(cfg, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	name := real.Name("golden")
	settings := cluster.DefaultSettings()
	none := 0
	settings.Name, settings.IndexPrefix, settings.Replicas = name, name+"-", &none
	settings.ClusterSettings = nil
	settings.Shards = map[string]int{"ecs": 1}
	ctx := t.Context()
	has, err := cluster.Probe(ctx, api, false)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := cluster.Resources(settings, registry.Set(), has)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(ctx, api, has, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(ctx)
		if _, _, err := api.Do(ctx, "DELETE", "/"+name+"-*", nil); err != nil {
			t.Error(err)
		}
		steps, err := c.Plan(ctx, nil, true)
		if err == nil {
			err = c.Apply(ctx, steps, "", func(cluster.Step, error) {})
		}
		if err != nil {
			t.Error(err)
		}
	})
	steps, err := c.Plan(ctx, wanted, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(ctx, steps, "", func(cluster.Step, error) {}); err != nil {
		t.Fatal(err)
	}
	return api, settings.IndexPrefix
}

// everyDocument converts every case.
func everyDocument(t *testing.T) []document {
	t.Helper()
	geo := enrich.OpenGeo("../../filters/enrich/testdata/mmdb", discard)
	t.Cleanup(geo.Close)
	paths, err := filepath.Glob(filepath.Join(*dir, "*", "*", "case.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s: %v", *dir, err)
	}
	var all []document
	for _, path := range paths {
		docs, _ := convert(t, readCase(t, path), geo)
		all = append(all, docs...)
	}
	return all
}

// everySample converts every file of samples.
func everySample(t *testing.T) (all []document) {
	t.Helper()
	geo := enrich.OpenGeo("../../filters/enrich/testdata/mmdb", discard)
	defer geo.Close()
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("samples", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if lt := registry.Set().Type(filepath.Base(filepath.Dir(path))); lt != nil { // TestSamples misses it otherwise
			object, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			convertSample(t, filepath.Base(path), object, lt, geo, func(d document) { all = append(all, d) })
		}
	}
	return all
}

// ask sends a request that must succeed.
func ask(t *testing.T, api *opensearch.Client, method, path string, body []byte, into any) {
	t.Helper()
	status, answer, err := api.Do(t.Context(), method, path, body)
	if err != nil || status >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, path, status, answer, err)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatal(err)
	}
}

type fieldCount struct {
	fields, limit int
	mappings      map[string]any
}

// fieldsOf counts the fields of each index as OpenSearch does for its limit:
// fields, fields of fields, and objects.
func fieldsOf(t *testing.T, api *opensearch.Client, prefix string) map[string]fieldCount {
	t.Helper()
	var got map[string]struct {
		Mappings map[string]any
		Settings map[string]any
	}
	ask(t, api, "GET", "/"+prefix+"*?flat_settings=true", nil, &got)
	counts := map[string]fieldCount{}
	for name, index := range got {
		limit, err := strconv.Atoi(fmt.Sprint(index.Settings["index.mapping.total_fields.limit"]))
		if err != nil {
			t.Fatalf("%s has no limit of fields: %v", name, index.Settings)
		}
		counts[name] = fieldCount{countFields(index.Mappings), limit, index.Mappings}
	}
	return counts
}

func countFields(mapping map[string]any) (n int) {
	for _, key := range []string{"properties", "fields"} {
		children, _ := mapping[key].(map[string]any)
		for _, child := range children {
			child, _ := child.(map[string]any)
			n += 1 + countFields(child)
		}
	}
	return n
}
