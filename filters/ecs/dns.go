package ecs

import (
	"bytes"

	"github.com/valyala/fastjson"
)

// dnsSteps are the steps of Route 53 Resolver, WAF and Network Firewall.
var dnsSteps = map[string]stepDef{
	"networkfirewall": {
		[]string{"event.proto", "event.event_type", "event.tls.version"},
		[]string{"network.transport", "event.kind", "event.category", "tls.version", "tls.version_protocol"},
		stepFirewall,
	},
	"waf": {
		[]string{"webaclId", "httpRequest.httpVersion"},
		[]string{"@message", "url.domain", "user_agent.original", "http.request.referrer", "rule.ruleset", "cloud.region", "cloud.account.id", "http.version", "tags"},
		stepWAF,
	},
	"route53-query":   {[]string{"transport"}, []string{"dns.question.name", "network.transport"}, stepZoneQuery},
	"route53resolver": {nil, []string{"dns.question.name", "dns.answers.data"}, stepResolver},
}

// stepFirewall: transport in small letters; alerts are alerts; the version of
// TLS as ECS writes it (Suricata, "EVE JSON format", event type tls: "TLS 1.3",
// "TLSv1.2", "UNDETERMINED").
func stepFirewall(c *Converter, from []*source, slots []int) {
	transport, kind, category, version, protocol := slots[0], slots[1], slots[2], slots[3], slots[4]
	if proto := c.readText(from[0]); len(proto) > 0 {
		c.setText(transport, c.lower(proto))
	}
	if string(c.readText(from[1])) == "alert" {
		c.setString(kind, "alert")
		c.setOne(category, "intrusion_detection")
	}
	name, number := versionOf(c.readText(from[2]))
	if len(number) > 0 {
		c.setText(protocol, c.lower(name))
		c.setText(version, number)
	}
}

// versionOf splits a protocol with its version, such as "TLSv1.2" or "TLS 1.3".
func versionOf(b []byte) (name, number []byte) {
	i := bytes.IndexAny(b, "0123456789")
	if i < 1 {
		return nil, nil
	}
	return bytes.TrimRight(b[:i], " vV/"), b[i:]
}

// stepResolver takes the trailing dots off names.
func stepResolver(c *Converter, _ []*source, slots []int) {
	for _, s := range slots {
		if name := c.text(s); len(name) > 0 {
			c.setText(s, bytes.TrimRight(name, "."))
		}
	}
}

// stepZoneQuery: the name without the dot at its end, the transport in small
// letters ("Public DNS query logging", Route 53 developer guide). The source is
// the resolver that asked; whom it asks for is in edns_client_subnet, if it says.
func stepZoneQuery(c *Converter, from []*source, slots []int) {
	if name := c.text(slots[0]); len(name) > 1 {
		c.setText(slots[0], bytes.TrimSuffix(name, []byte(".")))
	}
	if transport := c.readText(from[0]); len(transport) > 0 {
		c.setText(slots[1], c.lower(transport))
	}
}

// redacted takes the place of a secret.
const redacted = "<<REDACTED>>"

// secretHeaders are the HTTP headers, in small letters, whose values let someone
// act for the client: credentials (RFC 9110, section 11), cookies (RFC 6265) and
// what AWS and common frameworks use in their place.
var secretHeaders = map[string]bool{
	"authorization": true, "proxy-authorization": true, "authentication-info": true, "cookie": true, "cookie2": true, "set-cookie": true,
	"x-api-key": true, "x-auth-token": true, "x-access-token": true, "x-amz-security-token": true, "x-csrf-token": true, "x-xsrf-token": true,
	"x-aws-waf-token": true, "x-vault-token": true, "x-gitlab-token": true, "private-token": true,
}

// stepWAF: every header as a field of its own, host, user agent and referrer
// from them, the web ACL with its region and account, the HTTP version, the
// labels that rules attached. Values of secret headers are replaced wherever
// they stand (AWS WAF Developer Guide, "Log fields for web ACL traffic").
func stepWAF(c *Converter, from []*source, slots []int) {
	message, domain, agent, referrer, ruleset, region, account, version, tags := slots[0], slots[1], slots[2], slots[3], slots[4], slots[5], slots[6], slots[7], slots[8]
	request := c.rec.Get("httpRequest")
	headers := request.GetArray("headers")
	if c.redactHeaders(headers) {
		c.setMessage(message)
	}
	if len(headers) > 0 {
		object := c.arena.NewObject()
		for _, h := range headers {
			name, v := stringAt(h, "name"), h.Get("value")
			if len(name) == 0 || v == nil {
				continue
			}
			key := c.lower(name)
			value, _ := v.StringBytes()
			switch string(key) {
			case "host":
				c.setText(domain, value)
			case "user-agent":
				c.setText(agent, value)
			case "referer":
				c.setText(referrer, value)
			}
			for i, b := range key {
				if b == '-' {
					key[i] = '_'
				}
			}
			object.Set(unsafeString(key), v)
		}
		request.Set("header", object)
	}
	if acl := c.readText(from[0]); bytes.HasPrefix(acl, []byte("arn:")) {
		arn := splitARN(acl)
		c.setText(ruleset, pathPart(acl, 2))
		if bytes.HasPrefix(arn.resource, []byte("global")) {
			c.setString(region, "global")
		} else if len(arn.region) > 0 {
			c.setText(region, arn.region)
		}
		if len(arn.account) > 0 {
			c.setText(account, arn.account)
		}
	} else if len(acl) > 0 {
		c.setText(ruleset, acl)
	}
	if _, v, ok := bytes.Cut(c.readText(from[1]), []byte("/")); ok {
		c.setText(version, v)
	}
	for _, label := range c.rec.GetArray("labels") {
		if name := stringAt(label, "name"); len(name) > 0 {
			c.addToList(tags, name)
		}
	}
}

// redactHeaders replaces the values of secret headers in a list of objects with
// a name and a value; false when there were none.
func (c *Converter) redactHeaders(headers []*fastjson.Value) (found bool) {
	for _, h := range headers {
		start := len(c.scratch)
		secret := secretHeaders[unsafeString(c.lower(stringAt(h, "name")))]
		c.scratch = c.scratch[:start]
		if secret && h.Exists("value") {
			h.Set("value", c.arena.NewString(redacted))
			found = true
		}
	}
	return found
}

// pathPart returns part n, from 0, of a path; nil when it has fewer.
func pathPart(b []byte, n int) []byte {
	for ; ; n-- {
		part, rest, more := bytes.Cut(b, []byte("/"))
		if n == 0 {
			return part
		}
		if !more {
			return nil
		}
		b = rest
	}
}
