package ecs

import (
	"bytes"
	"encoding/base64"
)

var trendSteps = map[string]stepDef{
	"deepsecurity": {
		[]string{"cef_device_vendor", "cef_device_product", "cef_device_version", "cef_device_event_class_id", "cef_name", "TrendMicroDsPacketData"},
		[]string{"agent.name", "rule.name", "event.action", "event.category", "event.type", "source.ip", "@message"},
		stepDeepSecurity,
	},
	"deepsecurity-json": {
		[]string{"EventType", "Hostname", "ProtocolString", "EntityType", "Key"},
		[]string{"event.category", "event.type", "host.hostname", "related.hosts", "network.transport", "file.path"},
		stepDeepSecurityJSON,
	},
}

// protections are the modules of Deep Security by the number of their events
// (Trend Micro, "Syslog message formats", the signature ids of each module).
var protections = []struct {
	from, to       int
	category, kind string
}{
	{20, 29, "network", "connection"}, // firewall
	{100, 299, "network", "connection"},
	{30, 39, "file", "change"}, // integrity monitoring
	{1_000_000, 1_999_999, "intrusion_detection", "info"},
	{2_000_000, 2_999_999, "file", "change"},
	{3_000_000, 3_999_999, "intrusion_detection", "info"}, // log inspection
	{4_000_000, 4_999_999, "malware", "info"},
	{5_000_000, 5_999_999, "web", "access"}, // web reputation
	{6_000_000, 6_999_999, "process", "info"},
}

// modules are the modules of Deep Security by what JSON calls their events.
var modules = map[string]struct{ category, kind string }{
	"AntiMalwareEvent":   {"malware", "info"},
	"AppControlEvent":    {"process", "info"},
	"IntegrityEvent":     {"file", "change"},
	"LogInspectionEvent": {"intrusion_detection", "info"},
	"PacketLog":          {"network", "connection"},
	"PayloadLog":         {"intrusion_detection", "info"},
	"WebReputationEvent": {"web", "access"},
}

// stepDeepSecurityJSON: the category by the module that the event is of, the
// host without the name and instance behind it, the transport in small letters,
// and the file whose integrity was lost (Trend Micro, "Events in JSON format").
func stepDeepSecurityJSON(c *Converter, from []*source, slots []int) {
	if m, ok := modules[string(c.readText(from[0]))]; ok {
		c.setOne(slots[0], m.category)
		c.setOne(slots[1], m.kind)
	}
	if host, _, _ := bytes.Cut(c.readText(from[1]), []byte(" (")); len(host) > 0 {
		c.setText(slots[2], host)
		c.addToList(slots[3], host)
	}
	if transport := c.readText(from[2]); len(transport) > 0 {
		c.setText(slots[4], c.lower(transport))
	}
	if key := c.readText(from[4]); string(c.readText(from[3])) == "File" && len(key) > 0 {
		c.setText(slots[5], key)
	}
}

// stepDeepSecurity: the agent is vendor, product and version, the rule its number
// and name, as in the original. A reset that was only detected did not happen:
// IDS:Reset becomes DetectOnly:NotReset. What the packet data shows of an HTTP
// request is decoded, without cookies and credentials, and the client that a
// proxy forwarded becomes the source. Other than in the original, the tenant
// stays, and an event of the manager, which may have any number below 10,000,
// has no category of a module.
func stepDeepSecurity(c *Converter, from []*source, slots []int) {
	vendor, product, version := c.readText(from[0]), c.readText(from[1]), c.readText(from[2])
	id, name, packet := c.readText(from[3]), c.readText(from[4]), c.readText(from[5])
	agent, rule, action, category, kind, sourceIP, message := slots[0], slots[1], slots[2], slots[3], slots[4], slots[5], slots[6]
	if len(vendor) > 0 {
		c.setText(agent, c.join(vendor, blank, product, blank, version))
	}
	if len(name) > 0 {
		c.setText(rule, bytes.TrimSpace(c.join(id, blank, name)))
	}
	if string(c.text(action)) == "IDS:Reset" {
		c.setString(action, "DetectOnly:NotReset")
	}
	if number, ok := digits(id); ok && len(id) > 0 && len(id) < 8 && !bytes.HasSuffix(product, []byte("Manager")) {
		for _, p := range protections {
			if number >= p.from && number <= p.to {
				c.setOne(category, p.category)
				c.setOne(kind, p.kind)
				break
			}
		}
	}
	if len(packet) > 0 {
		c.packetData(packet, sourceIP, message)
	}
}

var blank = []byte(" ")

// packetData decodes what a packet held, takes secrets out of it, there and in
// @message, and finds the client that a proxy forwarded.
func (c *Converter) packetData(packet []byte, sourceIP, message int) {
	start := len(c.scratch)
	buf, err := base64.StdEncoding.AppendDecode(c.scratch, packet)
	if err != nil {
		return
	}
	c.scratch = buf
	request := c.scratch[start:len(c.scratch):len(c.scratch)]
	start = len(c.scratch)
	secret := false
	for line := range bytes.Lines(request) {
		header, value, _ := bytes.Cut(line, []byte(":"))
		name := bytes.ToLower(bytes.TrimSpace(header))
		if secretHeaders[string(name)] || bytes.HasPrefix(name, []byte("cookie")) {
			secret = true
			continue
		}
		if string(name) == "x-forwarded-for" {
			first, _, _ := bytes.Cut(value, []byte(","))
			if a, ok := parseAddr(bytes.TrimSpace(first)); ok {
				c.setText(sourceIP, bytes.TrimSpace(first))
				c.slots[sourceIP].ip = a
			}
		}
		c.scratch = append(c.scratch, line...)
	}
	clean := c.scratch[start:len(c.scratch):len(c.scratch)]
	c.rec.Set("TrendMicroDsPacketData", c.newText(clean))
	if !secret {
		return
	}
	whole, bare := c.text(message), bytes.TrimRight(packet, "=")
	i := bytes.Index(whole, bare)
	if i < 0 { // escaped in some way
		c.setMessage(message)
		return
	}
	start = len(c.scratch)
	c.scratch = append(c.scratch, whole[:i]...)
	c.scratch = base64.RawStdEncoding.AppendEncode(c.scratch, clean)
	c.scratch = append(c.scratch, bytes.TrimLeft(whole[i+len(bare):], `\=`)...)
	c.setText(message, c.scratch[start:len(c.scratch):len(c.scratch)])
}
