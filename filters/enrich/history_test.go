package enrich

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDaysShareDatabases whose files are the same: they are read, and in memory,
// once.
func TestDaysShareDatabases(t *testing.T) {
	dir := t.TempDir()
	for _, day := range []string{"2026-01-01", "2026-01-02", "2026-01-03"} {
		to := filepath.Join(dir, day, KeptGeoIP)
		if err := os.MkdirAll(to, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"GeoLite2-City-Test.mmdb", "GeoLite2-ASN-Test.mmdb"} {
			if day == "2026-01-02" {
				if err := os.Link(filepath.Join(dir, "2026-01-01", KeptGeoIP, name), filepath.Join(to, name)); err != nil {
					t.Fatal(err)
				}
				continue
			}
			text, err := os.ReadFile(filepath.Join("testdata/mmdb", name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	h := OpenHistory(dir, slog.New(slog.DiscardHandler))
	of := func(day int) *GeoTables { return h.Of(time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC)).Geo }
	first, second, third := of(1), of(2), of(3)
	if first == nil || first != second {
		t.Errorf("the days of one file have %p and %p", first, second)
	}
	if third == nil || third == first {
		t.Errorf("the day of another file has %p, the first %p", third, first)
	}
}
