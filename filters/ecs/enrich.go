package ecs

import (
	"net/netip"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/internal/event"
)

// enrich adds what tables know: where addresses are, which program a user
// agent is, what indicators warn of.
func (c *Converter) enrich() {
	c.chooseTables()
	if c.p.client != nil && c.use.Proxies.Len() > 0 {
		c.realClient(c.p.client)
	}
	if c.use.Geo != nil {
		for i := range c.p.geo {
			c.locate(&c.p.geo[i])
		}
	}
	if c.p.assets != nil {
		c.addAssetFields()
	}
	if c.agents != nil && c.p.agent != nil {
		c.agent(c.p.agent)
	}
	if c.use.Indicators != nil {
		c.indicate()
	}
	c.nameTables()
	c.use.Geo = nil // who waits for records must not keep databases alive
}

// addr returns the address in a slot.
func (c *Converter) addr(slot int) (netip.Addr, bool) {
	s := &c.slots[slot]
	if s.kind != text {
		return netip.Addr{}, false
	}
	if !s.ip.IsValid() {
		s.ip, _ = parseAddr(s.text)
	}
	return s.ip, s.ip.IsValid()
}

// realClient replaces the address of a trusted proxy by that of the client it
// forwarded for.
func (c *Converter) realClient(r *clientRule) {
	peer, ok := c.addr(r.ip)
	if !ok {
		return
	}
	var items [][]byte
	switch s := &c.slots[r.forwarded]; s.kind {
	case list:
		items = s.list
	case jsonValue: // a list of the record
		for _, item := range s.json.GetArray() {
			items = append(items, item.GetStringBytes())
		}
	}
	if len(items) == 0 {
		return
	}
	start := len(c.scratch)
	for i, item := range items {
		if i > 0 {
			c.scratch = append(c.scratch, ',')
		}
		c.scratch = append(c.scratch, item...)
	}
	client, ok := c.use.Proxies.Client(peer, c.made(start))
	if !ok {
		return
	}
	for _, item := range items { // as it was written
		if a, ok := parseAddr(item); ok && a == client {
			c.setText(r.ip, item)
			c.slots[r.ip].ip = a
			c.setText(r.address, item)
			c.addToList(r.related, item)
			return
		}
	}
}

func (c *Converter) locate(r *geoRule) {
	a, ok := c.addr(r.ip)
	if !ok {
		return
	}
	f := c.geo.LookupIn(c.use.Geo, a)
	if f == nil {
		return
	}
	if f.GeoJSON != nil {
		s := &c.slots[r.geo]
		s.kind, s.frag = fragment, event.Fragment{JSON: f.GeoJSON, Msgpack: f.GeoMsgpack}
	}
	if f.ASJSON != nil {
		s := &c.slots[r.as]
		s.kind, s.frag = fragment, event.Fragment{JSON: f.ASJSON, Msgpack: f.ASMsgpack}
	}
}

func (c *Converter) agent(r *agentRule) {
	if s := &c.slots[r.original]; s.kind == jsonValue { // a header that may be given twice
		if items := s.json.GetArray(); len(items) > 0 {
			if first, v := c.asText(items[0]); v == nil {
				c.setText(r.original, first)
			}
		}
	}
	ua := c.text(r.original)
	if empty(ua) {
		return
	}
	if plain, changed := enrich.UnescapeAgent(c.agentBuf, ua); changed {
		c.agentBuf, ua = plain, plain
		c.setText(r.original, ua)
	}
	a := c.agents.Parse(ua)
	for _, f := range [...]struct {
		slot int
		text string
	}{
		{r.name, a.Name}, {r.version, a.Version}, {r.osName, a.OSName},
		{r.osFull, a.OSFull}, {r.osVersion, a.OSVersion}, {r.device, a.DeviceName},
	} {
		if f.text != "" {
			c.setString(f.slot, f.text)
		}
	}
}

// indicate compares addresses and names with the indicators.
func (c *Converter) indicate() {
	m := &c.matches
	m.Reset(c.use.Indicators)
	for _, f := range c.p.iocIP {
		s := &c.slots[f.slot]
		switch s.kind {
		case text:
			if a, ok := c.addr(f.slot); ok {
				m.Addr(f.name, a)
			}
		case list:
			for _, item := range s.list {
				if a, ok := parseAddr(item); ok {
					m.Addr(f.name, a)
				}
			}
		}
	}
	for _, f := range c.p.iocName {
		if name := c.text(f.slot); len(name) > 0 {
			m.Domain(f.name, string(name))
		}
	}
	for _, f := range c.p.iocURL {
		if u := c.text(f.slot); len(u) > 0 {
			m.URL(f.name, string(u))
		}
	}
	for _, f := range c.p.iocHash {
		if hash := c.text(f.slot); len(hash) > 0 {
			m.Hash(f.name, string(hash))
		}
	}
	if m.Empty() {
		return
	}
	s := &c.slots[c.p.std.threat]
	s.kind = fragment
	s.frag = event.Fragment{JSON: renderMatches(m, false), Msgpack: renderMatches(m, true)}
}

func renderMatches(m *enrich.Matches, msgpack bool) []byte {
	var w event.Writer
	w.Reset(nil, msgpack)
	m.Write(&w)
	return w.Buf
}
