package infer

import (
	"encoding/xml"
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
	if record == "Event" && strings.Contains(text, windowsEvents) {
		return &shape{format: "Windows events", yaml: "extends: windows-event\n", json: true, fields: xmlFields(text, record, "")}
	}
	return &shape{format: "XML", yaml: "format: xml\nelement: " + record + "\n", json: true, fields: xmlFields(text, record, "@")}
}

// windowsEvents is the namespace of Windows event logs.
const windowsEvents = "http://schemas.microsoft.com/win/2004/08/events/event"

// xmlFields are the paths of the texts in the elements that are records, as the
// conversion makes them. attribute stands before the names of attributes.
func xmlFields(text, record, attribute string) []field {
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = false
	var c collect
	var path []string
	for range 100_000 {
		token, err := d.RawToken()
		if err != nil { // a sample may be cut
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(path) == 0 && t.Name.Local != record {
				continue
			}
			path = append(path, t.Name.Local)
			for _, a := range t.Attr {
				c.add(strings.Join(path, ".")+"."+attribute+a.Name.Local, a.Value)
			}
		case xml.EndElement:
			path = path[:max(len(path)-1, 0)]
		case xml.CharData:
			if value := strings.TrimSpace(string(t)); value != "" && len(path) > 0 {
				c.add(strings.Join(path, "."), value)
			}
		}
	}
	return slices.DeleteFunc(c.fields, func(f field) bool { return strings.HasPrefix(f.name, "Event.EventData.Data") })
}

var (
	cefHead  = regexp.MustCompile(`(?:^|\s)CEF: ?\d+(?:\.\d+)?\|`)
	leefHead = regexp.MustCompile(`(?:^|\s)LEEF: ?\d+(?:\.\d+)?\|`)
)

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
