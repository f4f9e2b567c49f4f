package enrich

import (
	"errors"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// What only paid databases say has no field in ECS, or one that the free ones do
// not fill. Names are ECS's where it has one, else those of Elasticsearch's geoip
// processor, so that searches written for it work.

// anonymous are databases of addresses that hide who is behind them.
var anonymous = &kind{
	name: "Anonymous-IP",
	files: []string{"GeoIP-Anonymous-Plus.mmdb", "GeoIP2-Anonymous-IP.mmdb", "ipinfo_privacy.mmdb", "standard_privacy.mmdb",
		"GeoIP-Anonymous-Plus-Test.mmdb", "GeoIP2-Anonymous-IP-Test.mmdb"},
	types: []string{"Anonymous", "privacy"},
	extra: true,
	decode: func(r maxminddb.Result) (geo, as event.Fragment, err error) {
		var record anonymousRecord
		err = r.Decode(&record)
		return render(record.write), as, err
	},
	flat: func(r maxminddb.Result) (geo, as event.Fragment, err error) {
		var record privacyRecord
		err = r.Decode(&record)
		return render(record.anonymous().write), as, err
	},
}

type anonymousRecord struct {
	Anonymous   bool   `maxminddb:"is_anonymous"`
	VPN         bool   `maxminddb:"is_anonymous_vpn"`
	Hosting     bool   `maxminddb:"is_hosting_provider"`
	Proxy       bool   `maxminddb:"is_public_proxy"`
	Residential bool   `maxminddb:"is_residential_proxy"`
	Tor         bool   `maxminddb:"is_tor_exit_node"`
	Provider    string `maxminddb:"provider_name"`
}

// write writes members of "geo"; what is not so is absent.
func (a *anonymousRecord) write(w *event.Writer) {
	for _, f := range []struct {
		key event.Key
		is  bool
	}{
		{keyAnonymous, a.Anonymous}, {keyVPN, a.VPN}, {keyHosting, a.Hosting},
		{keyProxy, a.Proxy}, {keyResidential, a.Residential}, {keyTor, a.Tor},
	} {
		if f.is {
			w.Key(f.key)
			w.Bool(true)
		}
	}
	writeText(w, keyAnonymousProvider, a.Provider)
}

// privacyRecord is the same of IPinfo: truth values, or texts of them.
type privacyRecord struct {
	VPN     any    `maxminddb:"vpn"`
	Proxy   any    `maxminddb:"proxy"`
	Tor     any    `maxminddb:"tor"`
	Relay   any    `maxminddb:"relay"`
	Hosting any    `maxminddb:"hosting"`
	Service string `maxminddb:"service"`
}

func (p *privacyRecord) anonymous() *anonymousRecord {
	is := func(v any) bool { return v == true || v == "true" }
	a := &anonymousRecord{VPN: is(p.VPN), Proxy: is(p.Proxy), Tor: is(p.Tor), Hosting: is(p.Hosting), Provider: p.Service}
	a.Anonymous = a.VPN || a.Proxy || a.Tor || is(p.Relay)
	return a
}

// enterpriseRecord is what we take from an Enterprise database: a City record
// with more, and whose the address is.
type enterpriseRecord struct {
	Continent struct {
		Code  string `maxminddb:"code"`
		Names struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"continent"`
	Location struct {
		TimeZone string `maxminddb:"time_zone"`
	} `maxminddb:"location"`
	Postal struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"postal"`
	Subdivisions []named `maxminddb:"subdivisions"`
	Traits       struct {
		ConnectionType string `maxminddb:"connection_type"`
		UserType       string `maxminddb:"user_type"`
	} `maxminddb:"traits"`
}

// enterprise reads an Enterprise database. Its records are decoded in parts, so
// that each part is the one of the database that is sold alone.
func enterprise(r maxminddb.Result) (geo, as event.Fragment, err error) {
	place, more := absent(), enterpriseRecord{}
	var system asnRecord
	var hidden anonymousRecord
	err = errors.Join(r.Decode(&place), r.Decode(&more), r.DecodePath(&system, "traits"), r.DecodePath(&hidden, "traits"))
	geo = render(func(w *event.Writer) {
		place.write(w)
		writeText(w, keyContinentCode, more.Continent.Code)
		writeText(w, keyContinent, more.Continent.Names.English)
		writeText(w, keyPostal, more.Postal.Code)
		writeText(w, keyTimeZone, more.Location.TimeZone)
		if len(more.Subdivisions) > 0 {
			if first := &more.Subdivisions[0]; place.Country.ISOCode != "" && first.ISOCode != "" {
				writeText(w, keyRegionCode, place.Country.ISOCode+"-"+first.ISOCode)
			}
			writeText(w, keyRegion, more.Subdivisions[0].Names.English)
		}
		writeText(w, keyConnectionType, strings.ToLower(more.Traits.ConnectionType))
		writeText(w, keyUserType, more.Traits.UserType)
		hidden.write(w)
	})
	return geo, render(system.write), err
}

// isEnterprise says whether a database knows whose an address is, beside where.
func isEnterprise(t *table) bool {
	return t != nil && strings.Contains(strings.ToLower(t.Version.Type), "enterprise")
}

var (
	keyISP               = event.NewKey("isp")
	keyISPOrg            = event.NewKey("isp_organization_name")
	keyMobileCountry     = event.NewKey("mobile_country_code")
	keyMobileNetwork     = event.NewKey("mobile_network_code")
	keyAnonymous         = event.NewKey("anonymous")
	keyVPN               = event.NewKey("anonymous_vpn")
	keyHosting           = event.NewKey("hosting_provider")
	keyProxy             = event.NewKey("public_proxy")
	keyResidential       = event.NewKey("residential_proxy")
	keyTor               = event.NewKey("tor_exit_node")
	keyAnonymousProvider = event.NewKey("anonymous_provider")
	keyContinentCode     = event.NewKey("continent_code")
	keyContinent         = event.NewKey("continent_name")
	keyPostal            = event.NewKey("postal_code")
	keyTimeZone          = event.NewKey("timezone")
	keyRegionCode        = event.NewKey("region_iso_code")
	keyRegion            = event.NewKey("region_name")
	keyConnectionType    = event.NewKey("connection_type")
	keyUserType          = event.NewKey("user_type")
)

// merged is one object with the members of two.
func merged(a, b event.Fragment) event.Fragment {
	switch {
	case a.JSON == nil:
		return b
	case b.JSON == nil:
		return a
	}
	return render(func(w *event.Writer) {
		w.Members(a)
		w.Members(b)
	})
}
