package enrich

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/internal/indicator/indicatortest"
)

// BenchmarkEvent is what enrichment costs an event that has two addresses, a
// name and a user agent: City and ASN of both, three look-ups in a table of ten
// million indicators, one user agent. An event should not take longer than
// 1.5 µs. One address of two is of the 5,000 that come again and again, which
// is less than real logs have; the user agent is one of 300. The table should
// take no more than 600 MB, once for all processes: it says what a second one
// leaves to each.
//
// Making the table takes about a minute.
func BenchmarkEvent(b *testing.B) {
	path := filepath.Join(b.TempDir(), "indicators.ioc")
	builder := indicator.NewBuilder(path, time.Now())
	defer builder.Close()
	if err := indicatortest.Feed(10_000_000, builder.Add); err != nil {
		b.Fatal(err)
	}
	if _, err := builder.Write(path, indicator.Options{}); err != nil {
		b.Fatal(err)
	}
	memory := mapTwice(b, path)[0]
	table, err := indicator.OpenFile(path)
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	geo := OpenGeo("testdata/mmdb", nil)
	defer geo.Close()
	var located []netip.Prefix // test databases know few networks: addresses are taken from those
	for r := range geo.current.Load().city.db.Networks() {
		located = append(located, r.Prefix())
	}
	address := func() netip.Addr {
		if random.IntN(2) == 0 {
			return indicatortest.Address(random)
		}
		a := located[random.IntN(len(located))].Addr()
		bytes := a.AsSlice()
		bytes[len(bytes)-1] |= byte(random.Uint32() & 7)
		a, _ = netip.AddrFromSlice(bytes)
		return a.Unmap()
	}
	again := make([]netip.Addr, 5000)
	for i := range again {
		again[i] = address()
	}
	agents := userAgents(b)
	type event struct {
		source, destination netip.Addr
		host                string
		agent               []byte
	}
	events := make([]event, 1<<16)
	for i := range events {
		events[i] = event{again[random.IntN(len(again))], address(), fmt.Sprintf("www.site-%x.com", random.Uint32()), agents[random.IntN(len(agents))]}
	}
	reader, parser := geo.Reader(), NewAgents().Reader()
	for _, a := range agents {
		parser.Parse(a)
	}
	var m Matches
	found, matched := 0, 0
	b.ReportAllocs()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	i, spent := 0, processor()
	for b.Loop() {
		e := &events[i&0xffff]
		i++
		for _, a := range [...]netip.Addr{e.source, e.destination} {
			if reader.Lookup(a) != nil {
				found++
			}
		}
		parser.Parse(e.agent)
		m.Reset(table)
		m.Addr("source.ip", e.source)
		m.Addr("destination.ip", e.destination)
		m.Domain("destination.domain", e.host)
		if !m.Empty() {
			matched++
		}
	}
	b.ReportMetric(float64(processor()-spent)/float64(i), "cpu-ns/event") // whoever shares the machine does not count
	b.ReportMetric(100*float64(found)/float64(2*i), "%located")
	b.ReportMetric(float64(memory.rss)/1e6, "MB-table")
	b.ReportMetric(float64(memory.pss)/1e6, "MB-each-of-two")
	b.ReportMetric(100*float64(matched)/float64(i), "%matched")
}

// userAgents returns 300 real ones.
func userAgents(b *testing.B) (list [][]byte) {
	f, err := os.Open("testdata/golden/agents.ndjson")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && len(list) < 300 {
		list = append(list, []byte(lines.Text()))
	}
	return list
}
