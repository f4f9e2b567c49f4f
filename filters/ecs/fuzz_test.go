package ecs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// FuzzTypes: whatever a record of whatever type holds, it is refused with a
// reason, or becomes a document that is JSON and has an id; nothing panics. The
// seeds are records of the golden cases, and lines of the other samples.
func FuzzTypes(f *testing.F) {
	registry, err := logtype.NewRegistry()
	if err != nil {
		f.Fatal(err)
	}
	types := registry.Set().Types()
	for i, lt := range types {
		files, _ := filepath.Glob(filepath.Join("../../test/golden/cases", lt.Name, "*", "documents.ndjson"))
		for _, file := range files[:min(len(files), 3)] {
			for _, message := range messages(f, file, 3) {
				f.Add(uint8(i), i%2 == 0, []byte(message))
			}
		}
	}
	samples, err := filepath.Glob("../../test/golden/samples/*/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range samples {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		i := slices.IndexFunc(types, func(lt *logtype.Type) bool { return lt.Name == filepath.Base(filepath.Dir(file)) })
		for n, line := range bytes.Split(text, []byte("\n")) {
			if n < 3 && i >= 0 && len(line) > 0 && len(line) < 8<<10 {
				f.Add(uint8(i), n%2 == 0, line)
			}
		}
	}
	c := (&Engine{IDs: Natural}).NewConverter()
	envelope := []byte(`{"account":"123456789012","log_group":"/aws/rds/cluster/c/x","log_stream":"i-0123456789abcdef0","id":"1","time":"1704067200000"}`)
	f.Fuzz(func(t *testing.T, kind uint8, wrapped bool, raw []byte) {
		lt := types[int(kind)%len(types)]
		o, err := c.Object(lt, lease.Source{Bucket: "b", Key: "AWSLogs/123456789012/x", Header: []byte("version account-id srcaddr dstaddr type end")})
		if err != nil {
			t.Fatal(err)
		}
		env := []byte(nil)
		if wrapped {
			env = envelope
		}
		if err := c.Convert(o, 1, env, raw); err != nil {
			if err.Error() == "" {
				t.Errorf("%s: %q is refused without a reason", lt.Name, raw)
			}
			return
		}
		doc := c.AppendJSON(nil)
		if !json.Valid(doc) {
			t.Fatalf("%s: %q became %s", lt.Name, raw, doc)
		}
		text, rest, err := event.AppendJSON(nil, c.AppendMsgpack(nil))
		if err != nil || len(rest) > 0 || !json.Valid(text) {
			t.Fatalf("%s: %q became %s: %v, %d bytes left", lt.Name, raw, text, err, len(rest))
		}
		if target := c.Target(); len(target.ID) == 0 || len(target.Index) == 0 {
			t.Fatalf("%s: index %q, id %q", lt.Name, target.Index, target.ID)
		}
	})
}

// messages returns the first n records of a case.
func messages(f *testing.F, path string, n int) (all []string) {
	f.Helper()
	file, err := os.Open(path)
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for len(all) < n && lines.Scan() {
		var doc struct {
			Source map[string]any `json:"_source"`
		}
		if err := json.Unmarshal(lines.Bytes(), &doc); err != nil {
			f.Fatal(err)
		}
		if text, ok := doc.Source["@message"].(string); ok && len(text) < 8<<10 {
			all = append(all, text)
		}
	}
	return all
}
