package golden

import (
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/sidecar/importer"
)

var (
	discard = slog.New(slog.DiscardHandler)
	agents  = enrich.NewAgents()
)

// excludedByCSV reports whether a rule of the case's exclude_log_patterns.csv
// names the document. The run that made the cases did not load the CSV (none of
// its documents lacks what a rule names), so the documents that a loader with
// these rules must not make are among them.
func excludedByCSV(t *testing.T, c goldenCase, d document) bool {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(c.ExclusionCSV)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row[0] != c.LogType {
			continue
		}
		var v any = d.Source
		for _, name := range strings.Split(row[1], ".") {
			if items, ok := v.([]any); ok && len(items) > 0 {
				v = items[0]
			}
			object, _ := v.(map[string]any)
			v = object[name]
		}
		pattern := row[2]
		if row[3] == "text" {
			pattern = regexp.QuoteMeta(pattern)
		}
		if v != nil && regexp.MustCompile("^"+pattern+"$").MatchString(fmt.Sprint(v)) {
			return true
		}
	}
	return false
}

var shipped = sync.OnceValues(logtype.NewRegistry)

// logTypes returns the shipped types, and what the importer makes of the case's
// user.ini: what an operator who migrates has.
func logTypes(t *testing.T, c goldenCase) *logtype.Registry {
	t.Helper()
	r, err := shipped()
	if err == nil && c.UserINI != "" {
		r, err = logtype.NewRegistry() // its own: it is about to change
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.UserINI == "" {
		return r
	}
	imported, err := importer.Import(c.UserINI)
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range imported.Left {
		t.Logf("left out: %v", left)
	}
	out := t.TempDir()
	for _, f := range imported.Files {
		if f.Incomplete != "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(out, f.Name+".yaml"), []byte(f.YAML), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.AddCheck(ecs.Check), r.Load(out)); err != nil { // as fluent-siem check does
		t.Fatal(err)
	}
	return r
}
