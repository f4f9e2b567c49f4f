package ecs

import "bytes"

// stepIIS: the parts of the URL and of the user's name, outcome by status,
// duration in nanoseconds, the HTTP version, and the addresses that proxies
// forwarded. IIS writes + for a blank, and - for nothing (Microsoft Learn, "W3C Logging"; "Error
// logging in HTTP APIs" for the log of HTTP.sys, whose cs-uri has the query in it).
func stepIIS(c *Converter, from []*source, slots []int) {
	method, stem, query, uri := dash(c.readText(from[0])), dash(c.readText(from[1])), dash(c.readText(from[2])), dash(c.readText(from[3]))
	outcome, duration, version, agent, userName, userDomain, relatedUser, forwarded, ip, relatedIP :=
		slots[0], slots[1], slots[2], slots[3], slots[4], slots[5], slots[6], slots[7], slots[8], slots[9]
	if len(uri) == 0 {
		if uri = stem; len(query) > 0 {
			uri = c.join(stem, []byte("?"), query)
		}
	}
	c.setURL(method, uri, []byte("1"), nil, slots[10:])
	if host := dash(c.readText(from[4])); len(host) > 0 {
		c.setAuthority(host, slots[11], slots[12])
	}
	if _, number, ok := bytes.Cut(dash(c.readText(from[5])), []byte("/")); ok {
		c.setText(version, number)
	}
	if status, ok := digits(dash(c.readText(from[6]))); ok && status > 0 {
		c.setString(outcome, outcomeOf(status < 400))
	}
	if b := dash(c.readText(from[7])); len(b) > 0 && len(b) < 12 {
		if ms, ok := digits(b); ok {
			c.setNumber(duration, int64(ms)*1e6)
		}
	}
	if text := dash(c.readText(from[8])); len(text) > 0 {
		c.setText(agent, c.blanked(text))
	}
	if user := dash(c.readText(from[9])); len(user) > 0 {
		if domain, name, ok := bytes.Cut(user, []byte(`\`)); ok {
			c.setText(userDomain, domain)
			user = name
		}
		c.setText(userName, user)
		c.addToList(relatedUser, user)
	}
	for _, s := range from[10:] {
		if list := dash(c.readText(s)); len(list) > 0 {
			c.setForwarded(c.blanked(list), forwarded, ip, relatedIP)
		}
	}
}

// blanked is b with blanks for +.
func (c *Converter) blanked(b []byte) []byte {
	if bytes.IndexByte(b, '+') < 0 {
		return b
	}
	copied := c.join(b)
	for i, ch := range copied {
		if ch == '+' {
			copied[i] = ' '
		}
	}
	return copied
}
