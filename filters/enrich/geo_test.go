package enrich

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/follow"
)

func TestGeoSaysWhatTheOriginalSaid(t *testing.T) {
	g := OpenGeo("testdata/mmdb", slog.New(slog.DiscardHandler))
	defer g.Close()
	r := g.Reader()
	n := 0
	for line := range lines(t, "testdata/golden/addresses.ndjson") {
		var want struct {
			IP      netip.Addr
			Geo, As map[string]any
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		for range 2 { // looked up, then from the cache
			f := r.Lookup(want.IP)
			if f == nil {
				f = &Fragment{}
			}
			if got := object_(t, f.GeoJSON); !reflect.DeepEqual(got, want.Geo) {
				t.Errorf("%v: geo %v, want %v", want.IP, got, want.Geo)
			}
			if got := object_(t, f.ASJSON); !reflect.DeepEqual(got, want.As) {
				t.Errorf("%v: as %v, want %v", want.IP, got, want.As)
			}
			sameInMsgpack(t, f.GeoJSON, f.GeoMsgpack)
			sameInMsgpack(t, f.ASJSON, f.ASMsgpack)
		}
		n++
	}
	if n < 100 {
		t.Errorf("only %d addresses were compared", n)
	}
}

func TestOneAddressHasManyForms(t *testing.T) {
	g := OpenGeo("testdata/mmdb", slog.New(slog.DiscardHandler))
	defer g.Close()
	r := g.Reader()
	want := r.Lookup(netip.MustParseAddr("81.2.69.142"))
	for _, form := range []string{"::ffff:81.2.69.142", "::ffff:81.2.69.142%eth0"} {
		if got := r.Lookup(netip.MustParseAddr(form)); got == nil || got != want {
			t.Errorf("%s: %v, want %v", form, got, want)
		}
	}
	for _, nothing := range []netip.Addr{{}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1%eth0"), netip.IPv4Unspecified()} {
		if got := r.Lookup(nothing); got != nil {
			t.Errorf("%v: %s, want nothing", nothing, got.GeoJSON)
		}
	}
}

// A name may hold anything; both forms must stay valid.
func TestRenderEscapes(t *testing.T) {
	a := asnRecord{Number: 64500, Organization: "A\"T&T\\\n\u2028 \xff é"}
	as := render(a.write)
	if !json.Valid(as.JSON) {
		t.Errorf("not JSON: %s", as.JSON)
	}
	sameInMsgpack(t, as.JSON, as.Msgpack)
	empty := absent()
	if e := render(empty.write); e.JSON != nil || e.Msgpack != nil {
		t.Errorf("an empty record is rendered: %s", e.JSON)
	}
}

func TestCorruptFilesAreRefusedAndTheOldTableStays(t *testing.T) {
	bad := append(glob(t, "testdata/mmdb/bad-data/*.mmdb"),
		"testdata/mmdb/MaxMind-DB-test-broken-pointers-24.mmdb",
		"testdata/mmdb/MaxMind-DB-test-broken-search-tree-24.mmdb",
		"testdata/mmdb/GeoIP2-City-Test-Broken-Double-Format.mmdb",
		"testdata/mmdb/GeoIP2-City-Test-Invalid-Node-Count.mmdb",
		"testdata/README.md")
	good := read(t, "testdata/mmdb/GeoLite2-City-Test.mmdb")
	variants := map[string][]byte{
		"empty":                 {},
		"half":                  good[:len(good)/2],
		"tail":                  good[len(good)/2:],
		"the other kind":        read(t, "testdata/mmdb/GeoLite2-ASN-Test.mmdb"),
		"zeros before the tail": append(make([]byte, 4096), good[4096:]...),
	}
	for _, path := range bad {
		variants[path] = read(t, path)
	}
	for name, data := range variants {
		t.Run(name, func(t *testing.T) {
			any := &kind{name: "City", types: []string{""}, decode: city.decode}
			if name != "the other kind" {
				if tab, err := tryTable(any, data); err == nil {
					t.Errorf("%v is taken for a City database: refused only by its type", tab.Version)
				}
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "GeoLite2-City.mmdb")
			replace(t, path, good)
			g := quietGeo(t, dir)
			r := g.Reader()
			london := netip.MustParseAddr("81.2.69.142")
			want := r.Lookup(london)
			replace(t, path, data)
			g.refresh()
			g.refresh()
			if got := r.Lookup(london); got != want || want == nil {
				t.Errorf("after a corrupt file the answer is %v, not the old %v", got, want)
			}
			if g.Refused() != 1 || !strings.Contains(g.Problem(), "refused") {
				t.Errorf("refused %d times, problem %q", g.Refused(), g.Problem())
			}
			replace(t, path, good)
			g.refresh()
			if g.Swapped() != 2 || strings.Contains(g.Problem(), "City") {
				t.Errorf("the repaired file was not taken: swapped %d, problem %q", g.Swapped(), g.Problem())
			}
		})
	}
}

func TestAFileTruncatedInPlaceHarmsNobody(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "GeoLite2-City.mmdb")
	replace(t, path, read(t, "testdata/mmdb/GeoLite2-City-Test.mmdb"))
	g := quietGeo(t, dir)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if g.Reader().Lookup(netip.MustParseAddr("81.2.69.142")) == nil { // with a mapped file: SIGBUS
		t.Error("the table went with the file")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	g.refresh()
	if g.Reader().Lookup(netip.MustParseAddr("81.2.69.142")) == nil || !strings.Contains(g.Problem(), "is gone") {
		t.Errorf("after removal: problem %q", g.Problem())
	}
}

// Each answer must be of one version completely, and no reader may ever touch
// memory that was given back: the process would die here.
func TestThousandSwapsUnderLoad(t *testing.T) {
	dir := t.TempDir()
	cityPath, asnPath := filepath.Join(dir, "GeoLite2-City.mmdb"), filepath.Join(dir, "GeoLite2-ASN.mmdb")
	cities := [2][]byte{read(t, "testdata/mmdb/GeoLite2-City-Test.mmdb")}
	asns := [2][]byte{read(t, "testdata/mmdb/GeoLite2-ASN-Test.mmdb")}
	cities[1] = replaced(t, cities[0], "Milton", "Nowher", "United States", "Divided State")
	asns[1] = replaced(t, asns[0], "Telstra", "Artslet")
	asns[1] = replaced(t, asns[1], "\xc1\xd1", "\xc1\xd2") // the address looked up has no AS name: 209 → 210
	replace(t, cityPath, cities[0])
	replace(t, asnPath, asns[0])
	g := quietGeo(t, dir)

	milton := netip.MustParseAddr("216.160.83.56")
	seen := [2]string{}
	for i := range seen {
		replace(t, cityPath, cities[i])
		replace(t, asnPath, asns[i])
		g.refresh()
		f := g.Reader().Lookup(milton)
		seen[i] = string(f.GeoJSON) + string(f.ASJSON)
	}
	if seen[0] == seen[1] || strings.Contains(seen[1], "Milton") || strings.Contains(seen[1], "209") {
		t.Fatalf("the versions cannot be told apart: %s and %s", seen[0], seen[1])
	}

	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			r := g.Reader()
			others := []netip.Addr{netip.MustParseAddr("1.128.0.1"), netip.MustParseAddr("2001:220::1"), netip.MustParseAddr("10.1.1.1")}
			var kept []*Fragment
			for i := 0; ; i++ {
				select {
				case <-done:
					for _, f := range kept { // old fragments stay readable
						if got := string(f.GeoJSON) + string(f.ASJSON); got != seen[0] && got != seen[1] {
							t.Errorf("a kept fragment changed: %s", got)
						}
					}
					return
				default:
				}
				f := r.Lookup(milton)
				if got := string(f.GeoJSON) + string(f.ASJSON); got != seen[0] && got != seen[1] {
					t.Errorf("half a table: %s", got)
					return
				}
				if i%4096 == 0 {
					kept = append(kept, f)
				}
				r.cache[cacheSlot(milton)] = geoEntry{} // the next look-up goes to the table
				runtime.Gosched()                       // not the load is measured here
				r.Lookup(others[i%len(others)])
			}
		})
	}
	before := g.Swapped()
	for i := range 1000 {
		replace(t, cityPath, cities[i%2])
		replace(t, asnPath, asns[i%2])
		g.refresh()
		if f := g.Reader().Lookup(milton); string(f.GeoJSON)+string(f.ASJSON) != seen[i%2] {
			t.Fatalf("swap %d is not seen by the next look-up", i)
		}
		if i%50 == 0 {
			runtime.GC() // gives unused tables back while readers are at work
		}
	}
	close(done)
	wg.Wait()
	if n := g.Swapped() - before; n != 2000 {
		t.Errorf("%d tables were swapped in, want 2000", n)
	}
}

// A table of 32 MiB must not count in the Go heap, and must be given back after
// it was replaced.
func TestTablesLieOutsideTheHeapAndAreGivenBack(t *testing.T) {
	small := read(t, "testdata/mmdb/GeoLite2-City-Test.mmdb")
	metadata := bytes.LastIndex(small, []byte("\xab\xcd\xefMaxMind.com"))
	const padding = 32 << 20
	large := slices.Concat(small[:metadata], make([]byte, padding), small[metadata:])
	dir := t.TempDir()
	path := filepath.Join(dir, "GeoLite2-City.mmdb")
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	g := newGeo(dir, slog.New(slog.DiscardHandler))
	freed := make(chan struct{}, 10)
	for i := range 5 {
		replace(t, path, large)
		g.refresh()
		if g.Swapped() != uint64(i+1) || g.Reader().Lookup(netip.MustParseAddr("81.2.69.142")) == nil {
			t.Fatalf("the large table is not used: %s", g.Problem())
		}
		runtime.AddCleanup(g.current.Load().city, func(c chan struct{}) { c <- struct{}{} }, freed)
	}
	if grown := heap() - before; grown > padding/4 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	for range 4 {
		select {
		case <-freed:
		case <-time.After(time.Minute):
			t.Fatal("a replaced table is still in memory")
		}
	}
	if len(freed) != 0 {
		t.Error("the table in use was given back")
	}
	runtime.KeepAlive(g)
}

func TestReplacedFilesAreNoticed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "geoip")
	said := make(chan string, 100)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	g := OpenGeo(dir, slog.New(handler(said)))
	defer g.Close()
	for _, want := range []string{"GeoIP: no City database", "GeoIP: no ASN database"} {
		if got := <-said; !strings.Contains(got, want) {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	replace(t, filepath.Join(dir, "GeoLite2-City.mmdb"), read(t, "testdata/mmdb/GeoLite2-City-Test.mmdb"))
	select {
	case got := <-said:
		if got != "GeoIP database in use" {
			t.Errorf("said %q", got)
		}
	case <-time.After(2 * follow.Poll):
		t.Fatal("a new file was not noticed")
	}
	if v := g.Versions(); len(v) != 1 || v[0].Type != "GeoLite2-City" || v[0].Built.IsZero() {
		t.Errorf("versions %+v", v)
	}
}

func TestMissingFolderIsSaidOnce(t *testing.T) {
	said := make(chan string, 100)
	g := newGeo(filepath.Join(t.TempDir(), "absent"), slog.New(handler(said)))
	for range 5 {
		g.refresh()
	}
	if len(said) != 2 || g.Refused() != 0 {
		t.Errorf("%d lines for two missing databases, %d refused", len(said), g.Refused())
	}
	if OpenGeo("", nil).Reader().Lookup(netip.MustParseAddr("81.2.69.142")) != nil {
		t.Error("an answer without a database")
	}
}

func TestLookupHitDoesNotAllocate(t *testing.T) {
	r, a := quietGeo(t, "testdata/mmdb").Reader(), netip.MustParseAddr("81.2.69.142")
	r.Lookup(a)
	if n := testing.AllocsPerRun(100, func() { r.Lookup(a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGeo(b *testing.B) {
	g := OpenGeo("testdata/mmdb", slog.New(slog.DiscardHandler))
	defer g.Close()
	hits := []netip.Addr{netip.MustParseAddr("81.2.69.142"), netip.MustParseAddr("89.160.20.112"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:220::1")}
	b.Run("hit", func(b *testing.B) {
		r := g.Reader()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			r.Lookup(hits[i&3])
			i++
		}
	})
	b.Run("miss", func(b *testing.B) { // the record is rendered, the address is new
		t := g.current.Load()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			t.lookup(hits[i&3])
			i++
		}
	})
	b.Run("new", func(b *testing.B) { // nothing is rendered
		t := g.current.Load()
		b.ReportAllocs()
		for b.Loop() {
			result := t.city.db.Lookup(hits[0])
			if _, _, err := city.decode(result); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func FuzzCorruptDatabase(f *testing.F) {
	good, err := os.ReadFile("testdata/mmdb/GeoLite2-ASN-Test.mmdb")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(100, []byte{0xff, 0xff})
	f.Add(len(good)-60, []byte{0})
	f.Add(5000, []byte("\xe0\xff"))
	f.Fuzz(func(t *testing.T, at int, patch []byte) {
		data := bytes.Clone(good)
		if at < 0 || at > len(data) {
			return
		}
		copy(data[at:], patch)
		tab, err := tryTable(asn, data)
		if err != nil {
			return
		}
		// What was accepted answers without a panic, and with valid JSON.
		for _, a := range []string{"1.128.0.1", "216.160.83.56", "2600:6000::1", "2001::1", "255.255.255.255"} {
			if r := tab.lookup(netip.MustParseAddr(a)); r != nil && r.as.JSON != nil && !json.Valid(r.as.JSON) {
				t.Errorf("%s: %q", a, r.as.JSON)
			}
		}
	})
}

// quietGeo is OpenGeo without anything that runs by itself.
func quietGeo(t testing.TB, dir string) *Geo {
	t.Helper()
	g := newGeo(dir, slog.New(slog.DiscardHandler))
	g.refresh()
	return g
}

func lines(t testing.TB, path string) func(func([]byte) bool) {
	t.Helper()
	data := read(t, path)
	return func(yield func([]byte) bool) {
		s := bufio.NewScanner(bytes.NewReader(data))
		s.Buffer(nil, 1<<20)
		for s.Scan() && yield(s.Bytes()) {
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

// replace puts a file in place as a good publisher does: write beside, rename.
func replace(t testing.TB, path string, data []byte) {
	t.Helper()
	beside := path + ".new"
	if err := os.WriteFile(beside, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, path); err != nil {
		t.Fatal(err)
	}
}

func replaced(t testing.TB, data []byte, pairs ...string) []byte {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(data, []byte(pairs[i])) {
			t.Fatalf("the database does not contain %q", pairs[i])
		}
		data = bytes.ReplaceAll(data, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	return data
}

func object_(t testing.TB, text []byte) map[string]any {
	t.Helper()
	if text == nil {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func sameInMsgpack(t testing.TB, text, msgpack []byte) {
	t.Helper()
	if text == nil && msgpack == nil {
		return
	}
	back, rest, err := event.AppendJSON(nil, msgpack)
	if err != nil || len(rest) != 0 {
		t.Fatalf("%q: %v, %d bytes too many", msgpack, err, len(rest))
	}
	var a, b any
	if json.Unmarshal(back, &a) != nil || json.Unmarshal(text, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("as msgpack %s, as JSON %s", back, text)
	}
}

// handler hands the texts of log records to a test.
type handler chan string

func (h handler) Enabled(context.Context, slog.Level) bool      { return true }
func (h handler) Handle(_ context.Context, r slog.Record) error { h <- r.Message; return nil }
func (h handler) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h handler) WithGroup(string) slog.Handler                 { return h }
