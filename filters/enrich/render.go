package enrich

import (
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// cityRecord is what we take from a City (or Country, Enterprise) database.
// Names are MaxMind's; the English ones become the document's, as the
// dashboards expect.
type cityRecord struct {
	City     named `maxminddb:"city"`
	Country  named `maxminddb:"country"`
	Location struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

type named struct {
	ISOCode string `maxminddb:"iso_code"`
	Names   struct {
		English string `maxminddb:"en"`
	} `maxminddb:"names"`
}

// asnRecord is what we take from an ASN (or ISP) database.
type asnRecord struct {
	Number       uint32 `maxminddb:"autonomous_system_number"`
	Organization string `maxminddb:"autonomous_system_organization"`
}

// rendered is one database record in both forms it is written in. Immutable.
type rendered struct {
	offset        uint64
	json, msgpack []byte // nil: the record says nothing of interest
}

// render writes the value of "geo": city_name, country_iso_code, country_name,
// location{lon,lat}; what the record lacks is absent.
func (c *cityRecord) render() (json, msgpack []byte) {
	var o object
	o.text("city_name", c.City.Names.English)
	o.text("country_iso_code", c.Country.ISOCode)
	o.text("country_name", c.Country.Names.English)
	if lat, lon := c.Location.Latitude, c.Location.Longitude; lat != nil && lon != nil {
		var at object
		at.float("lon", *lon)
		at.float("lat", *lat)
		o.object("location", at)
	}
	return o.done()
}

// render writes the value of "as": number, organization{name}.
func (a *asnRecord) render() (json, msgpack []byte) {
	var o object
	if a.Number != 0 {
		o.integer("number", uint64(a.Number))
	}
	if a.Organization != "" {
		var org object
		org.text("name", a.Organization)
		o.object("organization", org)
	}
	return o.done()
}

// object writes the same members as JSON and as msgpack.
type object struct {
	members       uint32
	json, msgpack []byte // members only
}

func (o *object) key(k string) {
	if o.members > 0 {
		o.json = append(o.json, ',')
	}
	o.members++
	o.json = append(event.AppendJSONString(o.json, []byte(k)), ':')
	o.msgpack = msgp.AppendString(o.msgpack, k)
}

func (o *object) text(k, v string) {
	if v == "" {
		return
	}
	o.key(k)
	o.json = event.AppendJSONString(o.json, []byte(v))
	o.msgpack = msgp.AppendString(o.msgpack, v)
}

func (o *object) integer(k string, v uint64) {
	o.key(k)
	o.json = strconv.AppendUint(o.json, v, 10)
	o.msgpack = msgp.AppendUint64(o.msgpack, v)
}

func (o *object) float(k string, v float64) {
	o.key(k)
	o.json = strconv.AppendFloat(o.json, v, 'f', -1, 64)
	o.msgpack = msgp.AppendFloat64(o.msgpack, v)
}

func (o *object) object(k string, v object) {
	json, msgpack := v.done()
	o.key(k)
	o.json = append(o.json, json...)
	o.msgpack = append(o.msgpack, msgpack...)
}

// done returns the finished values, nil when the object has no members.
func (o *object) done() (json, msgpack []byte) {
	if o.members == 0 {
		return nil, nil
	}
	json = make([]byte, 0, len(o.json)+2)
	json = append(append(append(json, '{'), o.json...), '}')
	msgpack = msgp.AppendMapHeader(make([]byte, 0, len(o.msgpack)+5), o.members)
	return json, append(msgpack, o.msgpack...)
}
