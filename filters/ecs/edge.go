package ecs

import (
	"bytes"
	"strings"
)

// edgeSteps are the steps of CloudFront and S3 access logs, NLB, CLB.
var edgeSteps = map[string]stepDef{
	"clb":         {[]string{"request"}, []string{"url.full"}, stepURLFull},
	"s3accesslog": {[]string{"EndPoint"}, []string{"user.name", "cloud.region"}, stepS3Access},
	"cloudfront-realtime": {[]string{"cs_protocol", "cs_host", "cs_uri_stem", "cs_protocol_version"},
		[]string{"url.full", "http.version", "user_agent.original", "distribution_id", "url.path"}, stepCloudFrontRealtime},
	"cloudfront-standard": {[]string{"cs_protocol", "x_host_header", "cs_uri_stem", "cs_protocol_version", "cs_uri_query"},
		[]string{"url.full", "http.version", "user_agent.original", "distribution_id"}, stepCloudFrontStandard},
}

// stepS3Access: the user is the last part of the requester's ARN, which is the
// session of an assumed role; where neither record nor key know the region, the
// end point does ("Amazon S3 server access log format", S3 user guide).
func stepS3Access(c *Converter, from []*source, slots []int) {
	user, region := slots[0], slots[1]
	if name := c.text(user); len(name) > 0 {
		c.setText(user, name[bytes.LastIndexByte(name, '/')+1:])
	}
	if !known(c.text(region)) {
		if r := endpointRegion(c.readText(from[0])); r != nil {
			c.setText(region, r)
		}
	}
}

// endpointRegion is the region in the name of an end point of S3, such as
// bucket.s3.eu-central-1.amazonaws.com or s3-us-west-2.amazonaws.com. The
// bucket's name, which may look like a region too, is not looked at.
func endpointRegion(host []byte) []byte {
	i := bytes.LastIndex(host, []byte(".amazonaws."))
	if i < 0 {
		return nil
	}
	for host = host[:i]; ; {
		dot := bytes.LastIndexByte(host, '.')
		label := host[dot+1:]
		isS3 := bytes.HasPrefix(label, []byte("s3"))
		for len(label) > 0 {
			if isRegion(label) {
				return label
			}
			_, after, ok := bytes.Cut(label, []byte("-")) // s3-us-west-2, s3-website-us-west-2
			if !isS3 || !ok {
				break
			}
			label = after
		}
		if isS3 || dot < 0 {
			return nil
		}
		host = host[:dot]
	}
}

var continents = []string{"us", "ap", "ca", "eu", "il", "me", "mx", "sa", "af", "cn"}

// isRegion reports whether b is the name of an AWS region, such as eu-central-1.
func isRegion(b []byte) bool {
	parts := [4][]byte{}
	n := 0
	for len(b) > 0 && n < 4 {
		parts[n], b, _ = bytes.Cut(b, []byte("-"))
		n++
	}
	if n < 3 || len(b) > 0 || n == 4 && string(parts[1]) != "gov" {
		return false
	}
	for _, ch := range parts[n-2] {
		if ch < 'a' || ch > 'z' {
			return false
		}
	}
	last := parts[n-1]
	if len(last) != 1 || last[0] < '0' || last[0] > '9' {
		return false
	}
	for _, name := range continents {
		if name == string(parts[0]) {
			return true
		}
	}
	return false
}

// stepCloudFrontRealtime: the URL as a whole; its path without a query; the
// version of HTTP; the user agent without percent-encoding; the distribution,
// from the object's key ("Real-time log fields", CloudFront developer guide).
func stepCloudFrontRealtime(c *Converter, from []*source, slots []int) {
	stem := c.readText(from[2])
	c.cloudFront(slots, c.readText(from[0]), c.readText(from[1]), stem, nil, c.readText(from[3]))
	c.setString(slots[3], distribution(c.o.src.Key, false))
	path, _, _ := bytes.Cut(stem, []byte("?"))
	c.setText(slots[4], path)
}

// stepCloudFrontStandard is the same for standard logs, whose query is a column
// of its own ("Standard log file fields", CloudFront developer guide).
func stepCloudFrontStandard(c *Converter, from []*source, slots []int) {
	c.cloudFront(slots, c.readText(from[0]), c.readText(from[1]), c.readText(from[2]), c.readText(from[4]), c.readText(from[3]))
	c.setString(slots[3], distribution(c.o.src.Key, true))
}

func (c *Converter) cloudFront(slots []int, scheme, host, stem, query, version []byte) {
	full, http, agent := slots[0], slots[1], slots[2]
	start := len(c.scratch)
	c.scratch = append(append(append(append(c.scratch, scheme...), "://"...), host...), stem...)
	if !empty(query) {
		c.scratch = append(append(c.scratch, '?'), query...)
	}
	c.setText(full, c.made(start))
	if i := bytes.IndexByte(version, '/'); i >= 0 {
		c.setText(http, version[i+1:])
	}
	if ua := c.text(agent); bytes.IndexByte(ua, '%') >= 0 {
		c.setText(agent, c.percentDecoded(ua))
	}
}

// distribution is the id of a CloudFront distribution in a key: the first word
// of 12 to 14 capital letters and digits, of which one is a letter; for file
// names of standard logs, the one between a slash, or the start, and a dot.
func distribution(key string, file bool) string {
	start, letters := 0, 0
	for i := 0; i <= len(key); i++ {
		if i < len(key) {
			switch ch := key[i]; {
			case ch >= '0' && ch <= '9':
				continue
			case ch >= 'A' && ch <= 'Z':
				letters++
				continue
			case ch == '_' || ch >= 'a' && ch <= 'z':
				letters = -1 << 16 // a longer word
				continue
			}
		}
		if n := i - start; n >= 12 && n <= 14 && letters > 0 &&
			(!file || i < len(key) && key[i] == '.' && (start == 0 || key[start-1] == '/')) {
			return key[start:i]
		}
		start, letters = i+1, 0
	}
	return "unknown"
}

// made is what was appended to the scratch since start, as a text that is valid
// until the next record.
func (c *Converter) made(start int) []byte {
	return c.scratch[start:len(c.scratch):len(c.scratch)]
}

// percentDecoded undoes percent-encoding; what is not valid encoding stays.
func (c *Converter) percentDecoded(b []byte) []byte {
	start := len(c.scratch)
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			h, l := unhex(b[i+1]), unhex(b[i+2])
			if h >= 0 && l >= 0 {
				c.scratch = append(c.scratch, byte(h<<4|l))
				i += 2
				continue
			}
		}
		c.scratch = append(c.scratch, b[i])
	}
	return c.made(start)
}

func unhex(ch byte) int { return strings.IndexByte("0123456789abcdef", ch|0x20*(ch>>6)) }
