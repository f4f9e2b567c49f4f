package indicator

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// some is a small table of all kinds.
func some(t testing.TB) *Table {
	return build(t, sortMemory,
		Row{Provider: "p", Type: IPv4, Value: "81.2.69.142", Name: "one"}, Row{Type: IPv4, Value: "81.2.0.0/16"}, Row{Type: IPv4, Value: "81.2.69.0/24"},
		Row{Type: IPv6, Value: "2001:db8::/32"}, Row{Type: Domain, Value: "evil.example"}, Row{Type: URL, Value: "http://evil.example/x"}, Row{Type: File, Value: strings.Repeat("ab", 16)})
}

func TestADamagedFileIsRefused(t *testing.T) {
	whole, err := os.ReadFile(some(t).name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "damaged")
	try := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if table, err := OpenFile(path); err == nil {
			t.Errorf("%s: taken, %+v", what, table.Head)
		}
	}
	for _, n := range []int{0, 1, 100, headRoom - 1, headRoom, len(whole) / 2, len(whole) - 1} {
		try("truncated", whole[:n])
	}
	try("longer", append(slices.Clone(whole), 0))
	try("text", bytes.Repeat([]byte(`{"type":"domain-name"}`+"\n"), 10_000))
	head, err := parseHead(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range head.Sections {
		if s.Size > 0 {
			bad := slices.Clone(whole)
			bad[s.At+s.Size/2] ^= 1
			try(name, bad)
		}
	}
	for at := range headAt {
		bad := slices.Clone(whole)
		bad[at] ^= 0x10
		try("head", bad)
	}
}

// FuzzTable states: whatever a file holds, its checksums apart, it is refused
// or answers.
func FuzzTable(f *testing.F) {
	whole, err := os.ReadFile(some(f).name)
	if err != nil {
		f.Fatal(err)
	}
	head, err := parseHead(whole)
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(head)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, uint32(0), []byte{})
	f.Add(text, uint32(5), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte(strings.Replace(string(text), `"rows":7`, `"rows":4294967295`, 1)), uint32(100), []byte("x"))
	f.Fuzz(func(t *testing.T, text []byte, at uint32, patch []byte) {
		var h Head
		if json.Unmarshal(text, &h) != nil {
			return
		}
		data := slices.Clone(whole)
		copy(data[headRoom+int(at)%(len(data)-headRoom):], patch)
		file, err := os.Create(filepath.Join(t.TempDir(), "t"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.Write(data); err != nil {
			t.Fatal(err)
		}
		if writeHead(file, h) != nil {
			return
		}
		if data, err = os.ReadFile(file.Name()); err != nil {
			t.Fatal(err)
		}
		table, err := parse(data, false)
		if err != nil {
			return
		}
		for _, value := range []string{"81.2.69.142", "81.2.69.1", "8.8.8.8", "2001:db8::1", "::", "www.evil.example", "http://evil.example/x", strings.Repeat("ab", 16)} {
			for _, r := range table.Lookup(value) {
				_ = r.Provider
			}
		}
		n := 0
		for range table.All() {
			if n++; n > 1000 {
				break
			}
		}
	})
}

// TestTruncatedWhileMapped shows that a table whose file is cut off under it
// answers nothing, and the process lives.
func TestTruncatedWhileMapped(t *testing.T) {
	table := some(t)
	a := netip.MustParseAddr("81.2.69.142")
	if got := table.Addr(a, nil); len(got) != 3 {
		t.Fatalf("%d rows", len(got))
	}
	if err := os.Truncate(table.name, 0); err != nil {
		t.Fatal(err)
	}
	if got := table.Domain("evil.example", nil); got != nil {
		t.Errorf("%v", got)
	}
	if got := table.Addr(a, nil); got != nil || !table.broken.Load() {
		t.Errorf("%v, broken %v", got, table.broken.Load())
	}
}

func TestNothingIsAllocatedForWhatDoesNotMatch(t *testing.T) {
	table := some(t)
	v4, v6 := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2a00::1")
	into := make([]*Row, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		table.Addr(v4, into)
		table.Addr(v6, into)
		table.Domain("www.Google.com", into)
		table.URL("https://www.google.com/search?q=1", into)
		table.Hash("d41d8cd98f00b204e9800998ecf8427e", into)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
