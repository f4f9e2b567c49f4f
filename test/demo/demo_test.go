package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// TestDemo: the demo ends with a table in which every record became a document,
// none a dead letter, and with a document that has been enriched.
func TestDemo(t *testing.T) {
	// A node of its own: what the demo sets up stays in its cluster, and what an
	// earlier demo has set up in the shared one is in the way of a second.
	t.Setenv("OPENSEARCH_URL", services.OpenSearchNodes(t, 1, "cluster.routing.allocation.disk.threshold_enabled: false").URLs()[0])
	var out strings.Builder
	if err := run(t.Context(), &out, os.Stderr); err != nil {
		t.Fatal(err)
	}
	pages := regexp.MustCompile(`\(kill (\d+) ends it\):\n\n  (http://\S+/)\n`).FindStringSubmatch(out.String())
	if pages == nil {
		t.Fatalf("no address of the dashboards in %s", out.String())
	}
	pid, err := strconv.Atoi(pages[1])
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGTERM)
	for _, d := range dashboards {
		res, err := http.Get(pages[2] + "d/" + d.id + "/1" + loaded) // a chart of all documents
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.Contains(string(text), `"empty":false`) {
			t.Errorf("the second panel of %s: %s %v", d.name, text, err)
		}
	}
	if _, err := exec.LookPath("chromium"); err == nil {
		for _, name := range []string{"cloudtrail", "vpcflowlogs", "elb"} {
			if s, err := os.Stat("../../build/" + name + ".png"); err != nil || s.Size() < 50_000 || time.Since(s.ModTime()) > 10*time.Minute {
				t.Errorf("the picture of %s: %v %v", name, s, err)
			}
		}
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
