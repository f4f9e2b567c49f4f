package main

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services"
)

// TestDemo: the demo ends with a table in which every record became a document,
// none a dead letter, and with a document that has been enriched.
func TestDemo(t *testing.T) {
	cluster := rig.Cluster{URL: services.OpenSearch(t)}
	var out strings.Builder
	name := services.Name("demo")
	d := demo{name, rand.Uint32(), "log-" + name + "-"}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, path := range []string{"/" + d.prefix + "*", "/_index_template/" + name + "-*", "/_component_template/" + name + "*"} {
			if err := cluster.Do(ctx, "DELETE", path, nil, nil); err != nil {
				t.Error(err)
			}
		}
	})
	if err := d.run(t.Context(), &out, os.Stderr); err != nil {
		t.Fatal(err)
	}
	rows := map[string][]int{} // log type → objects, records, documents, excluded, dead letters
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) == 7 && f[0] != "log" {
			for _, n := range f[1:6] {
				v, err := strconv.Atoi(n)
				if err != nil {
					t.Errorf("row %q: %v", line, err)
				}
				rows[f[0]] = append(rows[f[0]], v)
			}
		}
	}
	for name, records := range map[string]int{"cloudtrail": 5294, "vpcflowlogs": 5008, "alb": 5063, "all": 15365} {
		if r := rows[name]; r == nil || r[1] != records || r[2] != records || r[3] != 0 || r[4] != 0 {
			t.Errorf("%s: %v, want %d records to become as many documents", name, r, records)
		}
	}
	for _, want := range []string{`"city_name": "London"`, "curl -s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in what was printed", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
