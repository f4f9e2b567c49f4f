package indicator

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// many is how many indicators the benchmarks have: what a large organisation
// gathers.
const many = 10_000_000

// feed yields n rows like those of large feeds: two fifths addresses, a few
// networks, a quarter domains, a fifth URLs, the rest hashes.
func feed(n int, add func(*Row) error) error {
	random := rand.New(rand.NewPCG(1, 2))
	families := []string{"Emotet", "QakBot", "AsyncRAT", "Cobalt Strike", "Remcos", "RedLine Stealer", "Mirai", "Mozi", "FormBook", "AgentTesla"}
	words := []string{"login", "secure", "update", "cdn", "mail", "account", "verify", "app", "api", "static", "download", "portal", "cloud", "docs", "web"}
	ends := []string{"com", "net", "org", "ru", "xyz", "top", "info", "co.uk", "de", "shop"}
	host := func() string {
		name := fmt.Sprintf("%s-%x.%s", words[random.IntN(len(words))], random.Uint32(), ends[random.IntN(len(ends))])
		if random.IntN(3) == 0 {
			name = words[random.IntN(len(words))] + "." + name
		}
		return name
	}
	for i := range n {
		at := fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02dZ", 1+random.IntN(12), 1+random.IntN(28), random.IntN(24), random.IntN(60), random.IntN(60))
		r := Row{Provider: "abuse.ch", Name: families[random.IntN(len(families))], FirstSeen: at, Modified: at, Description: "threat type botnet_cc, confidence 75"}
		switch k := random.IntN(100); {
		case k < 39:
			r.Type, r.Value, r.Provider = IPv4, address(random).String(), "AlienVault_OTX"
		case k < 41:
			r.Type, r.Value = IPv4, netip.PrefixFrom(address(random), 20+random.IntN(12)).String()
		case k < 66:
			r.Type, r.Value = Domain, host()
		case k < 86:
			r.Type, r.Value = URL, fmt.Sprintf("http://%s/%s/%x.php", host(), words[random.IntN(len(words))], random.Uint32())
			r.Reference = fmt.Sprintf("https://urlhaus.abuse.ch/url/%d/", 1_000_000+i)
		default:
			var b [32]byte
			for j := range b {
				b[j] = byte(random.Uint32())
			}
			r.Type, r.Value = File, hex.EncodeToString(b[:])
		}
		if err := add(&r); err != nil {
			return err
		}
	}
	return nil
}

func address(random *rand.Rand) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(1 + random.IntN(223)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
}

// BenchmarkTable builds a table of ten million indicators and looks up what is
// not in it, which is what nearly every event asks, and what is.
//
//	go test -run '^$' -bench Table -benchtime 1x   builds (about a minute)
//	-benchtime 1000000x                            for the look-ups
func BenchmarkTable(b *testing.B) {
	path := filepath.Join(b.TempDir(), "indicators.ioc")
	b.Run("build", func(b *testing.B) {
		for range 1 { // once, however many are asked for
			builder := NewBuilder(path, built)
			defer builder.Close()
			if err := feed(many, builder.Add); err != nil {
				b.Fatal(err)
			}
			head, err := builder.Write(path, Options{})
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
	table, err := OpenFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if _, err := OpenFile(path); err != nil {
				b.Fatal(err)
			}
		}
	})
	random := rand.New(rand.NewPCG(3, 4))
	addrs := make([]netip.Addr, 1<<16)
	hosts := make([]string, 1<<16)
	urls := make([]string, 1<<16)
	for i := range addrs {
		addrs[i] = address(random)
		hosts[i] = fmt.Sprintf("www.site-%x.com", random.Uint32())
		urls[i] = "https://" + hosts[i] + "/index.html"
	}
	into := make([]*Row, 0, 64)
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
