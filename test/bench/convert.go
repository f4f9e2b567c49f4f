package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// bulkSize is how large a body grows before it is handed over.
const bulkSize = 5 << 20

// convert measures one core from a compressed object to bulk bodies.
func convert(root string, in input, limit time.Duration) (result, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	t, key := in.t, in.key
	geo := enrich.OpenGeo(filepath.Join(root, "filters/enrich/testdata/mmdb"), slog.New(slog.DiscardHandler))
	defer geo.Close()
	if len(geo.Versions()) != 2 {
		return result{}, fmt.Errorf("GeoIP: %s", geo.Problem())
	}
	engine := &ecs.Engine{IDs: ecs.Natural, Geo: geo, Agents: enrich.NewAgents()}
	c := engine.NewConverter()
	body := make([]byte, 0, bulkSize+1<<20)
	var bodies int64
	once := func() (err error) {
		var o *ecs.Object
		_, err = split.Records(bytes.NewReader(in.packed), t.Framing(), split.Limits{}, func(r split.Record) error {
			if r.Bad != nil {
				return r.Bad
			}
			if o == nil {
				src := lease.Source{Bucket: "bench", Key: key, LogType: t.Name, Header: r.Head.Header}
				if r.Head.Kind == split.Parquet {
					src.Format = "json"
				}
				if o, err = c.Object(t, src); err != nil {
					return err
				}
			}
			if err := c.Convert(o, r.Number, r.Envelope, r.Raw); err != nil {
				if excluded := (*ecs.Excluded)(nil); errors.As(err, &excluded) {
					return nil // a control line among slow queries
				}
				return err
			}
			target := c.Target()
			body = append(body, `{"create":{"_index":`...)
			body = event.AppendJSONString(body, target.Index)
			body = append(body, `,"_id":`...)
			body = event.AppendJSONString(body, target.ID)
			body = append(body, "}}\n"...)
			body = append(c.AppendJSON(body), '\n')
			if len(body) >= bulkSize {
				bodies += int64(len(body))
				body = body[:0]
			}
			return nil
		})
		return err
	}
	if err := once(); err != nil { // warms caches and buffers
		return result{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, rounds := cpuTime(), 0
	for cpuTime()-began < limit {
		if err := once(); err != nil {
			return result{}, err
		}
		rounds++
	}
	used := (cpuTime() - began).Seconds()
	runtime.ReadMemStats(&after)
	events := float64(rounds * in.n)
	row := result{
		Type: t.Name, Stage: "convert", Cores: 1, Target: goal(in),
		Events: events / used, MB: float64(rounds*in.size) / used / 1e6,
		Allocs: float64(after.Mallocs-before.Mallocs) / events, PeakRSS: peakRSS(),
	}
	cost, err := gzipCost(body, bodies, rounds+1, in.n)
	row.GzipExtra = cost
	return row, err
}

// goal is how many events a second and core a type has to reach: what is asked of
// the three large ones, else 20,000 or 30 MB, whichever is easier for it.
func goal(in input) float64 {
	for _, d := range types {
		if d.Name == in.t.Name {
			return d.target
		}
	}
	return min(20000, 30e6*float64(in.n)/float64(in.size))
}

// gzipCost is what compressing the body costs, in µs an event.
func gzipCost(body []byte, bodies int64, rounds, n int) (float64, error) {
	z, err := gzip.NewWriterLevel(io.Discard, 1)
	if err != nil {
		return 0, err
	}
	const times = 5
	began := cpuTime()
	for range times {
		z.Reset(io.Discard)
		if _, err := z.Write(body[:cap(body)][:bulkSize]); err != nil {
			return 0, err
		}
		if err := z.Close(); err != nil {
			return 0, err
		}
	}
	perByte := (cpuTime() - began).Seconds() / (times * bulkSize)
	perEvent := float64(bodies+int64(len(body))) / float64(rounds*n)
	return perByte * perEvent * 1e6, nil
}

// cpuTime is the CPU time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // RUSAGE_SELF is always there
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakRSS is this process's, in MB.
func peakRSS() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Maxrss) / 1e3
}
