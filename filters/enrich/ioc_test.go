package enrich

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

func indicators(t testing.TB) *Indicators {
	t.Helper()
	table, left, err := LoadIndicators(strings.NewReader(string(read(t, "testdata/golden/indicators.ndjson"))))
	if err != nil || len(left) != 0 {
		t.Fatal(err, left)
	}
	return table
}

func TestThreatSaysWhatTheOriginalSaid(t *testing.T) {
	table := indicators(t)
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
				m.Domain(pair[0].(string), d.(string))
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

func TestEveryNetworkThatHoldsAnAddressMatches(t *testing.T) {
	table, left, err := LoadIndicators(strings.NewReader(`
{"type":"ipv4-addr","value":"81.0.0.0/8","name":"8"}
{"type":"ipv4-addr","value":"81.2.69.142","name":"32"}
{"type":"ipv4-addr","value":"81.2.69.255/24","name":"24"}

{"type":"ipv6-addr","value":"::ffff:81.2.69.142","name":"mapped"}
{"type":"ipv6-addr","value":"2001:220::/32","name":"six"}
{"type":"ipv4-addr","value":"0.0.0.0/0","name":"all"}
{"type":"ipv4-addr","value":"81.2.69.300"}
{"type":"url","value":"http://x"}
{"type":"domain-name"}
{"type":
`))
	if err != nil || table.Len() != 6 {
		t.Fatalf("%d indicators, %v", table.Len(), err)
	}
	var row *RowError
	if len(left) != 4 || !errors.As(left[0], &row) || row.Line != 9 {
		t.Errorf("left out: %v", left)
	}
	names := func(a string) (names []string) {
		for _, i := range table.Addr(netip.MustParseAddr(a), nil) {
			names = append(names, i.Name)
		}
		return names
	}
	for a, want := range map[string][]string{
		"81.2.69.142": {"32", "mapped", "24", "8", "all"}, "::ffff:81.2.69.142": {"32", "mapped", "24", "8", "all"},
		"81.2.70.1": {"8", "all"}, "8.8.8.8": {"all"}, "2001:220::5": {"six"}, "2001:221::5": nil,
		"10.0.0.1": nil, "169.254.169.254": nil, "127.0.0.1": nil, "203.0.113.9": nil, "192.168.1.1": nil,
	} {
		if got := names(a); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", a, got, want)
		}
	}
	if got := (*Indicators)(nil).Addr(netip.MustParseAddr("8.8.8.8"), nil); got != nil || (*Indicators)(nil).Domain("x") != nil {
		t.Error("no table, but a match")
	}
}

func TestAFeedThatCannotBeReadIsNoTable(t *testing.T) {
	table, _, err := LoadIndicators(strings.NewReader(`{"type":"domain-name","value":"` + strings.Repeat("x", largestRow) + `"}`))
	if table != nil || err == nil {
		t.Errorf("table %v, error %v", table, err)
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

func FuzzIndicators(f *testing.F) {
	f.Add(`{"type":"ipv4-addr","value":"1.2.3.4/7","provider":"p\u0000\ud800"}`, "1.2.3.4", "evil.example.org")
	f.Add(`{"type":"domain-name","value":"evil.example.org"}`, "::", "evil.example.org")
	f.Fuzz(func(t *testing.T, feed, addr, domain string) {
		table, _, err := LoadIndicators(strings.NewReader(feed))
		if err != nil {
			return
		}
		var m Matches
		m.Reset(table)
		if a, err := netip.ParseAddr(addr); err == nil {
			m.Addr("source.ip", a)
		}
		m.Domain("dns.question.name", domain)
		if !m.Empty() {
			written(t, m.Write)
		}
	})
}

func BenchmarkIndicators(b *testing.B) {
	var feed strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&feed, `{"type":"ipv4-addr","value":"%d.%d.%d.%d"}`+"\n", 1+i%200, i>>3&0xff, i>>5&0xff, i&0xff)
	}
	table, _, err := LoadIndicators(strings.NewReader(feed.String()))
	if err != nil {
		b.Fatal(err)
	}
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
