package enrich

import (
	"bytes"
	"math"
	"strconv"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// cityRecord is what we take from a City (or Enterprise) database. The English
// names become the document's, as the dashboards expect.
type cityRecord struct {
	City     named `maxminddb:"city"`
	Country  named `maxminddb:"country"`
	Location struct {
		Latitude  float64 `maxminddb:"latitude"`
		Longitude float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

type named struct {
	ISOCode string `maxminddb:"iso_code"`
	Names   struct {
		English string `maxminddb:"en"`
	} `maxminddb:"names"`
}

// asnRecord is what we take from an ASN or ISP database, and from the traits of
// an Enterprise one.
type asnRecord struct {
	Number        uint32 `maxminddb:"autonomous_system_number"`
	Organization  string `maxminddb:"autonomous_system_organization"`
	ISP           string `maxminddb:"isp"`
	ISPOrg        string `maxminddb:"organization"`
	MobileCountry string `maxminddb:"mobile_country_code"`
	MobileNetwork string `maxminddb:"mobile_network_code"`
}

// rendered is one database record as it is written. Immutable; a fragment
// without JSON says nothing of interest.
type rendered struct {
	offset  uint64
	geo, as event.Fragment
}

var (
	keyCity        = event.NewKey("city_name")
	keyCountryCode = event.NewKey("country_iso_code")
	keyCountry     = event.NewKey("country_name")
	keyLocation    = event.NewKey("location")
	keyLongitude   = event.NewKey("lon")
	keyLatitude    = event.NewKey("lat")
	keyNumber      = event.NewKey("number")
	keyOrg         = event.NewKey("organization")
)

// absent returns a record of which nothing is known yet.
func absent() (c cityRecord) {
	c.Location.Latitude, c.Location.Longitude = math.NaN(), math.NaN()
	return c
}

// write writes the members of "geo": city_name, country_iso_code,
// country_name, location{lon,lat}; what the record lacks is absent.
func (c *cityRecord) write(w *event.Writer) {
	writeText(w, keyCity, c.City.Names.English)
	writeText(w, keyCountryCode, c.Country.ISOCode)
	writeText(w, keyCountry, c.Country.Names.English)
	if lon, lat := c.Location.Longitude, c.Location.Latitude; real(lon) && real(lat) {
		var text [32]byte
		w.Key(keyLocation)
		at := w.Object()
		w.Key(keyLongitude)
		w.Number(strconv.AppendFloat(text[:0], lon, 'f', -1, 64))
		w.Key(keyLatitude)
		w.Number(strconv.AppendFloat(text[:0], lat, 'f', -1, 64))
		w.EndObject(at)
	}
}

// real says whether a coordinate is one.
func real(v float64) bool { return math.Abs(v) <= 360 }

// write writes the members of "as": number, organization{name}, and what only
// paid databases have.
func (a *asnRecord) write(w *event.Writer) {
	if a.Number != 0 {
		var text [10]byte
		w.Key(keyNumber)
		w.Number(strconv.AppendUint(text[:0], uint64(a.Number), 10))
	}
	if a.Organization != "" {
		w.Key(keyOrg)
		org := w.Object()
		writeText(w, keyName, a.Organization)
		w.EndObject(org)
	}
	writeText(w, keyISP, a.ISP)
	writeText(w, keyISPOrg, a.ISPOrg)
	writeText(w, keyMobileCountry, a.MobileCountry)
	writeText(w, keyMobileNetwork, a.MobileNetwork)
}

func writeText(w *event.Writer, k event.Key, v string) {
	if v != "" {
		w.Key(k)
		w.String([]byte(v))
	}
}

// render returns an object in both forms, an empty Fragment when it has no
// members.
func render(members func(*event.Writer)) event.Fragment {
	var scratch [512]byte
	var w event.Writer
	form := func(pack bool) []byte {
		w.Reset(scratch[:0], pack)
		o := w.Object()
		members(&w)
		n := w.Len()
		w.EndObject(o)
		if n == 0 {
			return nil
		}
		return bytes.Clone(w.Buf)
	}
	return event.Fragment{JSON: form(false), Msgpack: form(true)}
}
