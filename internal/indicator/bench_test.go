package indicator_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/internal/indicator/indicatortest"
)

// many is how many indicators the benchmarks have: what a large organisation
// gathers.
const many = 10_000_000

// BenchmarkTable builds a table of ten million indicators and looks up what is
// not in it, which is what nearly every event asks, and what is.
//
//	go test -run '^$' -bench Table -benchtime 1x   builds (about a minute)
//	-benchtime 1000000x                            for the look-ups
func BenchmarkTable(b *testing.B) {
	path := filepath.Join(b.TempDir(), "indicators.ioc")
	b.Run("build", func(b *testing.B) {
		for range 1 { // once, however many are asked for
			builder := indicator.NewBuilder(path, time.Now())
			defer builder.Close()
			if err := indicatortest.Feed(many, builder.Add); err != nil {
				b.Fatal(err)
			}
			head, err := builder.Write(path, indicator.Options{})
			if err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			var usage unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(b.Elapsed().Seconds(), "s/build")
			b.ReportMetric(float64(info.Size())/1e6, "MB/file")
			b.ReportMetric(float64(usage.Maxrss)/1e3, "MB/peak")
			b.ReportMetric(float64(head.Rows), "rows")
			for name, s := range head.Sections {
				b.Logf("%s: %.1f MB", name, float64(s.Size)/1e6)
			}
		}
	})
	table, err := indicator.OpenFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if _, err := indicator.OpenFile(path); err != nil {
				b.Fatal(err)
			}
		}
	})
	random := rand.New(rand.NewPCG(3, 4))
	addrs := make([]netip.Addr, 1<<16)
	hosts := make([]string, 1<<16)
	urls := make([]string, 1<<16)
	for i := range addrs {
		addrs[i] = indicatortest.Address(random)
		hosts[i] = fmt.Sprintf("www.site-%x.com", random.Uint32())
		urls[i] = "https://" + hosts[i] + "/index.html"
	}
	into := make([]*indicator.Row, 0, 64)
	for _, c := range []struct {
		name string
		do   func(i int)
	}{
		{"address", func(i int) { table.Addr(addrs[i], into) }},
		{"domain", func(i int) { table.Domain(hosts[i], into) }},
		{"url", func(i int) { table.URL(urls[i], into) }},
		{"three of an event", func(i int) {
			table.Addr(addrs[i], into)
			table.Addr(addrs[(i+1)&0xffff], into)
			table.Domain(hosts[i], into)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.do(i & 0xffff)
				i++
			}
		})
	}
	var known []netip.Addr
	for r, err := range table.All() {
		if err != nil {
			b.Fatal(err)
		}
		if a, err := netip.ParseAddr(r.Value); err == nil {
			if known = append(known, a); len(known) == 1<<16 {
				break
			}
		}
	}
	b.Run("match", func(b *testing.B) { // a row is unpacked
		i := 0
		for b.Loop() {
			table.Addr(known[i*7919&0xffff], into)
			i++
		}
	})
}
