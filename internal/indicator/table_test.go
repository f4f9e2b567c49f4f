package indicator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var built = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// build makes a table of rows; chunk is how many bytes are sorted at a time.
func build(t testing.TB, chunk int, rows ...Row) *Table {
	t.Helper()
	path := filepath.Join(t.TempDir(), "indicators.ioc")
	b := NewBuilder(path, built)
	defer b.Close()
	b.limit = chunk
	for i := range rows {
		if err := b.Add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Write(path, Options{}); err != nil {
		t.Fatal(err)
	}
	table, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func names(rows []*Row) []string {
	list := []string{}
	for _, r := range rows {
		list = append(list, r.Name)
	}
	return list
}

func TestWhatMatches(t *testing.T) {
	table := build(t, sortMemory,
		Row{Type: IPv4, Value: "81.0.0.0/8", Name: "8"},
		Row{Type: IPv4, Value: "81.2.69.142", Name: "32", Provider: "a"},
		Row{Type: IPv4, Value: "81.2.69.142", Name: "32", Provider: "b"},
		Row{Type: IPv4, Value: "81.2.69.255/24", Name: "24"},
		Row{Type: IPv6, Value: "::ffff:81.2.69.143", Name: "mapped"},
		Row{Type: IPv4, Value: "0.0.0.0/0", Name: "all"},
		Row{Type: IPv4, Value: "255.255.255.255/32", Name: "last"},
		Row{Type: IPv6, Value: "2001:220::/32", Name: "six"},
		Row{Type: IPv6, Value: "ffff::/16", Name: "end of six"},
		Row{Type: Domain, Value: "Evil.Example.ORG.", Name: "evil"},
		Row{Type: Domain, Value: "example.org", Name: "parent"},
		Row{Type: Domain, Value: "localhost", Name: "single"},
		Row{Type: Domain, Value: "net", Name: "top"},
		Row{Type: Domain, Value: "bücher.example", Name: "not ASCII"},
		Row{Type: URL, Value: "HTTP://Bad.example:80/Path?q=A#frag", Name: "url"},
		Row{Type: URL, Value: "https://bad.example", Name: "root"},
		Row{Type: File, Value: strings.Repeat("aB", 16), Name: "md5"},
		Row{Type: File, Value: strings.Repeat("cd", 32), Name: "sha256"},
	)
	for value, want := range map[string]string{
		"81.2.69.142": "32 32 24 8 all", "81.2.69.143": "mapped 24 8 all", "::ffff:81.2.69.142": "32 32 24 8 all", "81.2.70.1": "8 all", "82.0.0.0": "all", "80.255.255.255": "all",
		"255.255.255.255": "last all", "2001:220::5": "six", "2001:221::": "", "2001:21f:ffff::": "", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "end of six", "fffe::": "", "::": "",
		"81.2.69.0/24": "24 8 all", "81.0.0.0/7": "all",
		"evil.example.org": "evil parent", "a.b.EVIL.example.org.": "evil parent", "notevil.example.org": "parent", "example.org": "parent", "ample.org": "", "org": "", "localhost": "single", "a.localhost": "", "net": "top", "x.net": "",
		"bücher.example": "not ASCII", "": "", ".": "", "..": "", "a..org": "", strings.Repeat("a", 300): "", "x y": "",
		"http://bad.EXAMPLE:80/Path?q=A": "url", "http://bad.example:80/path?q=A": "", "https://bad.example/": "root", "https://bad.example#x": "root", "https://bad.example?": "", "://": "", "http://": "",
		strings.Repeat("Ab", 16): "md5", strings.Repeat("CD", 32): "sha256", strings.Repeat("ab", 20): "", strings.Repeat("zz", 16): "",
	} {
		if got := strings.Join(names(table.Lookup(value)), " "); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	var none *Table
	if none.Addr(netip.MustParseAddr("8.8.8.8"), nil) != nil || none.Domain("x", nil) != nil || none.URL("x", nil) != nil || none.Hash("x", nil) != nil || none.Len() != 0 {
		t.Error("no table, but an answer")
	}
	if table.Addr(netip.Addr{}, nil) != nil {
		t.Error("an answer for no address")
	}
	if table.Len() != 18 || table.Head.Networks != 5 || table.Head.Keys != 12 || !strings.HasPrefix(table.Head.Version, "20260301T120000Z-") || !table.Head.Built.Equal(built) {
		t.Errorf("%+v", table.Head)
	}
}

func TestEmptyTable(t *testing.T) {
	table := build(t, sortMemory)
	if table.Len() != 0 || table.Lookup("8.8.8.8") != nil || table.Lookup("example.org") != nil {
		t.Error("an empty table answers")
	}
	for range table.All() {
		t.Error("an empty table has a row")
	}
}

func TestRowsKeepTheirTexts(t *testing.T) {
	row := Row{"provider", Domain, "Example.org", "name", "https://ref", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z", "what\x00it \"is\" é", "2027-01-01T00:00:00Z"}
	long := Row{Type: Domain, Value: "long.example", Description: strings.Repeat("ä", longestText)}
	table := build(t, sortMemory, row, long)
	if got := table.Lookup("example.org"); len(got) != 1 || *got[0] != row {
		t.Errorf("%+v, want %+v", got, row)
	}
	if got := table.Lookup("long.example"); len(got) != 1 || got[0].Description != long.Description[:longestText] {
		t.Errorf("%d bytes of the description", len(got[0].Description))
	}
}

func TestTheSameOfAProviderIsOneRow(t *testing.T) {
	at := func(year int) string { return fmt.Sprintf("%d-01-01T00:00:00Z", year) }
	table := build(t, 1, // a file of one row each
		Row{Provider: "p", Type: Domain, Value: "a.example", Name: "n", FirstSeen: at(2020), LastSeen: at(2021), Modified: at(2021), Description: "old", Reference: "r", ValidUntil: at(2030)},
		Row{Provider: "p", Type: Domain, Value: "A.example", Name: "n", FirstSeen: at(2019), LastSeen: at(2023), Modified: at(2023), Description: "new", ValidUntil: at(2031)},
		Row{Provider: "p", Type: Domain, Value: "a.example", Name: "n", Modified: at(2018), Description: "oldest", ValidUntil: at(2029)},
		Row{Provider: "q", Type: Domain, Value: "a.example", Name: "n"},
		Row{Provider: "p", Type: Domain, Value: "a.example", Name: "m"},
		Row{Provider: "p", Type: Domain, Value: "gone.example", ValidUntil: at(2026)},
	)
	got := table.Lookup("a.example")
	want := Row{"p", Domain, "a.example", "n", "r", at(2019), at(2023), at(2023), "new", at(2031)}
	if len(got) != 3 || got[0].Name != "m" || *got[1] != want || got[2].Provider != "q" {
		t.Errorf("%+v", got)
	}
	if table.Lookup("gone.example") != nil {
		t.Error("an indicator that is no longer valid matches")
	}
	if s := table.Head.Sources; len(s) != 2 || s[0] != (Source{"p", Domain, 2}) {
		t.Errorf("sources %+v", s)
	}
}

// TestManyAsOneByOne compares tables of random rows with looking through the
// rows, whatever the size of the chunks that are sorted.
func TestManyAsOneByOne(t *testing.T) {
	for _, chunk := range []int{300, 20_000, sortMemory} {
		random := rand.New(rand.NewPCG(7, uint64(chunk)))
		var rows []Row
		for i := range 3000 {
			r := Row{Name: fmt.Sprint(i), Type: IPv4}
			a := netip.AddrFrom4([4]byte{81, byte(random.IntN(3)), byte(random.IntN(256)), byte(random.IntN(256))})
			switch random.IntN(4) {
			case 0:
				r.Value = a.String()
			case 1:
				r.Value = netip.PrefixFrom(a, random.IntN(33)).String()
			case 2:
				r.Type, r.Value = IPv6, netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(random.IntN(2)), 5: byte(random.IntN(4)), 15: byte(random.IntN(8))}), random.IntN(129)).String()
			case 3:
				r.Type, r.Value = Domain, domain(random)
			}
			rows = append(rows, r)
		}
		table := build(t, chunk, rows...)
		n := 0
		for range 3_000 {
			var value string
			switch random.IntN(3) {
			case 0:
				value = netip.AddrFrom4([4]byte{81, byte(random.IntN(3)), byte(random.IntN(256)), byte(random.IntN(256))}).String()
			case 1:
				value = netip.AddrFrom16([16]byte{0x20, 1, byte(random.IntN(2)), 5: byte(random.IntN(4)), 15: byte(random.IntN(8))}).String()
			case 2:
				value = domain(random)
			}
			got, want := names(table.Lookup(value)), oneByOne(rows, value)
			slices.Sort(got)
			slices.Sort(want)
			if len(want) <= mostOfKey && !slices.Equal(got, want) {
				t.Fatalf("chunks of %d: %s: %q, want %q", chunk, value, got, want)
			}
			n += len(want)
		}
		if n < 3_000 {
			t.Errorf("only %d matches were compared", n)
		}
		i := 0
		for _, err := range table.All() {
			if err != nil {
				t.Fatal(err)
			}
			i++
		}
		if i != len(rows) {
			t.Errorf("%d rows, want %d", i, len(rows))
		}
	}
}

func domain(random *rand.Rand) string {
	labels := make([]string, 1+random.IntN(4))
	for i := range labels {
		labels[i] = string(rune('a' + random.IntN(5)))
	}
	return strings.Join(labels, ".")
}

func oneByOne(rows []Row, value string) []string {
	list := []string{}
	a, err := netip.ParseAddr(value)
	for _, r := range rows {
		if err != nil {
			if r.Type == Domain && (r.Value == value || strings.Contains(r.Value, ".") && strings.HasSuffix(value, "."+r.Value)) {
				list = append(list, r.Name)
			}
			continue
		}
		if own, err := netip.ParseAddr(r.Value); err == nil && own == a {
			list = append(list, r.Name)
		} else if p, err := netip.ParsePrefix(r.Value); err == nil && p.Contains(a) {
			list = append(list, r.Name)
		}
	}
	return list
}

func TestRowsThatCannotMatchAreLeftOut(t *testing.T) {
	b := NewBuilder(filepath.Join(t.TempDir(), "x"), built)
	defer b.Close()
	for _, r := range []Row{
		{Type: IPv4, Value: "81.2.69.300"}, {Type: IPv4}, {Type: IPv6, Value: "fe80::1%eth0"}, {Type: Domain}, {Type: Domain, Value: "a/b"}, {Type: "email-addr", Value: "x@y"},
		{Type: URL, Value: "nothing"}, {Type: File, Value: "abc"}, {Type: URL, Value: "http://x/" + strings.Repeat("x", longestValue)},
	} {
		err := b.Add(&r)
		var fatal *BuildError
		if err == nil || errors.As(err, &fatal) || !strings.Contains(err.Error(), "left out") {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if b.Left != 9 {
		t.Errorf("%d left", b.Left)
	}
}

func TestAFailedBuildLeavesTheTableBefore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "indicators.ioc")
	write := func(name string) error {
		b := NewBuilder(path, built)
		defer b.Close()
		_ = b.Add(&Row{Type: Domain, Value: "a.example", Name: name})
		_, err := b.Write(path, Options{Keep: path + ".previous"})
		return err
	}
	if err := errors.Join(write("one"), write("two")); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{path: "two", path + ".previous": "one"} {
		table, err := OpenFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(table.Lookup("a.example")); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", file, got)
		}
	}
	b := NewBuilder(path, built)
	_ = b.Add(&Row{Type: Domain, Value: "a.example", Name: "three"})
	if err := b.spill(); err != nil {
		t.Fatal(err)
	}
	b.runs[0].Close() // as a disk that fails
	var fatal *BuildError
	if _, err := b.Write(path, Options{}); !errors.As(err, &fatal) {
		t.Errorf("%v", err)
	}
	b.Close()
	if table, err := OpenFile(path); err != nil || len(table.Lookup("a.example")) != 1 {
		t.Errorf("the table before is gone: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
