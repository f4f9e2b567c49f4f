package enrich

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// writeDatabase writes a database of one network, as a vendor would.
func writeDatabase(t testing.TB, path, databaseType string, record mmdbtype.Map) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: databaseType, Description: map[string]string{"en": "a test"}, RecordSize: 24})
	if err != nil {
		t.Fatal(err)
	}
	_, network, _ := net.ParseCIDR("81.2.69.0/24")
	if err := tree.Insert(network, record); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
}

// TestFieldsOfOtherVendors reads databases with the fields that DB-IP and IPinfo
// document.
func TestFieldsOfOtherVendors(t *testing.T) {
	text := func(s string) mmdbtype.String { return mmdbtype.String(s) }
	names := func(s string) mmdbtype.Map { return mmdbtype.Map{"names": mmdbtype.Map{"en": text(s)}} }
	for _, c := range []struct {
		file, databaseType string
		record             mmdbtype.Map
		geo, as            string
	}{
		{"dbip-city-lite.mmdb", "DBIP-City-Lite", mmdbtype.Map{
			"city": names("London"), "country": mmdbtype.Map{"iso_code": text("GB"), "names": mmdbtype.Map{"en": text("United Kingdom")}},
			"location": mmdbtype.Map{"latitude": mmdbtype.Float32(51.5), "longitude": mmdbtype.Float32(-0.125)}, "subdivisions": mmdbtype.Slice{names("England")},
		}, `{"city_name":"London","country_iso_code":"GB","country_name":"United Kingdom","location":{"lon":-0.125,"lat":51.5}}`, ""},
		{"dbip-asn-lite.mmdb", "DBIP-ASN-Lite (compat=GeoLite2-ASN)", mmdbtype.Map{
			"autonomous_system_number": mmdbtype.Uint32(20712), "autonomous_system_organization": text("Andrews & Arnold Ltd"),
		}, "", `{"number":20712,"organization":{"name":"Andrews & Arnold Ltd"}}`},
		{"GeoLite2-Country.mmdb", "GeoLite2-Country", mmdbtype.Map{"country": mmdbtype.Map{"iso_code": text("GB")}}, `{"country_iso_code":"GB"}`, ""},
		{"ipinfo_location.mmdb", "ipinfo standard_location.mmdb", mmdbtype.Map{
			"city": text("London"), "country": text("GB"), "lat": text("51.50853"), "lng": text("-0.12574"), "region": text("England"), "timezone": text("Europe/London"),
		}, `{"city_name":"London","country_iso_code":"GB","location":{"lon":-0.12574,"lat":51.50853}}`, ""},
		{"ipinfo_asn.mmdb", "ipinfo standard_asn.mmdb", mmdbtype.Map{"asn": text("AS20712"), "domain": text("aa.net.uk"), "name": text("Andrews & Arnold Ltd")},
			"", `{"number":20712,"organization":{"name":"Andrews & Arnold Ltd"}}`},
		{"ipinfo_lite.mmdb", "ipinfo generic_bundle_lite.mmdb", mmdbtype.Map{
			"asn": text("AS20712"), "as_name": text("Andrews & Arnold Ltd"), "as_domain": text("aa.net.uk"), "country": text("United Kingdom"), "country_code": text("GB"), "continent": text("Europe"),
		}, `{"country_iso_code":"GB","country_name":"United Kingdom"}`, `{"number":20712,"organization":{"name":"Andrews & Arnold Ltd"}}`},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, c.file)
		writeDatabase(t, path, c.databaseType, c.record)
		if v, err := TryDatabase(path); err != nil || v.Type != c.databaseType {
			t.Errorf("%s: %+v, %v", c.file, v, err)
		}
		if v, err := ReadVersion(path); err != nil || v.Type != c.databaseType || v.Built.IsZero() {
			t.Errorf("%s: %+v, %v", c.file, v, err)
		}
		geo := OpenGeo(dir, nil)
		got := geo.Reader().Lookup(netip.MustParseAddr("81.2.69.142"))
		if got == nil || string(got.GeoJSON) != c.geo || string(got.ASJSON) != c.as {
			t.Errorf("%s: %+v", c.file, got)
		}
		geo.Close()
	}
}

// TestTrialRefusesWhatIsCorrupt shows it for each of MaxMind's corrupt files,
// and that databases of which we take nothing are tried too.
func TestTrialRefusesWhatIsCorrupt(t *testing.T) {
	files, err := filepath.Glob("testdata/mmdb/bad-data/*.mmdb")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if _, err := TryDatabase(f); err == nil {
			t.Errorf("%s is taken", f)
		}
	}
	path := filepath.Join(t.TempDir(), "x.mmdb")
	writeDatabase(t, path, "GeoIP2-Anonymous-IP", mmdbtype.Map{"is_anonymous": mmdbtype.Bool(true)})
	if _, err := TryDatabase(path); err != nil {
		t.Error(err)
	}
	if _, err := ReadVersion("testdata/README.md"); err == nil {
		t.Error("a text is a database")
	}
}

// TestMaxMindsDatabasesAreRead: all of its test databases, of each product and of
// each form of the format, but those that are broken by intent.
func TestMaxMindsDatabasesAreRead(t *testing.T) {
	n := 0
	for _, folder := range []string{"mmdb", "licensed", "maxmind"} {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*.mmdb"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := filepath.Base(f)
			broken := strings.Contains(strings.ToLower(name), "broken") || strings.Contains(name, "Invalid")
			v, err := TryDatabase(f)
			if broken != (err != nil) || !broken && v.Type == "" {
				t.Errorf("%s: %+v, %v", f, v, err)
			}
			n++
		}
	}
	if n < 40 {
		t.Errorf("only %d databases", n)
	}
}
