package enrich

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

func indicators(t testing.TB) *Indicators {
	t.Helper()
	return tableOf(t, string(read(t, "testdata/golden/indicators.ndjson")))
}

// tableOf makes a table of rows in NDJSON.
func tableOf(t testing.TB, rows string) *Indicators {
	t.Helper()
	path := filepath.Join(t.TempDir(), "indicators.ioc")
	writeIndicators(t, path, rows)
	file := OpenIndicators(path, nil)
	t.Cleanup(file.Close)
	if p := file.Problem(); p != "" {
		t.Fatal(p)
	}
	return file.Load()
}

func writeIndicators(t testing.TB, path, rows string) {
	t.Helper()
	b := indicator.NewBuilder(path, time.Now())
	defer b.Close()
	err := indicator.ReadNDJSON(strings.NewReader(rows), b.Add, func(err error) { t.Error(err) })
	if err == nil {
		_, err = b.Write(path, indicator.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The original knew a domain only as it was written; ours knows the names below
// it too, so names that are no indicator as they are written are left out here.
func TestThreatSaysWhatTheOriginalSaid(t *testing.T) {
	table := indicators(t)
	asWritten := map[string]bool{}
	for r, err := range table.All() {
		if err != nil {
			t.Fatal(err)
		}
		asWritten[r.Value] = true
	}
	var m Matches
	n := 0
	for line := range lines(t, "testdata/golden/threat.ndjson") {
		var c struct {
			Type               string
			Addresses, Domains [][2]any
			Enrichments        []any
			Matched            map[string]any
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		m.Reset(table)
		for _, pair := range c.Addresses {
			for _, a := range pair[1].([]any) {
				m.Addr(pair[0].(string), netip.MustParseAddr(a.(string)))
			}
		}
		for _, pair := range c.Domains {
			for _, d := range pair[1].([]any) {
				if d := d.(string); asWritten[d] {
					m.Domain(pair[0].(string), d)
				}
			}
		}
		if m.Empty() != (c.Enrichments == nil) {
			t.Errorf("%s: empty %v, want %v", line, m.Empty(), c.Enrichments)
			continue
		}
		if m.Empty() {
			continue
		}
		n++
		got := written(t, m.Write)
		if g, w := set(got["enrichments"]), set(c.Enrichments); !reflect.DeepEqual(g, w) {
			t.Errorf("%s: enrichments\n%s, want\n%s", c.Type, g, w)
		}
		matched := got["matched"].(map[string]any)
		if len(matched) != len(c.Matched) {
			t.Errorf("%s: matched %v, want %v", c.Type, matched, c.Matched)
		}
		for k, w := range c.Matched {
			if g, w := set(matched[k]), set(w); !reflect.DeepEqual(g, w) {
				t.Errorf("%s: matched.%s %s, want %s", c.Type, k, g, w)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d events with a match were compared", n)
	}
}

// written returns what write writes, after comparing its two forms.
func written(t testing.TB, write func(*event.Writer)) map[string]any {
	t.Helper()
	var asJSON, asMsgpack event.Writer
	asJSON.Reset(nil, false)
	write(&asJSON)
	asMsgpack.Reset(nil, true)
	write(&asMsgpack)
	sameInMsgpack(t, asJSON.Buf, asMsgpack.Buf)
	return object_(t, asJSON.Buf)
}

// set returns the items of a list as texts, sorted.
func set(list any) []string {
	var texts []string
	items, _ := list.([]any)
	for _, item := range items {
		text, _ := json.Marshal(item)
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	return texts
}

func TestReservedAddressesMatchNothing(t *testing.T) {
	var m Matches
	m.Reset(tableOf(t, `
{"type":"ipv4-addr","value":"81.0.0.0/8"}
{"type":"ipv4-addr","value":"169.254.169.254"}
{"type":"ipv4-addr","value":"0.0.0.0/0"}
{"type":"ipv6-addr","value":"::/0"}
`))
	for a, want := range map[string]bool{
		"81.2.69.142": true, "::ffff:81.2.69.142": true, "8.8.8.8": true, "2001:220::5": true,
		"10.0.0.1": false, "::ffff:10.0.0.1": false, "169.254.169.254": false, "127.0.0.1": false, "203.0.113.9": false, "192.168.1.1": false, "fe80::1%eth0": false, "2001:db8::1": false,
	} {
		m.Reset(m.table)
		m.Addr("source.ip", netip.MustParseAddr(a))
		if m.Empty() == want {
			t.Errorf("%s: match %v, want %v", a, !m.Empty(), want)
		}
	}
}

// TestNamesURLsAndHashes shows what matches, and that a value in two fields is
// told once.
func TestNamesURLsAndHashes(t *testing.T) {
	var m Matches
	m.Reset(tableOf(t, `
{"type":"domain-name","value":"evil.example","name":"a domain"}
{"type":"url","value":"http://bad.example/x","name":"a URL"}
{"type":"file","value":"0123456789abcdef0123456789abcdef","name":"a hash"}
`))
	m.URL("url.full", "http://BAD.example/x#top")
	m.URL("url.full", "http://bad.example/")
	m.Hash("file.hash.md5", "0123456789ABCDEF0123456789ABCDEF")
	m.Hash("file.hash.sha1", "no hash")
	m.Domain("url.domain", "www.evil.example")
	m.Domain("dns.question.name", "www.evil.example")
	want := `{"enrichments":[{"indicator":{"name":"a URL","type":"url"},"matched":{"field":["url.full"],"atomic":"http://BAD.example/x#top"}},` +
		`{"indicator":{"name":"a hash","type":"file"},"matched":{"field":["file.hash.md5"],"atomic":"0123456789ABCDEF0123456789ABCDEF"}},` +
		`{"indicator":{"name":"a domain","type":"domain-name"},"matched":{"field":["url.domain","dns.question.name"],"atomic":"www.evil.example"}}],` +
		`"matched":{"types":["url","file","domain-name"],"indicators":["http://BAD.example/x#top","0123456789ABCDEF0123456789ABCDEF","www.evil.example"],"names":["a URL","a hash","a domain"]}}`
	var w event.Writer
	w.Reset(nil, false)
	m.Write(&w)
	if string(w.Buf) != want {
		t.Errorf("%s, want\n%s", w.Buf, want)
	}
}

// TestANewerTableIsTaken shows that the file may come late, that a table that
// replaces it is taken, and that one that is damaged is not.
func TestANewerTableIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "indicators.ioc")
	file := OpenIndicators(path, nil)
	defer file.Close()
	await := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("%s does not come: %s", what, file.Problem())
			}
		}
	}
	if file.Load().Len() != 0 || file.Problem() == "" {
		t.Errorf("%d rows of no file; problem %q", file.Load().Len(), file.Problem())
	}
	writeIndicators(t, path, `{"type":"domain-name","value":"one.example"}`)
	await("the first table", func() bool { return file.Load().Len() == 1 })
	writeIndicators(t, path, `{"type":"domain-name","value":"one.example"}`+"\n"+`{"type":"domain-name","value":"two.example"}`)
	await("the second table", func() bool { return file.Load().Len() == 2 })
	if err := os.WriteFile(path+".new", []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	await("the refusal", func() bool { return strings.Contains(file.Problem(), "ioc build") })
	if file.Load().Len() != 2 || len(file.Load().Lookup("www.two.example")) != 1 {
		t.Error("the table before is gone")
	}
}

func TestMatchesAreForgotten(t *testing.T) {
	table := indicators(t)
	var m Matches
	m.Reset(table)
	m.Addr("source.ip", netip.MustParseAddr("89.160.20.112"))
	m.Domain("dns.question.name", "evil.example.org")
	if m.Empty() {
		t.Fatal("no match")
	}
	m.Reset(table)
	m.Addr("source.ip", netip.MustParseAddr("8.8.8.8"))
	m.Addr("source.ip", netip.Addr{})
	m.Domain("dns.question.name", "")
	if !m.Empty() {
		t.Errorf("%v", written(t, m.Write))
	}
	a, b := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("9.9.9.9")
	if n := testing.AllocsPerRun(100, func() { m.Reset(table); m.Addr("source.ip", a); m.Addr("destination.ip", b) }); n != 0 {
		t.Errorf("%v allocations for an event that matches nothing", n)
	}
}

func BenchmarkIndicators(b *testing.B) {
	var feed strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&feed, `{"type":"ipv4-addr","value":"%d.%d.%d.%d"}`+"\n", 1+i%200, i>>3&0xff, i>>5&0xff, i&0xff)
	}
	table := tableOf(b, feed.String())
	var m Matches
	source, destination := netip.MustParseAddr("203.0.114.9"), netip.MustParseAddr("10.0.0.1")
	b.Run("no match", func(b *testing.B) { // two addresses of one event
		b.ReportAllocs()
		for b.Loop() {
			m.Reset(table)
			m.Addr("source.ip", source)
			m.Addr("destination.ip", destination)
		}
	})
	table = indicators(b)
	b.Run("match", func(b *testing.B) {
		var w event.Writer
		a := netip.MustParseAddr("89.160.20.112")
		b.ReportAllocs()
		for b.Loop() {
			m.Reset(table)
			m.Addr("source.ip", a)
			w.Reset(w.Buf[:0], false)
			m.Write(&w)
		}
	})
}
