package ecs

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
)

// optional are steps that a type names like any other, or that the setting
// add_fields adds to every type whose documents have the fields in needs.
var optional = map[string]struct {
	stepDef
	needs []string // one of a list separated by blanks is enough
}{
	"community_id": {stepDef{
		// Suricata's records may have the id already.
		[]string{"event.community_id", "community_id", "event.icmp_type", "icmp_type", "event.icmp_code", "icmp_code"},
		[]string{"source.ip", "destination.ip", "source.port", "destination.port", "network.iana_number", "network.transport", "network.community_id"},
		stepCommunityID,
	}, []string{"source.ip", "destination.ip", "network.iana_number network.transport"}},
	"dns_domains": {stepDef{
		nil, []string{"dns.question.name", "dns.question.registered_domain", "dns.question.top_level_domain", "dns.question.subdomain"}, stepDomains,
	}, []string{"dns.question.name"}},
	"dns_entropy": {stepDef{
		nil, []string{"dns.question.name", "dns.question.entropy"}, stepEntropy,
	}, []string{"dns.question.name"}},
}

// optionalSteps are those of optional, as steps.
var optionalSteps = func() map[string]stepDef {
	m := map[string]stepDef{}
	for name, o := range optional {
		m[name] = o.stepDef
	}
	return m
}()

// addSteps adds optional steps that the type does not name itself, if it has
// what they need.
func (p *plan) addSteps(names []string) {
	for _, name := range names {
		if slices.Contains(p.t.Steps, name) {
			continue
		}
		lacks := slices.ContainsFunc(optional[name].needs, func(any string) bool {
			return !slices.ContainsFunc(strings.Fields(any), func(path string) bool { _, ok := p.slots[path]; return ok })
		})
		if !lacks {
			p.steps = append(p.steps, p.bind(optional[name].stepDef))
		}
	}
}

// checkOptional says whether all names are optional steps.
func checkOptional(names []string) error {
	for _, name := range names {
		if _, ok := optional[name]; !ok {
			return fmt.Errorf("%q; there are %s", name, strings.Join(sortedKeys(optional), ", "))
		}
	}
	return nil
}

// stepCommunityID: the id of the flow, which other monitors of the network give
// the same. A message of ICMP whose type the record does not tell has none.
func stepCommunityID(c *Converter, from []*source, slots []int) {
	id := slots[6]
	for _, s := range from[:2] {
		if b := c.readText(s); len(b) > 0 {
			c.setText(id, b)
			return
		}
	}
	var f enrich.Flow
	var ok bool
	if f.Source, ok = c.addr(slots[0]); !ok {
		return
	}
	if f.Destination, ok = c.addr(slots[1]); !ok {
		return
	}
	if f.Protocol, ok = c.protocol(slots[4], slots[5]); !ok {
		return
	}
	switch f.Protocol {
	case 1, 58:
		kind, known := c.small(from[2:4])
		if !known {
			return
		}
		code, _ := c.small(from[4:6])
		f.Type, f.Code = uint8(kind), uint8(code)
	case 6, 17, 132:
		for i, port := range []*uint16{&f.SourcePort, &f.DestPort} {
			b := c.text(slots[2+i])
			n, ok := digits(b)
			if !ok || len(b) == 0 || len(b) > 5 || n > math.MaxUint16 {
				return
			}
			*port = uint16(n)
		}
	}
	start := len(c.scratch)
	c.scratch = enrich.AppendCommunityID(c.scratch, f)
	if made := c.made(start); len(made) > 0 {
		c.setText(id, made)
	}
}

// protocol is IANA's number of a flow's protocol, from the number or the name.
func (c *Converter) protocol(number, name int) (uint8, bool) {
	if b := c.text(number); len(b) > 0 && len(b) < 4 {
		if n, ok := digits(b); ok && n < 256 {
			return uint8(n), true
		}
	}
	b := c.lower(c.text(name))
	switch string(b) {
	case "":
		return 0, false
	case "ipv6-icmp", "icmpv6", "icmp6":
		return 58, true
	}
	for n, known := range transports {
		if bytes.Equal(known, b) {
			return uint8(n), true
		}
	}
	return 0, false
}

// small is the first number below 256 that a record has.
func (c *Converter) small(from []*source) (int, bool) {
	for _, s := range from {
		if b := c.readText(s); len(b) > 0 && len(b) < 4 {
			if n, ok := digits(b); ok && n < 256 {
				return n, true
			}
		}
	}
	return 0, false
}

// question is the name that was asked for, in small letters, and where its
// public suffix begins (publicsuffix.org). ok is false for what is no name with
// a suffix, such as an address or a single word.
func (c *Converter) question(slot int) (name []byte, suffix int, ok bool) {
	name = bytes.TrimRight(c.lower(c.text(slot)), ".")
	if len(name) > 253 || bytes.IndexByte(name, '.') < 1 || bytes.Contains(name, []byte("..")) {
		return nil, 0, false
	}
	if _, address := parseAddr(name); address {
		return nil, 0, false
	}
	found, _ := publicsuffix.PublicSuffix(unsafeString(name))
	return name, len(name) - len(found), true
}

// stepDomains: the parts of a name by the list of public suffixes. What is a
// suffix itself has no registered domain.
func stepDomains(c *Converter, _ []*source, slots []int) {
	name, suffix, ok := c.question(slots[0])
	if !ok {
		return
	}
	c.setText(slots[2], name[suffix:])
	if suffix == 0 {
		return
	}
	dot := bytes.LastIndexByte(name[:suffix-1], '.')
	c.setText(slots[1], name[dot+1:])
	if dot > 0 {
		c.setText(slots[3], name[:dot])
	}
}

// stepEntropy: how random a name looks, in bits a character (Shannon), without
// its public suffix and dots, to two decimals. Words have 2 to 3, names that
// machines make 3.5 and more.
func stepEntropy(c *Converter, _ []*source, slots []int) {
	name, suffix, ok := c.question(slots[0])
	if !ok || suffix == 0 {
		return
	}
	var counts [256]int
	n := 0
	for _, ch := range name[:suffix-1] {
		if ch != '.' {
			counts[ch]++
			n++
		}
	}
	bits := 0.0
	for _, k := range counts {
		if k > 0 {
			share := float64(k) / float64(n)
			bits -= share * math.Log2(share)
		}
	}
	start := len(c.scratch)
	c.scratch = strconv.AppendFloat(c.scratch, math.Round(math.Abs(bits)*100)/100, 'f', -1, 64)
	c.setNumberText(slots[1], c.made(start))
}
