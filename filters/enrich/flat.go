package enrich

import (
	"math"
	"strconv"
	"strings"
)

// flatRecord is what we take from a database of IPinfo, whose fields are texts
// side by side; names differ between its products and their generations.
type flatRecord struct {
	City        string `maxminddb:"city"`
	Country     any    `maxminddb:"country"` // the code, or the name where country_code is there
	CountryCode string `maxminddb:"country_code"`
	CountryName string `maxminddb:"country_name"`
	Lat         any    `maxminddb:"lat"`
	Lng         any    `maxminddb:"lng"`
	Latitude    any    `maxminddb:"latitude"`
	Longitude   any    `maxminddb:"longitude"`
	ASN         string `maxminddb:"asn"` // AS15169
	ASName      string `maxminddb:"as_name"`
	Name        string `maxminddb:"name"` // of the system, in databases of those alone
}

// place is the part that says where.
func (f *flatRecord) place() *cityRecord {
	c := absent()
	c.City.Names.English = f.City
	c.Country.ISOCode, c.Country.Names.English = f.CountryCode, f.CountryName
	if country, ok := f.Country.(string); ok {
		switch {
		case f.CountryCode == "" && len(country) == 2:
			c.Country.ISOCode = country
		case f.CountryName == "":
			c.Country.Names.English = country
		}
	}
	c.Location.Latitude, c.Location.Longitude = number(f.Lat, f.Latitude), number(f.Lng, f.Longitude)
	return &c
}

// system is the part that says whose.
func (f *flatRecord) system() *asnRecord {
	a := &asnRecord{Organization: f.ASName}
	if a.Organization == "" {
		a.Organization = f.Name
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(f.ASN, "AS"), 10, 32); err == nil {
		a.Number = uint32(n)
	}
	return a
}

// number is the first of values that is a number, or a text of one.
func number(values ...any) float64 {
	for _, v := range values {
		switch v := v.(type) {
		case float64:
			return v
		case float32:
			return float64(v)
		case string:
			if n, err := strconv.ParseFloat(v, 64); err == nil {
				return n
			}
		}
	}
	return math.NaN()
}
