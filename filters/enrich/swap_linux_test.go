package enrich

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"golang.org/x/sys/unix"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// TestSwapsUnderLoad replaces all tables a thousand times while events are
// enriched. Each event has what one version of each table says, whole; none has
// nothing; no look-up works for 10 ms.
func TestSwapsUnderLoad(t *testing.T) {
	const versions, swaps, readers = 20, 1000, 2
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(readers + 4)) // nobody waits for another's turn
	made, used := t.TempDir(), t.TempDir()
	text := func(n int) mmdbtype.String { return mmdbtype.String(fmt.Sprintf("v%d", n)) }
	for n := range versions {
		place := mmdbtype.Map{"iso_code": text(n), "names": mmdbtype.Map{"en": text(n)}}
		writeDatabase(t, filepath.Join(made, fmt.Sprint("GeoLite2-City.mmdb", n)), "GeoLite2-City", mmdbtype.Map{"city": place, "country": place})
		writeDatabase(t, filepath.Join(made, fmt.Sprint("GeoLite2-ASN.mmdb", n)), "GeoLite2-ASN", mmdbtype.Map{"autonomous_system_organization": text(n)})
		writeIndicators(t, filepath.Join(made, fmt.Sprint("indicators.ioc", n)), strings.ReplaceAll(`{"type":"ipv4-addr","value":"81.2.69.142","name":"vN"}
{"type":"ipv4-addr","value":"81.2.69.0/24","name":"vN"}
{"type":"domain-name","value":"evil.example","name":"vN"}`, "vN", string(text(n))))
		rows := strings.ReplaceAll("network,a,b\n81.2.69.142,vN,vN\n81.2.0.0/16,vN,vN\n", "vN", string(text(n)))
		if err := os.WriteFile(filepath.Join(made, fmt.Sprint("networks.csv", n)), []byte(rows), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name string, n int) { // a file replaces another by its name, as the sidecar does it
		t.Helper()
		if err := os.Link(filepath.Join(made, fmt.Sprint(name, n)), filepath.Join(used, name+".new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(used, name+".new"), filepath.Join(used, name)); err != nil {
			t.Fatal(err)
		}
	}
	var indicators atomic.Pointer[Indicators]
	geo := newGeo(used, slog.New(slog.DiscardHandler)) // swapped when this test says so
	if err := os.WriteFile(filepath.Join(used, "networks.yaml"), []byte("file: networks.csv\nkey: network\nby: network\njoin: [source.ip]\nfill: {x: a, y: b}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	assets := newAssetFolder(used, slog.New(slog.DiscardHandler))
	var proxies atomic.Pointer[Proxies]
	swap := func(n int) {
		t.Helper()
		for _, name := range []string{"GeoLite2-City.mmdb", "GeoLite2-ASN.mmdb", "indicators.ioc", "networks.csv"} {
			put(name, n%versions)
		}
		geo.refresh()
		assets.refresh()
		// In each version one network is trusted, and in all of them the peer's.
		list, _, err := LoadProxies(strings.NewReader(fmt.Sprintf("81.2.69.0/24\n10.%d.0.0/16\n10.%d.0.0/16\n", n%versions, n%versions+100)))
		if err != nil {
			t.Fatal(err)
		}
		proxies.Store(list)
		table, err := indicator.OpenFile(filepath.Join(used, "indicators.ioc"))
		if err != nil {
			t.Fatal(err)
		}
		indicators.Store(table)
	}
	swap(0)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var events, slow atomic.Int64
	seen := [readers]map[string]bool{}
	for r := range readers {
		seen[r] = map[string]bool{}
		group.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			reader := geo.Reader()
			var m Matches
			var w event.Writer
			a := netip.MustParseAddr("81.2.69.142")
			for ctx.Err() == nil {
				began, spent := time.Now(), processor()
				f := reader.Lookup(a)
				m.Reset(indicators.Load())
				m.Addr("source.ip", a)
				m.Domain("dns.question.name", "www.evil.example")
				asset := assets.Load().Table("networks").Find("", a)
				trusted := proxies.Load()
				client, ok := trusted.Client(a, []byte("203.0.113.1, 10.0.0.1, 10.100.0.1"))
				if took := processor() - spent; took > 10*time.Millisecond {
					t.Errorf("an event's look-ups worked for %v", took)
				}
				if time.Since(began) > 10*time.Millisecond {
					slow.Add(1)
				}
				events.Add(1)
				if f == nil || m.Empty() || asset == nil {
					t.Errorf("an event was not enriched: %v, %v, %v", f, m.Empty(), asset)
					return
				}
				// Of the first version the list ends before its two networks, of others at once.
				if want := map[bool]string{true: "203.0.113.1", false: "10.100.0.1"}[trusted.Trusts(netip.MustParseAddr("10.0.0.1"))]; !ok || client.String() != want {
					t.Errorf("an event has parts of two lists of proxies: %v, want %s", client, want)
					return
				}
				if asset[1].Text != asset[2].Text {
					t.Errorf("an event has parts of two tables of assets: %v", asset)
					return
				}
				w.Reset(w.Buf[:0], false)
				m.Write(&w)
				whose, _, _ := strings.Cut(string(w.Buf[strings.Index(string(w.Buf), `"name":"`)+8:]), `"`)
				if strings.Count(string(w.Buf), `"name":"`+whose+`"`) != 3 || !strings.Contains(string(w.Buf), `"names":["`+whose+`"]`) {
					t.Errorf("an event has parts of two tables: %s", w.Buf)
					return
				}
				seen[r][whose] = true
				where, _, _ := strings.Cut(strings.TrimPrefix(string(f.GeoJSON), `{"city_name":"`), `"`)
				if want := fmt.Sprintf(`{"city_name":%q,"country_iso_code":%[1]q,"country_name":%[1]q}`, where); string(f.GeoJSON) != want {
					t.Errorf("an event has parts of two databases: %s", f.GeoJSON)
					return
				}
			}
		})
	}
	for n := 1; n <= swaps; n++ {
		before := events.Load()
		swap(n)
		if n%50 == 0 {
			runtime.GC() // tables that nobody holds are unmapped now
		}
		for events.Load() == before && !t.Failed() { // somebody reads each version
			runtime.Gosched()
		}
	}
	stop()
	group.Wait()
	if geo.Swapped() != 2*(swaps+1) || geo.Refused() != 0 {
		t.Errorf("%d databases were taken, %d refused", geo.Swapped(), geo.Refused())
	}
	if assets.Problem() != "" || assets.Refused() != 0 {
		t.Errorf("assets: %s", assets.Problem())
	}
	if len(seen[0]) < versions/2 || events.Load() < 10*swaps {
		t.Errorf("only %d versions were seen, by %d events", len(seen[0]), events.Load())
	}
	// Waiting is no error here: whoever shares the machine decides on it.
	t.Logf("%d swaps, %d events, %d of them waited longer than 10 ms for a processor", swaps, events.Load(), slow.Load())
}

// processor is the time that this thread has worked.
func processor() time.Duration {
	var at unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at) != nil {
		return 0
	}
	return time.Duration(at.Nano())
}
