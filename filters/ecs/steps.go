package ecs

import (
	"bytes"
	"maps"

	"github.com/valyala/fastjson"
)

// stepDef is what a table cannot say of a log type: the fields it reads, the
// slots it writes, and a function that gets both in that order.
type stepDef struct {
	from  []string
	slots []string
	run   func(c *Converter, from []*source, slots []int)
}

type boundStep struct {
	from  []*source
	slots []int
	run   func(c *Converter, from []*source, slots []int)
}

// steps are the functions that a type's file may name, family by family.
var steps = family(elbSteps, flowSteps, trailSteps, findingSteps, configSteps, dnsSteps, ocsfSteps, serviceSteps, edgeSteps, webSteps, databaseSteps, hostSteps, auditSteps, kubernetesSteps, applicationSteps, windowsSteps, trendSteps, optionalSteps)

func family(all ...map[string]stepDef) map[string]stepDef {
	sum := map[string]stepDef{}
	for _, m := range all {
		maps.Copy(sum, m)
	}
	return sum
}

var elbSteps = map[string]stepDef{
	"alb": {[]string{"request"}, []string{"url.full"}, stepURLFull},
}

var flowSteps = map[string]stepDef{
	"vpcflowlogs": {[]string{"resource_type"}, []string{"event.action", "event.outcome", "network.iana_number", "network.transport", "network.type", "@log_type"}, stepVPCFlow},
}

func (p *plan) bind(def stepDef) boundStep {
	b := boundStep{run: def.run}
	for _, name := range def.from {
		b.from = append(b.from, p.source(name))
	}
	for _, path := range def.slots {
		b.slots = append(b.slots, p.slot(path))
	}
	return b
}

// stepURLFull: url.full is the second word of the request line.
func stepURLFull(c *Converter, from []*source, slots []int) {
	_, rest, ok := bytes.Cut(c.readText(from[0]), []byte(" "))
	if !ok {
		return
	}
	url, _, _ := bytes.Cut(rest, []byte(" "))
	c.setText(slots[0], url)
}

var transports = [256][]byte{
	1: []byte("icmp"), 6: []byte("tcp"), 8: []byte("egp"), 17: []byte("udp"), 33: []byte("dccp"),
	41: []byte("ipv6"), 42: []byte("sdrp"), 47: []byte("gre"), 132: []byte("sctp"),
}

// stepVPCFlow: outcome from the action, transport from the protocol number,
// network type in small letters. Transit gateway logs have a resource_type,
// their own name and no outcome.
func stepVPCFlow(c *Converter, from []*source, slots []int) {
	action, outcome, number, transport, network, logType := slots[0], slots[1], slots[2], slots[3], slots[4], slots[5]
	if r := c.readText(from[0]); len(r) > 0 {
		c.setString(logType, "transit-gateway")
	} else {
		switch a := c.text(action); {
		case bytes.Contains(a, []byte("ACCEPT")):
			c.setString(outcome, "success")
		case bytes.Contains(a, []byte("REJECT")):
			c.setString(outcome, "failure")
		default:
			c.setString(outcome, "unknown")
		}
	}
	if n := c.text(number); len(n) > 0 && len(n) < 4 {
		if v, ok := digits(n); ok && v < 256 && transports[v] != nil {
			c.setText(transport, transports[v])
		}
	}
	if t := c.text(network); len(t) > 0 {
		start := len(c.scratch)
		for _, b := range t {
			if b >= 'A' && b <= 'Z' {
				b += 'a' - 'A'
			}
			c.scratch = append(c.scratch, b)
		}
		c.setText(network, c.scratch[start:len(c.scratch):len(c.scratch)])
	}
}

// lastName is what follows the last colon, and then the last slash: the name in
// an ARN or a principal id.
func lastName(b []byte) []byte {
	if i := bytes.LastIndexByte(b, ':'); i >= 0 {
		b = b[i+1:]
		b = b[bytes.LastIndexByte(b, '/')+1:]
	}
	return b
}

// isInstanceID reports whether b begins with the id of an EC2 instance:
// i- and 8 or 17 letters or digits.
func isInstanceID(b []byte) bool {
	if len(b) < 10 || b[0] != 'i' || b[1] != '-' {
		return false
	}
	n := 0
	for _, ch := range b[2:] {
		if ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'z' {
			n++
			continue
		}
		if ch == '_' || ch >= 'A' && ch <= 'Z' {
			if ch == '_' {
				break
			}
			return false
		}
		break
	}
	return n == 8 || n == 17
}

// stringAt returns the text at a path, nil when there is none.
func stringAt(v *fastjson.Value, path ...string) []byte {
	item := v.Get(path...)
	if item == nil || item.Type() != fastjson.TypeString {
		return nil
	}
	return item.GetStringBytes()
}
