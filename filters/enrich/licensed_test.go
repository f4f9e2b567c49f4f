package enrich

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// TestLicensedDatabases: what MaxMind's paid databases add, alone and together;
// theirs come before the free ones.
func TestLicensedDatabases(t *testing.T) {
	const crimea = `"country_iso_code":"UA","country_name":"Ukraine","location":{"lon":34.3927,"lat":45.7117},"continent_code":"EU","continent_name":"Europe","timezone":"Europe/Simferopol","region_iso_code":"UA-43","region_name":"Autonomous Republic of Crimea","connection_type":"cable/dsl","user_type":"residential"`
	for _, c := range []struct {
		name  string
		files []string // of testdata
		addr  string
		geo   string
		as    string
	}{
		{"anonymous alone", []string{"licensed/GeoIP2-Anonymous-IP-Test.mmdb"}, "1.124.213.1", `{"anonymous":true,"anonymous_vpn":true,"tor_exit_node":true}`, ``},
		{"anonymous and where", []string{"licensed/GeoIP2-Anonymous-IP-Test.mmdb", "mmdb/GeoLite2-City-Test.mmdb"}, "81.2.69.142",
			`{"city_name":"London","country_iso_code":"GB","country_name":"United Kingdom","location":{"lon":-0.0931,"lat":51.5142},"anonymous":true,"anonymous_vpn":true,"hosting_provider":true,"public_proxy":true,"residential_proxy":true,"tor_exit_node":true}`, ``},
		{"who makes it anonymous", []string{"licensed/GeoIP-Anonymous-Plus-Test.mmdb", "licensed/GeoIP2-Anonymous-IP-Test.mmdb"}, "1.2.0.1", `{"anonymous":true,"anonymous_vpn":true,"anonymous_provider":"foo"}`, ``},
		{"nothing to say", []string{"licensed/GeoIP2-Anonymous-IP-Test.mmdb"}, "1.0.0.1", ``, ``},
		{"provider", []string{"licensed/GeoIP2-ISP-Test.mmdb", "mmdb/GeoLite2-ASN-Test.mmdb"}, "1.128.0.1", ``,
			`{"number":1221,"organization":{"name":"Telstra Pty Ltd"},"isp":"Telstra Internet","isp_organization_name":"Telstra Internet"}`},
		{"all of Enterprise", []string{"licensed/GeoIP2-Enterprise-Test.mmdb"}, "1.231.232.1", `{"city_name":"Dzhankoy",` + crimea + `}`,
			`{"number":28761,"organization":{"name":"CrimeaCom South LLC"},"isp":"CrimeaCom South LLC","isp_organization_name":"CrimeaCom South LLC"}`},
		{"traits alone", []string{"licensed/GeoIP2-Enterprise-Test.mmdb"}, "1.9.127.107", `{"user_type":"business"}`, ``},
	} {
		dir := t.TempDir()
		for _, f := range c.files {
			data, err := os.ReadFile(filepath.Join("testdata", f))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(filepath.Base(f), "-Test", "")), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		g := newGeo(dir, slog.New(slog.DiscardHandler))
		g.refresh()
		for range 2 { // the second from the cache
			got := g.current.Load().lookup(netip.MustParseAddr(c.addr))
			if got == nil {
				got = new(Fragment)
			}
			if string(got.GeoJSON) != c.geo || string(got.ASJSON) != c.as {
				t.Errorf("%s: %s\n%s\nwant %s\n%s", c.name, got.GeoJSON, got.ASJSON, c.geo, c.as)
			}
			if got.GeoJSON != nil {
				sameInMsgpack(t, got.GeoJSON, got.GeoMsgpack)
			}
		}
		if p := g.Problem(); c.name == "all of Enterprise" && p != "" {
			t.Errorf("%s: %s", c.name, p)
		}
	}
}

// TestPrivacyOfIPinfo: its truth values are texts in some products.
func TestPrivacyOfIPinfo(t *testing.T) {
	for want, record := range map[string]mmdbtype.Map{
		`{"anonymous":true,"anonymous_vpn":true,"anonymous_provider":"NordVPN"}`: {"vpn": mmdbtype.String("true"), "proxy": mmdbtype.String(""), "tor": mmdbtype.String(""), "hosting": mmdbtype.String(""), "service": mmdbtype.String("NordVPN")},
		`{"hosting_provider":true}`:               {"vpn": mmdbtype.Bool(false), "hosting": mmdbtype.Bool(true)},
		`{"anonymous":true}`:                      {"relay": mmdbtype.String("true")},
		`{"anonymous":true,"tor_exit_node":true}`: {"tor": mmdbtype.Bool(true)},
	} {
		dir := t.TempDir()
		writeDatabase(t, filepath.Join(dir, "ipinfo_privacy.mmdb"), "ipinfo standard_privacy.mmdb", record)
		g := newGeo(dir, slog.New(slog.DiscardHandler))
		g.refresh()
		if got := g.current.Load().lookup(netip.MustParseAddr("81.2.69.142")); got == nil || string(got.GeoJSON) != want {
			t.Errorf("%v, want %s; %s", got, want, g.Problem())
		}
	}
}
