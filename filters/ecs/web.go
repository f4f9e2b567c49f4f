package ecs

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// webSteps are the steps of the web servers: apache, nginx.
var webSteps = map[string]stepDef{
	"web-access": {[]string{"request_method", "request_path", "request_version", "request_raw", "response_status", "xff", "vhost"},
		append([]string{"service.name", "event.outcome", "http.request.header.x_forwarded_for", "source.ip", "related.ip", "cloud.instance.id", "related.hosts", "url.scheme"}, urlSlots...),
		stepWebAccess},
	"apache-error": {[]string{"message", "log_level"},
		[]string{"service.name", "http.request.referrer", "url.scheme", "event.type", "cloud.instance.id", "related.hosts"}, stepApacheError},
	"nginx-ingress": ingressStep,
	"nginx-error": {[]string{"message"},
		append([]string{"service.name", "source.ip", "source.address", "related.ip", "http.request.method", "http.version", "http.request.referrer",
			"cloud.instance.id", "related.hosts", "url.scheme"}, urlSlots...), stepNginxError},
}

// ingressStep is the step of the access log of ingress-nginx: how long the
// request took, and where it went: the address of each upstream that was tried,
// in turn, of which the last one answered, after the time of all ("Log format", Ingress-Nginx
// Controller documentation, and $upstream_addr of ngx_http_upstream_module).
var ingressStep = stepDef{[]string{"request_time", "upstream_addr", "upstream_response_length", "upstream_response_time", "upstream_status"},
	[]string{"event.duration", "destination.address", "destination.ip", "destination.port", "related.ip",
		"nginx.ingress_controller.upstream.response.length", "nginx.ingress_controller.upstream.response.time",
		"nginx.ingress_controller.upstream.response.status_code"}, stepIngress}

func stepIngress(c *Converter, from []*source, slots []int) {
	if b := c.readText(from[0]); len(b) > 0 {
		if seconds, err := strconv.ParseFloat(unsafeString(b), 64); err == nil && seconds >= 0 && seconds < 1e9 {
			c.setNumber(slots[0], int64(math.Round(seconds*1e9)))
		}
	}
	var last []byte
	for rest := c.readText(from[1]); len(rest) > 0; {
		last, rest = nextUpstream(rest)
		var into [2][]byte
		if _, ok := parseAddr(last); ok || !splitAddress(last, into[:]) {
			continue // the path of a socket
		}
		if a, ok := parseAddr(into[0]); ok {
			c.addToList(slots[4], into[0])
			c.setText(slots[2], into[0])
			c.slots[slots[2]].ip = a
			c.setText(slots[3], into[1])
		}
	}
	if last = dash(last); len(last) > 0 {
		c.setText(slots[1], last)
	}
	for i, slot := range []int{slots[5], -1, slots[7]} {
		var number []byte
		for rest := c.readText(from[2+i]); len(rest) > 0; {
			number, rest = nextUpstream(rest)
		}
		if _, ok := digits(number); ok && slot >= 0 {
			c.setText(slot, number)
		}
	}
	took, tried := 0.0, false
	for rest := c.readText(from[3]); len(rest) > 0; {
		var number []byte
		number, rest = nextUpstream(rest)
		if seconds, err := strconv.ParseFloat(unsafeString(number), 64); err == nil {
			took, tried = took+seconds, true
		}
	}
	if tried {
		c.setFloat(slots[6], math.Round(took*1e6)/1e6)
	}
}

// nextUpstream cuts off what one of several upstreams did.
func nextUpstream(b []byte) (item, rest []byte) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return b, nil
	}
	return bytes.TrimSuffix(b[:i], []byte(",")), bytes.TrimLeft(b[i+1:], ": ")
}

// urlSlots are what [Converter.setURL] sets, in its order.
var urlSlots = []string{"url.original", "url.domain", "url.port", "url.path", "url.query", "url.fragment", "url.extension"}

// stepWebAccess: the parts of the URL, the outcome by status, the addresses that
// proxies forwarded, and what key, log group and log stream say about the site.
func stepWebAccess(c *Converter, from []*source, slots []int) {
	service, outcome, forwarded, ip, related, instance, hosts, scheme := slots[0], slots[1], slots[2], slots[3], slots[4], slots[5], slots[6], slots[7]
	c.setSite(service, scheme, instance, hosts, "access")
	c.setURL(c.readText(from[0]), c.readText(from[1]), c.readText(from[2]), c.readText(from[3]), slots[8:])
	if host := c.readText(from[6]); len(host) > 0 && c.text(slots[9]) == nil {
		c.setAuthority(host, slots[9], slots[10])
	}
	if status, ok := digits(c.readText(from[4])); ok && status > 0 {
		c.setString(outcome, outcomeOf(status < 400))
	} else {
		c.setString(outcome, "unknown")
	}
	if xff := c.readText(from[5]); len(xff) > 0 {
		c.setForwarded(xff, forwarded, ip, related)
	}
}

// setForwarded makes a list of the addresses in an X-Forwarded-For header, in its
// order, and adds them and the client to the related addresses.
func (c *Converter) setForwarded(xff []byte, forwarded, ip, related int) {
	s := &c.slots[forwarded]
	s.list = s.list[:0]
	for len(xff) > 0 {
		var item []byte
		item, xff, _ = bytes.Cut(xff, []byte(","))
		item = bytes.TrimSpace(item)
		if _, ok := parseAddr(item); ok {
			s.list = append(s.list, item)
		}
	}
	if len(s.list) == 0 {
		return
	}
	s.kind = list
	for _, item := range s.list {
		c.addToList(related, item)
	}
	if peer := c.text(ip); peer != nil {
		c.addToList(related, peer)
	}
}

// setSite: the site's name, from a folder web-site-name=…; the scheme, from the
// log group's name; the instance, from the log stream's.
func (c *Converter) setSite(service, scheme, instance, hosts int, kind string) {
	if _, after, ok := strings.Cut(c.o.src.Key, "/web-site-name="); ok {
		name, _, _ := strings.Cut(after, "/")
		c.setString(service, name)
	}
	switch {
	case bytes.Contains(c.env.group, []byte("ssl")):
		c.setString(scheme, "https")
	case bytes.Contains(c.env.group, []byte(kind)):
		c.setString(scheme, "http")
	}
	if id := instanceIn(c.env.stream); id != nil {
		c.setText(instance, id)
		c.addToList(hosts, id)
	}
}

// setURL fills the slots of a URL ([urlSlots]) from a request: its method, path
// and version, or the raw text of what is no request.
func (c *Converter) setURL(method, path, version, raw []byte, slots []int) {
	original, domain, port, slotPath, query, fragment, extension := slots[0], slots[1], slots[2], slots[3], slots[4], slots[5], slots[6]
	if len(raw) > 0 {
		c.setText(original, raw)
	}
	if len(method) == 0 || len(path) == 0 || len(version) == 0 {
		return
	}
	c.setText(original, path)
	for _, scheme := range [...]string{"http://", "https://"} {
		if rest, ok := bytes.CutPrefix(path, []byte(scheme)); ok {
			authority := rest
			path = nil
			if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
				authority, path = rest[:i], rest[i:]
			}
			c.setAuthority(authority, domain, port)
		}
	}
	if string(method) == "CONNECT" && bytes.IndexByte(path, ':') > 0 {
		c.setAuthority(path, domain, port)
		return
	}
	for range 2 { // attackers encode twice
		if bytes.IndexByte(path, '%') < 0 {
			break
		}
		plain := c.percentDecoded(path)
		if !utf8.Valid(plain) {
			break
		}
		path = plain
	}
	if before, after, ok := bytes.Cut(path, []byte("#")); ok && bytes.IndexByte(after, '#') < 0 && !bytes.ContainsAny(after, "&(){}@_;<> ") {
		c.setText(fragment, after)
		path = before
	}
	path, q, _ := bytes.Cut(path, []byte("?"))
	c.setText(slotPath, path)
	c.setText(query, q)
	name := path[bytes.LastIndexByte(path, '/')+1:]
	if dot := bytes.LastIndexByte(name, '.'); dot >= 0 && bytes.IndexByte(name, '\\') < 0 {
		c.setText(extension, name[dot+1:])
	}
}

// setAuthority splits host:port; an IPv6 host stands in brackets.
func (c *Converter) setAuthority(authority []byte, domain, port int) {
	host := authority
	if i := bytes.LastIndexByte(authority, ':'); i >= 0 && bytes.IndexByte(authority[i:], ']') < 0 {
		if _, ok := digits(authority[i+1:]); ok {
			host = authority[:i]
			c.setText(port, authority[i+1:])
		}
	}
	c.setText(domain, unbracket(host))
}

// stepApacheError: the referrer, which stands at the message's end (httpd's
// server/log.c), and the kind of event by the level.
func stepApacheError(c *Converter, from []*source, slots []int) {
	c.setSite(slots[0], slots[2], slots[4], slots[5], "error")
	message := c.readText(from[0])
	if i := bytes.LastIndex(message, []byte("referer: http")); i >= 0 {
		c.setText(slots[1], message[i+len("referer: "):])
	}
	switch string(c.readText(from[1])) {
	case "info":
		c.setOne(slots[3], "info")
	case "emerg", "alert", "crit", "error", "warn":
		c.setOne(slots[3], "error")
	}
}

// stepNginxError reads what NGINX appends to a message about a request
// (ngx_http_log_error): client, server, request, upstream, host, referrer.
func stepNginxError(c *Converter, from []*source, slots []int) {
	ip, address, related, slotMethod, slotVersion, referrer := slots[1], slots[2], slots[3], slots[4], slots[5], slots[6]
	c.setSite(slots[0], slots[9], slots[7], slots[8], "error")
	_, tail, ok := bytes.Cut(c.readText(from[0]), []byte(", client: "))
	if !ok {
		return
	}
	client, tail, _ := bytes.Cut(tail, []byte(", "))
	if a, ok := parseAddr(client); ok {
		c.setText(ip, client)
		c.slots[ip].ip = a
		c.addToList(related, client)
	}
	c.setText(address, client)
	if request := nginxField(tail, `request: "`); request != nil {
		var cols [accN][]byte
		splitRequestLine(request, &cols)
		c.setText(slotMethod, cols[accMethod])
		c.setText(slotVersion, cols[accVersion])
		c.setURL(cols[accMethod], cols[accPath], cols[accVersion], cols[accRequest], slots[10:])
	}
	if host := nginxField(tail, `host: "`); host != nil {
		c.setAuthority(host, slots[11], slots[12])
	}
	if r := nginxField(tail, `referrer: "`); r != nil {
		c.setText(referrer, r)
	}
}

// nginxField is the quoted text behind mark, which stands at the start or after
// a comma and a blank.
func nginxField(tail []byte, mark string) []byte {
	for from := 0; ; {
		i := bytes.Index(tail[from:], []byte(mark))
		if i < 0 {
			return nil
		}
		i += from
		if i == 0 || i >= 2 && tail[i-2] == ',' {
			text := tail[i+len(mark):]
			if end := bytes.Index(text, []byte(`", `)); end >= 0 {
				return text[:end]
			}
			return bytes.TrimSuffix(text, []byte(`"`))
		}
		from = i + 1
	}
}
