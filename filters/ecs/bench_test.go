package ecs

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
	"github.com/fluent-siem/fluent-siem/test/generate"
)

// sampleKeys are keys of objects of the types whose samples are in testdata.
var sampleKeys = map[string]string{
	"cloudtrail":  "AWSLogs/123456789012/CloudTrail/us-east-1/2023/07/10/123456789012_CloudTrail_us-east-1_20230710T1200Z_iLj9fb7yyUG9X4Bf.json.gz",
	"vpcflowlogs": "AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/01/01/123456789012_vpcflowlogs_us-east-1_fl-0c_20240101T0005Z_ac627ab1.log.gz",
	"alb":         "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2024/01/15/123456789012_elasticloadbalancing_us-east-1_app.my-alb.50dc6c495c0c9188_20240115T0351Z_10.0.51.7_4a9m8t1q.log.gz",
}

// BenchmarkConvert measures records to documents, without decompression.
func BenchmarkConvert(b *testing.B) {
	types, err := logtype.NewRegistry()
	if err != nil {
		b.Fatal(err)
	}
	geo := enrich.OpenGeo("../enrich/testdata/mmdb", slog.New(slog.DiscardHandler))
	defer geo.Close()
	for name, key := range sampleKeys {
		for _, format := range []string{"json", "msgpack"} {
			b.Run(name+"/"+format, func(b *testing.B) {
				t, _ := types.Match("bucket", key)
				e := &Engine{IDs: Natural, Geo: geo, Agents: enrich.NewAgents()}
				c := e.NewConverter()
				var records [][]byte
				var header []byte
				size := 0
				_, err := split.Records(bytes.NewReader(sample(b, name)), t.Framing(), split.Limits{}, func(r split.Record) error {
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
					if err := c.Convert(o, uint64(i), records[i%len(records)]); err != nil {
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

// sample is an object of a type, made for measuring.
func sample(b *testing.B, name string) []byte {
	b.Helper()
	switch name {
	case "cloudtrail":
		return generate.CloudTrail(2000, 1)
	case "vpcflowlogs":
		return generate.VPCFlow(5000, 1)
	case "alb":
		return generate.ALB(2000, 1)
	}
	b.Fatalf("no sample of %s", name)
	return nil
}
