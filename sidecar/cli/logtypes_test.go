package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

const logTypesHead = `# Log types

Made from conf/logtypes by ` + "`UPDATE=1 go test ./sidecar/cli`" + `; do not edit.

Every one is a YAML file in [conf/logtypes](logtypes); a file of the same name in ` + "`logtypes_dir`" + ` replaces it, another
adds to them. Where several key patterns match, the one with the most literal text wins. Objects may be compressed with
gzip, zip, bzip2, zstd, snappy, lz4 or xz, or be Parquet, and records may lie in envelopes (CloudWatch Logs, EventBridge,
SNS, FireLens), whatever the type. Ids are those of ` + "`document_id: natural`" + `; *place* is a hash of bucket, key, version and
the record's number. *Sample* says what the type was tried on: golden cases, objects with the documents that the original
made of them; Filebeat's tests; or only what the vendor's documentation prints. Where documents differ from the original's on
purpose, [differences](differences.md) says so.

`

// TestLogTypesPage keeps conf/log-types.md true; with UPDATE=1 it writes it.
func TestLogTypesPage(t *testing.T) {
	set, err := loadTypes("")
	if err != nil {
		t.Fatal(err)
	}
	types := slices.SortedFunc(slices.Values(set.Types()), func(a, b *logtype.Type) int { return cmp.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	b.WriteString(logTypesHead)
	b.WriteString("| type | what | format | key pattern | index | id | sample |\n|---|---|---|---|---|---|---|\n")
	for _, k := range types {
		if k.About == "" {
			t.Errorf("%s does not say what it is about", k.Name)
		}
		cells := []string{
			"[" + k.Name + "](logtypes/" + k.Name + ".yaml)", k.About, shortFormat(k), code(k.Key), code(shortIndex(k)), shortID(k), origin(t, k.Name),
		}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	const path = "../../conf/log-types.md"
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, b.Bytes()) {
		t.Errorf("%s is not what the log types say (%v); UPDATE=1 go test writes it", path, err)
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// shortFormat is the format in a word or two.
func shortFormat(t *logtype.Type) string {
	text := map[logtype.Format]string{
		logtype.JSON: "JSON", logtype.ColumnF: "columns", logtype.Pattern: "text", logtype.AccessF: "access log", logtype.XML: "XML", logtype.WinEvt: "Windows events",
	}[t.Format]
	if text == "" {
		text = string(t.Format)
	}
	switch {
	case t.Records != "":
		text += ", list " + code(t.Records)
	case t.Columns.Header:
		text += " with a header"
	}
	if t.Element != "" {
		text += ", XML elements " + code(t.Element)
	}
	if t.FirstLine != "" {
		text += ", several lines"
	}
	return text
}

func shortIndex(t *logtype.Type) string {
	name, _, _ := strings.Cut(indexName(t), " ")
	return name
}

func shortID(t *logtype.Type) string {
	if t.ID.Field == "" {
		return "place"
	}
	text := code(t.ID.Field)
	if t.ID.Suffix != "" {
		text += " and " + code(t.ID.Suffix)
	}
	if t.ID.Replace {
		text += ", newer replaces older"
	}
	return text
}

// origin says what a type was tried on.
func origin(t *testing.T, name string) string {
	t.Helper()
	var list []string
	if n := entries(t, "../../test/golden/cases/"+name); n > 0 {
		cases := "cases"
		if n == 1 {
			cases = "case"
		}
		list = append(list, fmt.Sprintf("golden, %d %s", n, cases))
	}
	if entries(t, "../../test/golden/filebeat/"+name) > 0 {
		list = append(list, "Filebeat")
	}
	if name == "apache-ecs" { // tried by a test of filters/ecs, for no golden case could be made
		list = append(list, "the original's sample settings")
	}
	if len(list) == 0 {
		return "vendor documentation"
	}
	return strings.Join(list, "; ")
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(list, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }))
}
