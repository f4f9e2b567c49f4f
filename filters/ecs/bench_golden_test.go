package ecs

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// BenchmarkGolden measures every log type, records to documents, on the objects
// of the golden cases. The goal is 20,000 events/s or 30 MB/s of one core.
func BenchmarkGolden(b *testing.B) {
	types, err := logtype.NewRegistry()
	if err != nil {
		b.Fatal(err)
	}
	geo := enrich.OpenGeo("../enrich/testdata/mmdb", slog.New(slog.DiscardHandler))
	defer geo.Close()
	agents := enrich.NewAgents()
	dirs, err := filepath.Glob("../../test/golden/cases/*")
	if err != nil {
		b.Fatal(err)
	}
	for _, dir := range dirs {
		c := (&Engine{IDs: Natural, Geo: geo, Agents: agents}).NewConverter()
		records, size := goldenRecords(b, types, c, dir)
		benchmarkRecords(b, filepath.Base(dir), c, records, size)
	}
	for _, name := range []string{"windows-iis", "windows-httperr"} { // which the original does not know
		c := (&Engine{IDs: Natural, Geo: geo, Agents: agents}).NewConverter()
		files, _ := filepath.Glob("../../test/golden/filebeat/" + name + "/*.log")
		var records []goldenRecord
		size := 0
		for _, file := range files {
			object, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			more, n := recordsOf(c, types.Set().Type(name), "bucket", "key", object)
			records, size = append(records, more...), size+n
		}
		benchmarkRecords(b, name, c, records, size)
	}
}

func benchmarkRecords(b *testing.B, name string, c *Converter, records []goldenRecord, size int) {
	if len(records) == 0 {
		return
	}
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(size / len(records)))
		b.ReportAllocs()
		var out []byte
		for i := 0; b.Loop(); i++ {
			r := &records[i%len(records)]
			if err := c.Convert(r.object, r.number, r.envelope, r.raw); err != nil {
				b.Fatal(err)
			}
			out = c.AppendJSON(out[:0])
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

type goldenRecord struct {
	object        *Object
	number        uint64
	envelope, raw []byte
}

// goldenRecords returns the records of a type's cases that convert, and how
// long they are together.
func goldenRecords(b *testing.B, types *logtype.Registry, c *Converter, dir string) (records []goldenRecord, size int) {
	cases, _ := filepath.Glob(filepath.Join(dir, "*", "case.json"))
	for _, path := range cases {
		var info struct {
			Bucket, Key, Object string
			INI                 string `json:"user_ini"`
		}
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &info)
		}
		if err != nil {
			b.Fatal(err)
		}
		t, _ := types.Match(info.Bucket, info.Key)
		if t == nil || info.INI != "" || t.Name != filepath.Base(dir) {
			continue
		}
		object, err := os.ReadFile(filepath.Join(filepath.Dir(path), info.Object))
		if err != nil {
			b.Fatal(err)
		}
		more, n := recordsOf(c, t, info.Bucket, info.Key, object)
		records, size = append(records, more...), size+n
	}
	return records, size
}

// recordsOf returns the records of an object that convert, and how long they are
// together.
func recordsOf(c *Converter, t *logtype.Type, bucket, key string, object []byte) (records []goldenRecord, size int) {
	var head *split.Head
	var o *Object
	_, _ = split.Records(bytes.NewReader(object), t.Framing(), split.Limits{}, func(r split.Record) (err error) {
		if r.Bad != nil {
			return nil
		}
		if r.Head != head {
			head = r.Head
			src := lease.Source{Bucket: bucket, Key: key, LogType: t.Name, Header: head.Header}
			if head.Kind == split.Parquet {
				src.Format = "json"
			}
			if o, err = c.Object(t, src); err != nil {
				return err
			}
		}
		if c.Convert(o, r.Number, r.Envelope, r.Raw) == nil {
			records = append(records, goldenRecord{o, r.Number, bytes.Clone(r.Envelope), bytes.Clone(r.Raw)})
			size += len(r.Raw)
		}
		return nil
	})
	return records, size
}
