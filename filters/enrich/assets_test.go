package enrich

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/follow"
)

// cell is a column of the row of a value, "" when there is none.
func cell(t *AssetTable, column, value string) string {
	a, _ := netip.ParseAddr(value)
	row := t.Find(value, a)
	if i := t.Column(column); i >= 0 && i < len(row) {
		return row[i].Text
	}
	return ""
}

// TestAssetsOfTheExample: the tables that the manual shows answer as it says.
func TestAssetsOfTheExample(t *testing.T) {
	assets, err := LoadAssets("../../conf/assets")
	if err != nil {
		t.Fatal(err)
	}
	if len(assets.Tables) != 4 || len(assets.Version) != 8 {
		t.Errorf("%d tables, version %q", len(assets.Tables), assets.Version)
	}
	for _, c := range []struct{ table, column, value, want string }{
		{"accounts", "name", "111122223333", "production"},
		{"accounts", "name", "11112222333", ""},
		{"networks", "name", "10.200.0.1", "company"},
		{"networks", "name", "10.1.7.9", "printers"},
		{"networks", "name", "::ffff:10.1.8.9", "head office"},
		{"networks", "name", "2001:db8:10::1", "head office"},
		{"networks", "name", "192.0.2.1", ""},
		{"networks", "name", "no address", ""},
		{"services", "name", "i-0fedcba9876543210", "search-1"},
		{"hosts", "role", "WEB-17.example.org", "web server"},
		{"hosts", "role", "pg-main", "database"},
		{"hosts", "role", "oldpg-main", ""},
	} {
		for range 2 { // from the cache, too
			if got := cell(assets.Table(c.table), c.column, c.value); got != c.want {
				t.Errorf("%s of %s in %s: %q, want %q", c.column, c.value, c.table, got, c.want)
			}
		}
	}
	if tags := assets.Table("services").Find("i-0123456789abcdef0", netip.Addr{})[assets.Table("services").Column("tags")].List; len(tags) != 2 {
		t.Errorf("tags: %q", tags)
	}
}

// TestTheLastGoodAssetsStay: whatever becomes of a table's files, it costs
// freshness of that table only.
func TestTheLastGoodAssetsStay(t *testing.T) {
	dir := t.TempDir()
	n := 0
	put := func(name, text string) {
		t.Helper()
		n++ // another identity, whatever the clock of the file system
		temp := filepath.Join(dir, fmt.Sprint(".new", n))
		if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	f := newAssetFolder(dir, slog.New(slog.NewTextHandler(&log, nil)))
	put("a.yaml", "file: a.csv\nkey: id\njoin: [user.id]\nfill: {user.name: name}\n")
	put("a.csv", "id,name\n1,one\n")
	put("b.yaml", "file: b.json\nkey: id\njoin: [user.id]\nfill: {user.email: mail}\n")
	put("b.json", `{"id": 1, "mail": "a@example.org"} {"id": 2, "mail": null}`)
	f.refresh()
	if p := f.Problem(); p != "" || cell(f.Load().Table("a"), "name", "1") != "one" || cell(f.Load().Table("b"), "mail", "1") != "a@example.org" {
		t.Fatal(p, log.String())
	}
	joins, before := f.Load().Joins, f.Load()
	f.refresh()
	if f.Load() != before {
		t.Error("tables were made anew though nothing changed")
	}
	for _, bad := range []struct{ file, text, says string }{
		{"a.csv", "", "first line"},
		{"a.csv", "id,name\n", "has no rows"},
		{"a.csv", "id,name\n1,one\n2,two,too\n", "wrong number of fields"},
		{"a.csv", "id,name\n1,\"one\n", "extraneous or missing"},
		{"a.csv", "id,id\n1,one\n", "each once"},
		{"a.csv", "id,nom\n1,one\n", `no column "name"; there are id, nom`},
		{"a.csv", "id,name\n,one\n", "row 1: its key"},
		{"a.csv", "<html>\nplease log in\n</html>\n", "no column"},
		{"a.csv", strings.Repeat("x", largestAssets+1), "more than the"},
	} {
		put(bad.file, bad.text)
		f.refresh()
		if p := f.Problem(); !strings.Contains(p, bad.says) || !strings.Contains(p, "stays in use") || cell(f.Load().Table("a"), "name", "1") != "one" {
			t.Errorf("%.40q: problem %q, want %q; table %q", bad.text, p, bad.says, cell(f.Load().Table("a"), "name", "1"))
		}
	}
	said := strings.Count(log.String(), "is refused")
	f.refresh()
	if strings.Count(log.String(), "is refused") != said {
		t.Error("the same problem is told twice")
	}
	put("a.csv", "\xef\xbb\xbfid;name\n1;uno\n1;dup\n")
	f.refresh()
	if p := f.Problem(); p != "" || cell(f.Load().Table("a"), "name", "1") != "uno" || f.Load().Table("a").Len() != 1 {
		t.Error(p)
	}
	if !strings.Contains(log.String(), "an earlier row has the key") {
		t.Error("a key that is there twice is not told")
	}
	if f.Load().Joins != joins {
		t.Error("other rows are another way of joining")
	}
	put("b.json", `[{"id": 1, "mail": "b@example.org"}`)
	f.refresh()
	if p := f.Problem(); !strings.Contains(p, "b.json, row 1: ") || cell(f.Load().Table("b"), "mail", "1") != "a@example.org" {
		t.Error(p)
	}
	put("b.json", `[{"id": 1, "mail": {"x": 1}}]`)
	f.refresh()
	if p := f.Problem(); !strings.Contains(p, "an object is no value") {
		t.Error(p)
	}
	put("b.yaml", "file: b.json\nkeys: id\n")
	f.refresh()
	if p := f.Problem(); !strings.Contains(p, "keys") || cell(f.Load().Table("b"), "mail", "1") != "a@example.org" {
		t.Error(p)
	}
	put("b.yaml", "by: regex\nfill: {message: x, ecs.version: y}\n")
	f.refresh()
	for _, want := range []string{"file: it is missing", "key: it is missing", `by: "regex"`, "join: it is missing", "fill.message", "fill.ecs.version"} {
		if p := f.Problem(); !strings.Contains(p, want) {
			t.Errorf("%q is missing in %s", want, p)
		}
	}
	if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	f.refresh()
	if f.Problem() != "" || f.Load().Table("b") != nil || f.Load().Joins == joins {
		t.Errorf("a table that was taken away: %q, %v", f.Problem(), f.Load().Table("b"))
	}
	if err := os.Remove(filepath.Join(dir, "a.csv")); err != nil {
		t.Fatal(err)
	}
	f.refresh()
	if p := f.Problem(); !strings.Contains(p, "no such file") || cell(f.Load().Table("a"), "name", "1") != "uno" {
		t.Error(p)
	}
	if _, err := LoadAssets(filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing folder is no problem")
	}
	if f.Refused() == 0 {
		t.Error("nothing was counted as refused")
	}
}

func TestPatternsAreBounded(t *testing.T) {
	dir := t.TempDir()
	put := func(rows string) error {
		for name, text := range map[string]string{"p.yaml": "file: p.csv\nkey: p\nby: pattern\njoin: [a]\nfill: {b: v}\n", "p.csv": "p,v\n" + rows} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
		_, err := LoadAssets(dir)
		return err
	}
	for rows, want := range map[string]string{
		strings.Repeat("x,1\n", mostPatterns+1):      "more than 1000 patterns",
		strings.Repeat("x", longestPattern+1) + ",1": "bytes; at most",
		"(,1\n":       "missing closing )",
		"x{1001},1\n": "invalid repeat count",
	} {
		if err := put(rows); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", rows, err, want)
		}
	}
}

// FuzzAssets: a file is refused, or every row that is there can be found.
func FuzzAssets(f *testing.F) {
	for _, seed := range []string{"id,v\n1,one\n", "id;v\n\"1\";one\n", `[{"id":1,"v":"x"}]`, `{"id":true,"v":[1,2]}`, "id,v\n10.0.0.0/8,x\n", "id,v\n1.2.3.4,x\n::/0,y\n", "id,v\n(a|b)+,x\n"} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(1))
		f.Add([]byte(seed), uint8(2))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, by uint8) {
		for _, name := range []string{"x.csv", "x.json"} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			table, err := readAssets(&AssetJoin{File: path, Key: "id", By: []string{"text", "network", "pattern"}[by%3]}, follow.Identify(path, info), func(error) {})
			if err != nil {
				continue
			}
			found := 0
			for key := range table.texts {
				if table.Find(key, netip.Addr{}) != nil {
					found++
				}
			}
			for p := range table.networks.All() {
				if table.Find("", p.Addr()) != nil {
					found++
				}
			}
			for range table.patterns {
				_ = table.Find("10.0.0.1", netip.Addr{})
				found++
			}
			if found != table.Len() {
				t.Errorf("%d of %d rows are found", found, table.Len())
			}
		}
	})
}
