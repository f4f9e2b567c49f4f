package golden

import (
	"encoding/csv"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
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

// logTypes returns the shipped types, with the overrides of the case's
// user.ini written as log type files: what an operator who migrates would write.
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
	sections, defaults := parseINI(c.UserINI)
	out := t.TempDir()
	for _, lt := range r.Set().Types() {
		keys := map[string]string{}
		for k, v := range defaults {
			keys[k] = v
		}
		if sections[lt.Name]["s3_key"] != "" {
			continue // a type of the original's sample user.ini, which is shipped here
		}
		for k, v := range sections[lt.Name] {
			keys[k] = v
		}
		text := asLogType(t, lt, keys)
		if err := os.WriteFile(filepath.Join(out, lt.Name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Load(out); err != nil {
		t.Fatal(err)
	}
	return r
}

// asLogType writes overriding keys of a user.ini as a log type file.
func asLogType(t *testing.T, lt *logtype.Type, keys map[string]string) string {
	t.Helper()
	index := lt.Index
	text := fmt.Sprintf("name: %s\nextends: %s\n", lt.Name, lt.Name)
	static := map[string]string{}
	for k, v := range keys {
		switch k {
		case "index_name":
			index.Name = v
		case "index_rotation":
			index.Rotation = logtype.Rotation(v)
		case "index_tz":
			index.Zone = v
		case "ignore_own_logs":
			if v == "False" {
				text += "own_logs: \"\"\n"
			}
		case "static_ecs":
			for _, field := range strings.Fields(v) {
				if value, ok := keys[field]; ok {
					static[field] = value
				}
			}
		default:
			if !strings.Contains(keys["static_ecs"], k) {
				t.Fatalf("user.ini: key %s is not understood by this test", k)
			}
		}
	}
	text += fmt.Sprintf("index: {name: %s, rotation: %s, zone: %q}\n", index.Name, index.Rotation, index.Zone)
	if len(static) > 0 {
		text += "static:\n"
		for field, v := range lt.Static {
			text += fmt.Sprintf("  %s: %v\n", field, v)
		}
		for field, v := range static {
			text += fmt.Sprintf("  %s: %s\n", field, v)
		}
	}
	return text
}

func parseINI(text string) (sections map[string]map[string]string, defaults map[string]string) {
	sections = map[string]map[string]string{}
	current := ""
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			current = strings.Trim(line, "[]")
			sections[current] = map[string]string{}
			continue
		}
		k, v, _ := strings.Cut(line, "=")
		sections[current][strings.TrimSpace(k)] = strings.TrimSpace(v)
	}
	return sections, sections["DEFAULT"]
}
