package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
	"github.com/fluent-siem/fluent-siem/test/corpus"
)

// input is an object to measure, all of whose records become documents.
type input struct {
	t      *logtype.Type
	key    string
	packed []byte
	size   int // of the text, in bytes
	n      int // records
}

// A type's object has at least leastRecords and leastBytes, but for records so
// long that it would exceed mostBytes.
const (
	leastRecords = 5000
	leastBytes   = 8 << 20
	mostBytes    = 32 << 20
)

// fromSamples makes an object of a type's samples (test/golden), again and again
// in an order drawn with a fixed seed, until it has least records and bytes.
func fromSamples(root string, t *logtype.Type, records, size int) (input, error) {
	files, err := sampleFiles(root, t.Name)
	if err != nil {
		return input{}, err
	}
	in := input{t: t, key: "AWSLogs/123456789012/" + t.Name + "/us-east-1/sample.gz"}
	var g gathered
	for _, path := range files {
		if err := g.add(path, in.key, t); err != nil {
			return input{}, err
		}
	}
	if len(g.records) == 0 && len(g.parquet) > 0 {
		return in.ofParquet(g.parquet, records)
	}
	if len(g.records) == 0 {
		return input{}, fmt.Errorf("%s: no sample in test/golden has a record of it", t.Name)
	}
	order := rand.New(rand.NewPCG(1, 20240115)).Perm(len(g.records))
	var b bytes.Buffer
	f := t.Framing()
	for range t.HeaderLines {
		b.WriteString("#\n")
	}
	if len(g.header) > 0 {
		fmt.Fprintf(&b, "%s%s\n", f.HeaderPrefix, g.header)
	}
	if f.Records != "" {
		fmt.Fprintf(&b, `{%q:[`, f.Records)
	}
	for in.n < records || b.Len() < size && b.Len() < mostBytes {
		if f.Records != "" && in.n > 0 {
			b.WriteByte(',')
		}
		b.Write(g.records[order[in.n%len(order)]])
		b.WriteByte('\n')
		if in.n++; b.Len() > mostBytes {
			break
		}
	}
	if f.Records != "" {
		b.WriteString("]}\n")
	}
	in.size, in.packed = b.Len(), corpus.Gzip(b.Bytes())
	return in, nil
}

// sampleFiles lists a type's samples, Filebeat's test files and golden objects.
func sampleFiles(root, name string) (files []string, err error) {
	golden := filepath.Join(root, "test", "golden")
	for _, dir := range []string{"samples", "filebeat"} {
		all, err := filepath.Glob(filepath.Join(golden, dir, name, "*"))
		if err != nil {
			return nil, err
		}
		files = append(files, slices.DeleteFunc(all, func(path string) bool { return strings.HasSuffix(path, "-expected.json") })...)
	}
	cases, err := filepath.Glob(filepath.Join(golden, "cases", name, "*", "case.json"))
	for _, path := range cases {
		var about struct {
			Object string `json:"object"`
		}
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &about)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, filepath.Join(filepath.Dir(path), about.Object))
	}
	return files, err
}

// gathered are the records of samples that convert without an envelope, under
// the header that the first sample has; or the samples that are Parquet.
type gathered struct {
	header  []byte
	records [][]byte
	parquet [][]byte
	size    int
}

var errEnough = errors.New("enough")

func (g *gathered) add(path, key string, t *logtype.Type) error {
	object, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c := new(ecs.Engine).NewConverter()
	framing := t.Framing()
	for _, list := range []string{framing.Records, ""} { // a sample may be a record by itself
		framing.Records = list
		found := false
		_, err = split.Records(bytes.NewReader(object), framing, split.Limits{}, func(r split.Record) error {
			found = true
			if r.Head.Kind == split.Parquet {
				g.parquet = append(g.parquet, object)
				return errEnough
			}
			if len(g.records) == 0 {
				g.header = bytes.Clone(r.Head.Header)
			}
			if g.size > leastBytes || !bytes.Equal(g.header, r.Head.Header) {
				return errEnough
			}
			o, err := c.Object(t, lease.Source{Bucket: "bench", Key: key, LogType: t.Name, Header: r.Head.Header})
			if err != nil {
				return err
			}
			if r.Bad == nil && len(bytes.TrimSpace(r.Raw)) > 0 && c.Convert(o, r.Number, nil, r.Raw) == nil {
				g.records = append(g.records, bytes.Clone(r.Raw))
				g.size += len(r.Raw)
			}
			return nil
		})
		if found {
			break
		}
	}
	var fault *split.Error
	if errors.Is(err, errEnough) || errors.As(err, &fault) { // some samples end in what is none
		return nil
	}
	return err
}

// ofParquet makes one Parquet object of the rows of the file with the most.
func (in input) ofParquet(files [][]byte, records int) (input, error) {
	var most *parquet.File
	for _, b := range files {
		f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return in, err
		}
		if most == nil || f.NumRows() > most.NumRows() {
			most = f
		}
	}
	var out bytes.Buffer
	w := parquet.NewWriter(&out, most.Schema(), parquet.Compression(&parquet.Gzip))
	for in.n < records {
		for _, group := range most.RowGroups() {
			rows := group.Rows()
			n, err := parquet.CopyRows(w, rows)
			if err = errors.Join(err, rows.Close()); err != nil {
				return in, err
			}
			in.n += int(n)
		}
	}
	if err := w.Close(); err != nil {
		return in, err
	}
	in.packed = out.Bytes()
	// The text is what its rows are as JSON.
	_, err := split.Records(bytes.NewReader(in.packed), in.t.Framing(), split.Limits{}, func(r split.Record) error {
		in.size += len(r.Raw)
		return nil
	})
	return in, err
}
