package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

const logTypesHead = `# Log types

Made from conf/logtypes by ` + "`UPDATE=1 go test ./sidecar/cli`" + `; do not edit.

Every one is a YAML file in [conf/logtypes](logtypes); a file of the same name in ` + "`logtypes_dir`" + ` replaces it, another
adds to them. Where several key patterns match, the one with the most literal text wins. Objects may be compressed with
gzip, zip, bzip2, zstd, snappy, lz4 or xz, or be Parquet, and records may lie in envelopes (CloudWatch Logs, EventBridge,
SNS, FireLens), whatever the type. Ids are those of ` + "`document_id: natural`" + `; *place* is a hash of bucket, key, version and
the record's number.

*Samples* says what the type was tried on: golden cases, objects with the documents that the original made of them
([where they are from](../test/golden/cases/SOURCES.md)); test files of [Filebeat](../test/golden/filebeat/SOURCES.md);
other [public samples](../test/golden/samples/SOURCES.md); or samples written from the vendor's documentation. *Events/s* is
from a compressed object to the body of a bulk request, on one core of the machine that measured (` + "`make bench`" + `), and the MB/s of
text that this is: compare types with each other. *Differences* is how many kinds of [difference](differences.md) from the
original's documents are meant; a dash: the original does not have the type.

VPC flow logs have no header where they come through CloudWatch Logs or Firehose. Then they have the columns of version 2, or
those that a file in ` + "`logtypes_dir`" + ` names, for all of them (same name) or for those under a prefix (another name, and a ` + "`key`" + `);
of several lists the one with as many names as the line has columns counts:

` + "```yaml" + `
name: vpcflowlogs
extends: vpcflowlogs
columns:
  default:
    - [version, account-id, interface-id, srcaddr, dstaddr, srcport, dstport, protocol, packets, bytes, start, end, action, log-status]
    - [version, vpc-id, interface-id, srcaddr, dstaddr, dstport, reject-reason, end]
` + "```" + `

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
	rates, differences := rates(t), differences(t)
	b.WriteString("| type | what | format | versions | key pattern | index | id | samples | events/s | differences |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, k := range types {
		if k.About == "" {
			t.Errorf("%s does not say what it is about", k.Name)
		}
		cells := []string{
			"[" + k.Name + "](logtypes/" + k.Name + ".yaml)", k.About, shortFormat(k), k.Versions, code(k.Key), code(shortIndex(k)), shortID(k), origin(t, k.Name), rates[k.Name], differences[k.Name],
		}
		for i, c := range cells {
			if c == "" {
				c = "–"
			}
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	settingstest.CheckFile(t, "../../conf/log-types.md", b.String(), "the log types say")
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

var formatNames = map[logtype.Format]string{
	logtype.JSON: "JSON", logtype.ColumnF: "columns", logtype.Pattern: "text", logtype.AccessF: "access log", logtype.XML: "XML", logtype.WinEvt: "Windows events",
	logtype.CEF: "CEF", logtype.LEEF: "LEEF", logtype.Pairs: "key=value",
}

// shortFormat is the format in a word or two, and the others that are read.
func shortFormat(t *logtype.Type) string {
	text := formatNames[t.Format]
	if text == "" {
		text = string(t.Format)
	}
	switch {
	case t.Records != "":
		text += ", list " + code(t.Records)
	case t.Columns.Header:
		text += " with a header"
	}
	if t.Syslog.Message != "" {
		text += " with " + shortFormat(&logtype.Type{Format: t.Syslog.Message})
	}
	if t.Wrapped != "" {
		text += ", or in " + code(t.Wrapped) + " of JSON"
	}
	if t.Element != "" {
		text += ", XML elements " + code(t.Element)
	}
	if t.FirstLine != "" {
		text += ", several lines"
	}
	for i := range t.Otherwise {
		text += ", or " + formatNames[t.Otherwise[i].Format]
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
	add := func(n int, one, many string) {
		if n == 1 {
			list = append(list, one)
		} else if n > 1 {
			list = append(list, fmt.Sprintf("%d %s", n, many))
		}
	}
	add(len(entries(t, "../../test/golden/cases/"+name)), "1 golden case", "golden cases")
	add(len(entries(t, "../../test/golden/filebeat/"+name))/2, "1 of Filebeat", "of Filebeat")
	public, written := 0, 0
	for _, e := range entries(t, "../../test/golden/samples/"+name) {
		if strings.HasPrefix(e.Name(), "written-") {
			written++
		} else {
			public++
		}
	}
	add(public, "1 public sample", "public samples")
	add(written, "1 written from the documentation", "written from the documentation")
	if len(list) == 0 {
		t.Errorf("%s has no sample in test/golden: add one to test/golden/samples/%[1]s, written from the vendor's documentation if there is none", name)
	}
	return strings.Join(list, ", ")
}

func entries(t *testing.T, dir string) []fs.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") })
}

// rates are the cells of what make bench measured last.
func rates(t *testing.T) map[string]string {
	t.Helper()
	var measured struct {
		Convert map[string]struct {
			Events float64 `json:"events_per_s"`
			MB     float64 `json:"mb_per_s"`
		} `json:"convert"`
	}
	text, err := os.ReadFile("../../test/bench/results.json")
	if err == nil {
		err = json.Unmarshal(text, &measured)
	}
	if err != nil {
		t.Fatal(err)
	}
	cells := map[string]string{}
	for name, r := range measured.Convert {
		cells[name] = fmt.Sprintf("%.0f,000 (%.0f MB)", r.Events/1000, r.MB)
	}
	return cells
}

// differences counts the lines of conf/differences.md for each type that has
// golden cases, those for all types left out.
func differences(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../conf/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	ours, _, _ := strings.Cut(string(text), "\n## ")
	for line := range strings.Lines(ours) {
		if types, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok && strings.HasPrefix(line, "| ") {
			for name := range strings.SplitSeq(types, ", ") {
				counts[name]++
			}
		}
	}
	cells := map[string]string{}
	for _, e := range entries(t, "../../test/golden/cases") {
		cells[e.Name()] = strconv.Itoa(counts[e.Name()])
	}
	return cells
}
