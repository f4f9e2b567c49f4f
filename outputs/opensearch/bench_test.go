package opensearch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// vpcChunk is a chunk as Fluent Bit hands it over (2 MB), of documents of VPC
// flow logs; finished says that they come as JSON (emit: document).
func vpcChunk(t testing.TB, object uint64, finished bool) (chunk []byte, events int) {
	t.Helper()
	text, err := os.ReadFile("testdata/vpcflowlogs.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for len(chunk) < 2048000 {
		line := lines[events%len(lines)]
		events++
		chunk = event.AppendTarget(chunk, time.Unix(1700000000, 0), &event.Origin{Object: object, Record: uint64(events), Size: 130},
			event.Target{Index: []byte("log-aws-vpcflowlogs-2023-11"), ID: fmt.Appendf(nil, "%032x", events)}, nil, nil)
		if finished {
			chunk = event.AppendDocument(chunk, []byte(line))
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		chunk = appendValue(chunk, doc)
	}
	return chunk, events
}

// appendValue appends v as msgpack, keys in order, as a filter writes them.
func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		dst = msgp.AppendMapHeader(dst, uint32(len(v)))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			dst = appendValue(msgp.AppendString(dst, k), v[k])
		}
	case []any:
		dst = msgp.AppendArrayHeader(dst, uint32(len(v)))
		for _, x := range v {
			dst = appendValue(dst, x)
		}
	default:
		dst, err := msgp.AppendIntf(dst, v)
		if err != nil {
			panic(err)
		}
		return dst
	}
	return dst
}

// sink stores nothing and says that it did.
type sink struct{ answers map[int]string }

func (s sink) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(s.answers[0]))}, nil
}

func answerFor(n int) string {
	return `{"took":3,"errors":false,"items":[` + strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, n), ",") + `]}`
}

// BenchmarkWrite is everything but the network: chunk → bulk body → answer →
// verdicts on a lease.
func BenchmarkWrite(b *testing.B) {
	for _, finished := range []bool{false, true} {
		for _, compress := range []bool{false, true} {
			emit := map[bool]string{false: "record", true: "document"}[finished]
			b.Run(fmt.Sprintf("emit=%s/gzip=%v", emit, compress), func(b *testing.B) {
				cfg := Defaults()
				cfg.Endpoint, cfg.Compress, cfg.DeadLetters = []string{"http://sink.test"}, compress, b.TempDir()
				p := process.New()
				leases := p.Leases.Open(lease.NewCredit(1 << 40))
				o := leases.Add(lease.Source{Bucket: "b", Key: "k"})
				chunk, n := vpcChunk(b, o.ID, finished)
				w, err := New(cfg, p, WithLogger(slog.New(slog.DiscardHandler)), WithTransport(sink{map[int]string{0: answerFor(n)}}))
				if err != nil {
					b.Fatal(err)
				}
				defer w.Close()
				b.SetBytes(int64(len(chunk)))
				b.ReportAllocs()
				for b.Loop() {
					// A new object each time: a record is judged once.
					b.StopTimer()
					o = leases.Add(lease.Source{Bucket: "b", Key: "k"})
					o.Read(n, int64(n)*130)
					renumber(chunk, o.ID)
					b.StartTimer()
					if err := w.Write(b.Context(), "siem", chunk); err != nil {
						b.Fatal(err)
					}
				}
				if o.Totals().Of(lease.Stored) != uint64(n) {
					b.Fatalf("books: %+v of %d", o.Totals(), n)
				}
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "docs/s")
			})
		}
	}
}

var objectMark = append([]byte("\xa6object"), 0xcf)

// renumber lets the events of chunk belong to another object.
func renumber(chunk []byte, object uint64) {
	for rest := chunk; ; {
		i := bytes.Index(rest, objectMark)
		if i < 0 {
			return
		}
		at := rest[i+len(objectMark):]
		for k := range 8 {
			at[k] = byte(object >> (56 - 8*k))
		}
		rest = at
	}
}

// BenchmarkGzip is the price of compression alone, beside BenchmarkWrite.
func BenchmarkGzip(b *testing.B) {
	chunk, n := vpcChunk(b, 1, true)
	bulk := getBulk()
	d := documents{ids: true, bounds: anything}
	for i := int32(0); len(chunk) > 0; i++ {
		ev, rest, err := event.Next(chunk)
		if err != nil {
			b.Fatal(err)
		}
		chunk = rest
		d.add(bulk, &ev, i, nil)
	}
	all := bulk.all()
	b.SetBytes(int64(len(bulk.lines)))
	size := 0
	for b.Loop() {
		p := bulk.payload(all, true)
		size = p.Len()
		p.done()
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "docs/s")
	b.ReportMetric(float64(len(bulk.lines))/float64(size), "ratio")
}

// BenchmarkAnswer is reading the answer to 1,500 documents, when all is well
// and when one was refused.
func BenchmarkAnswer(b *testing.B) {
	good := []byte(answerFor(1500))
	bad := bytes.Replace(good, []byte(`{"create":{"status":201}}`), []byte(`{"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"x"}}}`), 1)
	bad = bytes.Replace(bad, []byte(`"errors":false`), []byte(`"errors":true`), 1)
	for name, answer := range map[string][]byte{"good": good, "bad": bad} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(answer)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := results(answer, 1500, func(int) bool { return true }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
