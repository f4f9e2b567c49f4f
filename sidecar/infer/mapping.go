package infer

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mapped is the proposed mapping.
type mapped struct {
	ecs      map[string][]string
	id       string
	category string
	geo      []string
}

// rule says what a field with such a name and such values is in ECS. Names are
// compared without case and punctuation; the whole path first, then its last part.
type rule struct {
	ecs  string
	name *regexp.Regexp
	ok   func(string) bool // nil: any text
}

const (
	from = `(?:src|source|client|remote|c|origin|orig|caller|peer|local|attacker)`
	to   = `(?:dst|dest|destination|server|target|s|upstream|resp|victim)`
	who  = `(?:user|username|uname|login|loginname|account|accountname|principal|principalname|actor|suser|duser|usrname|useridentityusername|csusername|authuser)`
)

// rules in the order in which they are tried; a field has one meaning, and an ECS
// field takes the first two fields that mean it.
var rules = []rule{
	{"source.ip", re(from + `(?:ip|address|addr|ipaddress|host|ipv4|ipv6)?|ip|ipaddress|ipaddr|clientip|sourceipaddress|remotehost|remoteaddr|addr|address`), isIP},
	{"destination.ip", re(to + `(?:ip|address|addr|ipaddress|host|ipv4|ipv6)?`), isIP},
	{"host.ip", re(`host(?:ip|address)?|device(?:ip|address)|dvc|node(?:ip)?`), isIP},
	{"source.port", re(from + `(?:port|p)|spt|sport`), isPort},
	{"destination.port", re(to + `(?:port|p)|dpt|dport|port`), isPort},
	{"source.mac", re(from + `mac(?:address)?|smac|mac`), isMAC},
	{"destination.mac", re(to + `mac(?:address)?|dmac`), isMAC},
	{"source.domain", re(from + `(?:host|hostname|domain|fqdn)|shost`), isHost},
	{"destination.domain", re(to + `(?:host|hostname|domain|fqdn)|dhost|domain|sni|servername`), isHost},
	{"user.email", re(who + `|email|mail|useremail|emailaddress`), isMail},
	{"user.id", re(`userid|uid|accountuserid|useridentityprincipalid|principalid`), nil},
	{"user.name", re(who), nil},
	{"user.domain", re(`userdomain|sntdom|ntdomain`), nil},
	{"http.request.method", re(`.*method|verb|httpverb`), isMethod},
	{"http.response.status_code", re(`(?:http|response|sc|elb|request)?(?:status|statuscode|code|responsecode|responsestatus)`), isStatus},
	{"url.original", re(`(?:request)?(?:url|uri)|requesturl|link|request`), isURL},
	{"url.path", re(`(?:request)?(?:url|uri|path)|requestpath|httppath|csuristem|uripath|urlpath|request`), isPath},
	{"url.query", re(`(?:request|http)?query(?:string)?|csuriquery|urlquery`), nil},
	{"user_agent.original", re(`.*useragent|agent|ua|requestclientapplication`), nil},
	{"http.request.referrer", re(`.*referr?er`), nil},
	{"http.response.body.bytes", re(`responsebodybytes|bodybytes(?:sent)?`), isNumber},
	{"source.bytes", re(`bytes(?:sent|out)|sent(?:bytes?)?|srcbytes|sourcebytes|out|sbytes`), isNumber},
	{"destination.bytes", re(`bytes(?:received|in|recv)|(?:received|recv|rcvd)(?:bytes?)?|rcvdbyte|dstbytes|in`), isNumber},
	{"network.bytes", re(`bytes|totalbytes|size`), isNumber},
	{"network.packets", re(`packets|totalpackets`), isNumber},
	{"network.iana_number", re(`proto(?:col)?|ipproto(?:col)?`), isProtocolNumber},
	{"network.transport", re(`proto(?:col)?|transport|ipproto(?:col)?`), oneOf("tcp", "udp", "icmp", "icmp6", "sctp")},
	{"network.direction", re(`direction|flowdirection`), oneOf("inbound", "outbound", "ingress", "egress", "internal", "external", "unknown")},
	{"event.outcome", re(`outcome|result|status`), oneOf("success", "failure", "unknown")},
	{"event.action", re(`action|act|event|eventaction|eventname|eventtype|operation|op|command|activity`), isShort},
	{"event.reason", re(`reason|errormessage|cause`), nil},
	{"event.severity", re(`severity|sev|priority`), isNumber},
	{"log.level", re(`level|loglevel|severity|sev`), isShort},
	{"event.id", re(`eventid|id|uuid|guid|messageid|requestid`), isUUID},
	{"event.code", re(`eventid|eventcode|signatureid|code|deviceeventclassid`), isShort},
	{"observer.vendor", re(`vendor|devicevendor`), nil},
	{"observer.product", re(`product|deviceproduct`), nil},
	{"observer.version", re(`deviceversion|productversion`), nil},
	{"rule.name", re(`rule|rulename|policy|policyname|signature|cefname`), nil},
	{"rule.id", re(`ruleid|policyid`), nil},
	{"host.name", re(`host|hostname|computer|computername|device|devicename|dvchost|node|machine`), isHost},
	{"process.name", re(`process|processname|proc|program|programname|app|appname|sproc`), isShort},
	{"process.pid", re(`pid|processid|spid`), isNumber},
	{"process.command_line", re(`commandline|cmdline`), nil},
	{"file.hash.sha256", re(`.*sha256|.*hash|filehash`), regexp.MustCompile(`^[0-9a-fA-F]{64}$`).MatchString},
	{"file.hash.md5", re(`.*md5|.*hash`), regexp.MustCompile(`^[0-9a-fA-F]{32}$`).MatchString},
	{"file.path", re(`filepath`), nil},
	{"file.name", re(`file|filename|fname`), nil},
	{"dns.question.name", re(`queryname|qname|question|dnsquery`), isHost},
	{"cloud.region", re(`region|awsregion|cloudregion`), isShort},
	{"cloud.account.id", re(`accountid|awsaccountid|account|recipientaccountid`), regexp.MustCompile(`^\d{12}$`).MatchString},
	{"error.message", re(`error|err|exception`), nil},
	{"message", re(`message|msg|description|text`), nil},
}

// head begins the names of what stands in the head of a line.
var head = regexp.MustCompile(`^(?:syslog|cef|leef)_`)

func re(s string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + s + `)$`) }

// mapping proposes what the fields are in ECS.
func (s *shape) mapping(at *timeField) mapped {
	m := mapped{ecs: map[string][]string{}}
	for i := range s.fields {
		f := &s.fields[i]
		if f.name == "syslog_priority" || len(f.values) == 0 || at != nil && (f.name == at.name || slices.Contains(at.merge, f.name)) || !s.json && strings.Contains(f.name, ".") {
			continue
		}
		for _, name := range []string{squash(f.name), squash(f.name[strings.LastIndexByte(f.name, '.')+1:]), squash(head.ReplaceAllString(f.name, ""))} {
			if r := match(name, f); r != nil {
				if l := m.ecs[r.ecs]; len(l) < 2 {
					m.ecs[r.ecs] = append(l, f.name)
				}
				break
			}
		}
	}
	s.finish(&m)
	return m
}

func match(name string, f *field) *rule {
	for i := range rules {
		if r := &rules[i]; r.name.MatchString(name) && (r.ok == nil || f.all(r.ok)) {
			return r
		}
	}
	return nil
}

// finish adds what follows from the other fields.
func (s *shape) finish(m *mapped) {
	if len(m.ecs["source.ip"]) == 0 { // one address that is called otherwise is probably the source
		for i := range s.fields {
			if f := &s.fields[i]; f.all(isIP) && !m.uses(f.name) {
				m.ecs["source.ip"] = []string{f.name}
				break
			}
		}
	}
	var addresses []string
	for _, side := range []string{"source", "destination"} {
		if from := m.ecs[side+".ip"]; len(from) > 0 {
			m.ecs[side+".address"] = slices.Clone(from)
			m.geo = append(m.geo, side)
			addresses = append(addresses, from...)
		}
	}
	if len(addresses) > 0 {
		m.ecs["related.ip"] = addresses
	}
	if users := m.ecs["user.name"]; len(users) > 0 {
		m.ecs["related.user"] = slices.Clone(users)
	}
	if ids := m.ecs["event.id"]; len(ids) > 0 {
		for i := range s.fields {
			if f := &s.fields[i]; f.name == ids[0] && unique(f.values) {
				m.id = f.name
			}
		}
	}
	has := func(field string) bool { return len(m.ecs[field]) > 0 }
	switch {
	case has("http.request.method") || has("http.response.status_code") && (has("url.path") || has("url.original")):
		m.category = "web"
	case has("source.ip") && has("destination.ip"):
		m.category = "network"
	case has("process.name") && has("process.pid"):
		m.category = "process"
	}
}

func (m *mapped) uses(name string) bool {
	for _, from := range m.ecs {
		if slices.Contains(from, name) {
			return true
		}
	}
	return false
}

func unique(values []string) bool {
	seen := map[string]bool{}
	for _, v := range values {
		if seen[v] {
			return false
		}
		seen[v] = true
	}
	return len(values) > 0
}

func isIP(s string) bool { _, err := netip.ParseAddr(s); return err == nil }

func isNumber(s string) bool { _, err := strconv.ParseUint(s, 10, 63); return err == nil }

func isPort(s string) bool { n, err := strconv.Atoi(s); return err == nil && n >= 0 && n <= 65535 }

func isProtocolNumber(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n <= 255
}

func isStatus(s string) bool { n, err := strconv.Atoi(s); return err == nil && n >= 100 && n <= 599 }

var (
	macForm  = regexp.MustCompile(`^[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}$`)
	hostForm = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$`)
	mailForm = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	uuidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$|^[0-9A-Za-z_-]{16,64}$`)
)

func isMAC(s string) bool  { return macForm.MatchString(s) }
func isHost(s string) bool { return hostForm.MatchString(s) && !isIP(s) && !isNumber(s) }
func isMail(s string) bool { return mailForm.MatchString(s) }
func isUUID(s string) bool { return uuidForm.MatchString(s) }
func isURL(s string) bool  { return strings.Contains(s, "://") }
func isPath(s string) bool { return strings.HasPrefix(s, "/") }

func isShort(s string) bool { return len(s) <= 64 && !strings.Contains(s, "\n") }

var isMethod = oneOf("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch", "propfind")
