package ecs

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
	"github.com/fluent-siem/fluent-siem/test/corpus"
)

// BenchmarkConvert measures records to documents, without decompression.
func BenchmarkConvert(b *testing.B) {
	types, err := logtype.NewRegistry()
	if err != nil {
		b.Fatal(err)
	}
	geo := enrich.OpenGeo("../enrich/testdata/mmdb", slog.New(slog.DiscardHandler))
	defer geo.Close()
	for _, kind := range corpus.Types {
		name, key := kind.Name, kind.Object(1, 1).Key
		for _, format := range []string{"json", "msgpack"} {
			b.Run(name+"/"+format, func(b *testing.B) {
				t, _ := types.Match("bucket", key)
				e := &Engine{IDs: Natural, Geo: geo, Agents: enrich.NewAgents()}
				c := e.NewConverter()
				var records [][]byte
				var header []byte
				size := 0
				_, err := split.Records(bytes.NewReader(kind.Traffic(5000, 1)), t.Framing(), split.Limits{}, func(r split.Record) error {
					header = r.Head.Header
					records = append(records, bytes.Clone(r.Raw))
					size += len(r.Raw)
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				o, err := c.Object(t, lease.Source{Bucket: "bucket", Key: key, LogType: name, Header: header})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(size / len(records)))
				b.ReportAllocs()
				var out []byte
				i := 0
				for b.Loop() {
					if err := c.Convert(o, uint64(i), nil, records[i%len(records)]); err != nil {
						b.Fatal(err)
					}
					if format == "json" {
						out = c.AppendJSON(out[:0])
					} else {
						out = c.AppendMsgpack(out[:0])
					}
					i++
				}
				b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(len(out)), "bytes/doc")
			})
		}
	}
}
