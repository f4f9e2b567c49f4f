package golden

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// made is a sample with records that cannot be read, and why that is right.
type made struct {
	file   string // type/name, a pattern as of package path
	failed int    // records
	reason string
	// outside: only the collection that samples were taken from has it.
	outside bool
}

// TestSamples converts every file of samples/<log type>, and of Filebeat's test
// files: each has records, and each record becomes a document, except for those of
// madeToFail. A new sample is tested by being there (and named in SOURCES.md).
func TestSamples(t *testing.T) {
	types, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	geo := enrich.OpenGeo("../../filters/enrich/testdata/mmdb", discard)
	defer geo.Close()
	sources, err := os.ReadFile(filepath.Join("samples", "SOURCES.md"))
	if err != nil {
		t.Fatal(err)
	}
	expected := map[string]bool{} // the rows that no file has met
	for _, m := range madeToFail {
		expected[m.file] = !m.outside
	}
	n := 0
	for _, root := range []string{"samples", "filebeat"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			if err != nil || d.IsDir() || filepath.Ext(path) == ".md" || strings.HasSuffix(path, "-expected.json") {
				return err
			}
			lt := types.Set().Type(filepath.Dir(name))
			if lt == nil {
				t.Errorf("%s: there is no log type of the folder's name", path)
				return nil
			}
			n++
			t.Run(name, func(t *testing.T) {
				if root == "samples" && !bytes.Contains(sources, []byte("`"+filepath.ToSlash(name)+"`")) {
					t.Error("SOURCES.md does not say where it comes from")
				}
				object, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				records, failures := convertSample(t, filepath.Base(path), object, lt, geo, nil)
				want := madeFor(filepath.ToSlash(name))
				delete(expected, want.file)
				checkSample(t, name, want, records, failures)
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		for file, missing := range expected {
			if missing {
				t.Errorf("%s is expected to fail, and is not there", file)
			}
		}
	}
	t.Logf("%d samples", n)
}

// convertSample converts what a file has, and gives each document to keep, if
// that is given. Of a type whose records lie in a list,
// a sample may be a record by itself.
func convertSample(t *testing.T, name string, object []byte, lt *logtype.Type, geo *enrich.Geo, keep func(document)) (records int, failures []string) {
	t.Helper()
	framing := lt.Framing()
	for _, list := range []string{framing.Records, ""} {
		framing.Records = list
		if records, failures = convertAs(t, name, object, framing, lt, geo, keep); records > 0 || len(failures) > 0 {
			return records, failures
		}
	}
	return records, failures
}

func convertAs(t *testing.T, name string, object []byte, framing split.Framing, lt *logtype.Type, geo *enrich.Geo, keep func(document)) (records int, failures []string) {
	t.Helper()
	conv := (&ecs.Engine{Geo: geo, Agents: agents, Now: func() time.Time { return clock }}).NewConverter()
	var head *split.Head
	var o *ecs.Object
	_, err := split.Records(bytes.NewReader(object), framing, split.Limits{}, func(r split.Record) (err error) {
		records++
		if r.Head != head {
			head = r.Head
			src := lease.Source{Bucket: "bucket", Key: "AWSLogs/123456789012/" + lt.Name + "/us-east-1/" + name, LogType: lt.Name, Header: head.Header}
			if head.Kind == split.Parquet {
				src.Format = "json"
			}
			if o, err = conv.Object(lt, src); err != nil {
				return err
			}
		}
		var bad error
		if r.Bad != nil {
			bad = r.Bad
		} else {
			bad = conv.Convert(o, r.Number, r.Envelope, r.Raw)
		}
		var excluded *ecs.Excluded
		switch {
		case bad == nil:
			doc := conv.AppendJSON(nil)
			if bytes.Contains(doc, []byte(`"invalid json file`)) {
				failures = append(failures, fmt.Sprintf("record %d is kept without fields: %.200s", r.Number, doc))
			}
			if keep != nil {
				d := document{Index: string(conv.Target().Index), ID: string(conv.Target().ID)}
				if err := json.Unmarshal(doc, &d.Source); err != nil {
					return err
				}
				keep(d)
			}
		case !errors.As(bad, &excluded):
			failures = append(failures, fmt.Sprintf("record %d: %v: %.200q", r.Number, bad, r.Raw))
		}
		return nil
	})
	if err != nil {
		failures = append(failures, "the object: "+err.Error())
	}
	return records, failures
}
