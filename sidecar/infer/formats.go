package infer

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var element = regexp.MustCompile(`<([A-Za-z_][\w.:-]*)[\s>/]`)

// detectXML takes the outermost element that comes again for the record.
func detectXML(text string) *shape {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "<") || len(text) < 2 || text[1] >= '0' && text[1] <= '9' {
		return nil
	}
	var names []string
	counts := map[string]int{}
	for _, m := range element.FindAllStringSubmatch(text, 5000) {
		if counts[m[1]]++; counts[m[1]] == 1 {
			names = append(names, m[1])
		}
	}
	if len(names) == 0 {
		return nil
	}
	record := names[0]
	if counts[record] == 1 && len(names) > 1 {
		for _, n := range names[1:] {
			if counts[n] > 1 {
				record = n
				break
			}
		}
	}
	return &shape{format: "XML", yaml: "format: xml\nelement: " + record + "\n"}
}

var (
	cefHead  = regexp.MustCompile(`(?:^|\s)CEF: ?\d+(?:\.\d+)?\|`)
	leefHead = regexp.MustCompile(`(?:^|\s)LEEF: ?\d+(?:\.\d+)?\|`)
	pair     = regexp.MustCompile(`(?:^|[\s,;|])([A-Za-z_][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s,;|]*)`)
)

func detectCEF(text string) *shape {
	lines := nonBlank(text)
	if len(lines) == 0 || share(lines, cefHead.MatchString) < 9 {
		return nil
	}
	return &shape{format: "CEF", yaml: "format: cef\n", fields: pairs(lines, func(l string) string {
		parts := strings.SplitN(l, "|", 8)
		return parts[len(parts)-1]
	})}
}

func detectLEEF(text string) *shape {
	lines := nonBlank(text)
	if len(lines) == 0 || share(lines, leefHead.MatchString) < 9 {
		return nil
	}
	return &shape{format: "LEEF", yaml: "format: leef\n", fields: pairs(lines, func(l string) string {
		parts := strings.Split(l, "|")
		return parts[len(parts)-1]
	})}
}

// detectBars takes CEF and LEEF for columns, for what their parsers refuse: the
// extension stays one field.
func detectBars(text string) *shape {
	lines := nonBlank(text)
	var names []string
	switch {
	case len(lines) == 0:
	case share(lines, cefHead.MatchString) >= 9:
		names = []string{"cef_", "vendor", "product", "version", "signature_id", "signature", "severity", "extension"}
	case share(lines, leefHead.MatchString) >= 9:
		names = []string{"leef_", "vendor", "product", "version", "event_code", "extension"}
	}
	if names == nil {
		return nil
	}
	yaml := fmt.Sprintf("format: columns\ncolumns:\n  separator: '|'\n  required: %d\n  names: [%s]\n", len(names)-1, strings.Join(names, ", "))
	var c collect
	for _, l := range lines {
		for i, v := range strings.SplitN(l, "|", len(names)) {
			if i > 0 {
				c.add(names[i], v)
			}
		}
	}
	return &shape{format: "columns between bars", yaml: yaml, fields: c.fields}
}

// pairs are the fields of lines of key=value.
func pairs(lines []string, of func(string) string) []field {
	var c collect
	for _, l := range lines {
		for _, m := range pair.FindAllStringSubmatch(of(l), -1) {
			if !strings.Contains(m[1], ".") {
				c.add(m[1], unquote(m[2]))
			}
		}
	}
	return c.fields
}

func unquote(v string) string {
	if s, err := strconv.Unquote(v); err == nil {
		return s
	}
	return strings.Trim(v, `"`)
}

// detectPairs finds lines that are mostly key=value.
func detectPairs(text string) *shape {
	lines := nonBlank(text)
	if len(lines) == 0 || share(lines, func(l string) bool {
		n := 0
		for _, m := range pair.FindAllString(l, -1) {
			n += len(m)
		}
		return len(pair.FindAllString(l, 3)) == 3 && n*10 >= len(l)*7
	}) < 9 {
		return nil
	}
	yaml := "format: kv\n"
	if share(lines, func(l string) bool {
		return strings.Count(l, ",") >= strings.Count(l, "=")-1 && strings.Contains(l, ",")
	}) >= 9 {
		yaml += "kv: {separator: ','}\n"
	}
	return &shape{format: "key=value", yaml: yaml, fields: pairs(lines, func(l string) string { return l })}
}

// syslogLine is RFC 3164, with or without a priority, as files of /var/log have it.
var syslogLine = regexp.MustCompile(`^(?:<(?P<priority>\d{1,3})>)?(?P<timestamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) (?P<hostname>[^ ]+) (?P<program>[A-Za-z_/(][^\s:\[]*)(?:\[(?P<pid>\d+)\])?: ?(?P<message>(?s:.*))`)

// syslogNewer is RFC 5424.
var syslogNewer = regexp.MustCompile(`^<(?P<priority>\d{1,3})>1 (?P<timestamp>[^ ]+) (?P<hostname>[^ ]+) (?P<program>[^ ]+) (?P<pid>[^ ]+) (?P<msgid>[^ ]+) (?P<structured_data>-|\[.*?\])(?: (?P<message>(?s:.*)))?$`)

func detectSyslog(text string) *shape {
	lines := nonBlank(text)
	for _, form := range []struct {
		name string
		re   *regexp.Regexp
	}{{"syslog, RFC 5424", syslogNewer}, {"syslog, RFC 3164", syslogLine}} {
		re := form.re
		if len(lines) == 0 || share(lines, re.MatchString) < 9 {
			continue
		}
		var c collect
		for _, n := range re.SubexpNames()[1:] {
			c.add(n, "")
		}
		for _, l := range lines {
			if m := re.FindStringSubmatch(l); m != nil {
				for i, n := range re.SubexpNames()[1:] {
					c.add(n, m[i+1])
				}
			}
		}
		return &shape{format: form.name, yaml: "format: pattern\npattern: " + scalar(strings.TrimPrefix(re.String(), "^")) + "\n", fields: c.fields}
	}
	return nil
}

// guessNames names columns by what they hold: time, ip, method, status, …
func guessNames(rows [][]string) []string {
	width := len(rows[len(rows)-1])
	names := make([]string, width)
	used := map[string]int{}
	for i := range names {
		f := field{}
		for _, r := range rows {
			if i < len(r) && r[i] != "-" && r[i] != "" && len(f.values) < valuesKept {
				f.values = append(f.values, r[i])
			}
		}
		n := "column"
		for _, g := range guesses {
			if f.all(g.ok) {
				n = g.name
				break
			}
		}
		if n == "ip" {
			n = []string{"src_ip", "dst_ip", "ip"}[min(used["ip"], 2)]
			used["ip"]++
		}
		if used[n]++; used[n] > 1 || n == "column" {
			n += strconv.Itoa(i + 1)
		}
		names[i] = n
	}
	return names
}

var guesses = []struct {
	name string
	ok   func(string) bool
}{
	{"date", regexp.MustCompile(`^\d{4}-\d\d-\d\d$`).MatchString},
	{"time_of_day", regexp.MustCompile(`^\d\d:\d\d:\d\d(\.\d+)?$`).MatchString},
	{"timestamp", seemsTime},
	{"ip", isIP},
	{"endpoint", isEndpoint},
	{"request", isRequest},
	{"method", isMethod},
	{"url", func(s string) bool { return strings.HasPrefix(s, "/") || strings.Contains(s, "://") }},
	{"action", oneOf("accept", "reject", "allow", "allowed", "deny", "denied", "drop", "dropped", "block", "blocked", "permit", "permitted", "pass")},
	{"outcome", oneOf("success", "failure")},
	{"protocol", oneOf("tcp", "udp", "icmp", "http/1.0", "http/1.1", "http/2.0")},
	{"level", oneOf("trace", "debug", "info", "notice", "warn", "warning", "error", "err", "critical", "fatal")},
}

// isEndpoint: ip:port, as load balancers write it.
func isEndpoint(s string) bool {
	ip, port, err := net.SplitHostPort(s)
	return err == nil && isIP(ip) && isPort(port)
}

var isRequest = regexp.MustCompile(`^[A-Z]{3,10} \S+ HTTP/\d(?:\.\d)?$`).MatchString

func oneOf(words ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(words, strings.ToLower(s)) }
}
