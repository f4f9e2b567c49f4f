package infer

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/lines"
)

// syslogTime is the time in the head of a syslog message.
const syslogTime = "syslog_timestamp"

// readLines reads lines with one of the readers of package lines, as the
// conversion does.
func readLines(list []string, read func(*lines.Row, []byte) error) []field {
	var c collect
	var r lines.Row
	for _, l := range list {
		r.Reset()
		if read(&r, []byte(l)) != nil {
			continue
		}
		for _, f := range r.Fields {
			c.add(string(f.Name), string(f.Value))
		}
	}
	return c.fields
}

// detectCEF finds CEF, alone or as the message of syslog.
func detectCEF(text string) *shape {
	return detectMarked(text, "CEF", cefHead, (*lines.Row).CEF)
}

// detectLEEF finds LEEF, alone or as the message of syslog.
func detectLEEF(text string) *shape {
	return detectMarked(text, "LEEF", leefHead, func(r *lines.Row, l []byte) error { return r.LEEF(l, "") })
}

func detectMarked(text, name string, head *regexp.Regexp, read func(*lines.Row, []byte) error) *shape {
	list := nonBlank(text)
	if len(list) == 0 || share(list, head.MatchString) < 9 {
		return nil
	}
	key := strings.ToLower(name)
	s := &shape{format: name, yaml: "format: " + key + "\n"}
	if share(list, hasSyslogTime) >= 9 {
		s.format, s.yaml = name+" in syslog", "format: syslog\nsyslog: {message: "+key+"}\n"
		s.fields = readLines(list, func(r *lines.Row, l []byte) error { _, err := r.Syslog(l); return err })
	}
	s.fields = append(s.fields, readLines(list, read)...)
	return s
}

var pair = regexp.MustCompile(`(?:^|[\s,;|])([A-Za-z_][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s,;|]*)`)

// detectPairs finds lines that are mostly key=value.
func detectPairs(text string) *shape {
	list := nonBlank(text)
	if len(list) == 0 || share(list, func(l string) bool {
		n := 0
		for _, m := range pair.FindAllString(l, -1) {
			n += len(m)
		}
		return len(pair.FindAllString(l, 3)) == 3 && n*10 >= len(l)*7
	}) < 9 {
		return nil
	}
	s := &shape{format: "key=value", yaml: "format: kv\n"}
	var how lines.Pairs
	if share(list, func(l string) bool {
		return strings.Count(l, ",") >= strings.Count(l, "=")-1 && strings.Contains(l, ",")
	}) >= 9 {
		how.Separator = ","
		s.yaml += "kv: {separator: ','}\n"
	}
	s.fields = readLines(list, func(r *lines.Row, l []byte) error { return r.Pairs(l, how) })
	return s
}

func hasSyslogTime(l string) bool {
	var r lines.Row
	_, err := r.Syslog([]byte(l))
	return err == nil && slices.ContainsFunc(r.Fields, func(f lines.Field) bool { return string(f.Name) == syslogTime })
}

// detectSyslog finds syslog of either form, and what its messages are.
func detectSyslog(text string) *shape {
	list := nonBlank(text)
	if len(list) == 0 || share(list, hasSyslogTime) < 9 {
		return nil
	}
	var messages strings.Builder
	programs := 0
	fields := readLines(list, func(r *lines.Row, l []byte) error {
		m, err := r.Syslog(l)
		messages.Write(m)
		messages.WriteByte('\n')
		if slices.ContainsFunc(r.Fields, func(f lines.Field) bool {
			return string(f.Name) == "syslog_program" || string(f.Name) == "syslog_priority"
		}) {
			programs++
		}
		return err
	})
	if programs*10 < len(list)*9 { // any line with a time at its start looks so
		return nil
	}
	s := &shape{format: "syslog", yaml: "format: syslog\n", fields: fields}
	switch inner := detectPairs(messages.String()); {
	case share(nonBlank(messages.String()), isObject) >= 9:
		inner = detectJSON(messages.String())
		s.format, s.yaml, s.json = "JSON in syslog", s.yaml+"syslog: {message: json}\n", true
		s.fields = append(s.fields, inner.fields...)
	case inner != nil:
		s.format, s.yaml = "key=value in syslog", s.yaml+"syslog: {message: kv}\n"+strings.TrimPrefix(inner.yaml, "format: kv\n")
		s.fields = append(s.fields, inner.fields...)
	default:
		var c collect
		for _, m := range nonBlank(messages.String()) {
			c.add("message", m)
		}
		s.fields = append(s.fields, c.fields...)
	}
	return s
}

func isObject(l string) bool {
	var object map[string]any
	return json.Unmarshal([]byte(l), &object) == nil
}

// detectWrapped finds lines that an agent wrote as JSON objects with the line in
// one of the fields.
func detectWrapped(text string) *shape {
	list := nonBlank(text)
	inside := map[string]*strings.Builder{}
	n := map[string]int{}
	for _, l := range list {
		var object map[string]any
		if json.Unmarshal([]byte(l), &object) != nil {
			return nil
		}
		for k, v := range object {
			if line, ok := v.(string); ok && len(line) > 16 && !strings.Contains(k, ".") {
				if inside[k] == nil {
					inside[k] = new(strings.Builder)
				}
				inside[k].WriteString(strings.ReplaceAll(line, "\n", " ") + "\n")
				n[k]++
			}
		}
	}
	for _, k := range sortedKeys(inside) {
		if n[k]*10 < len(list)*9 {
			continue
		}
		for _, detect := range []func(string) *shape{detectCEF, detectLEEF, detectSyslog, detectPairs} {
			if s := detect(inside[k].String()); s != nil {
				s.format += " in JSON"
				s.yaml += "wrapped: " + scalar(k) + "\n"
				outer := detectJSON(text)
				s.fields = append(s.fields, slices.DeleteFunc(outer.fields, func(f field) bool { return f.name == k || strings.Contains(f.name, ".") })...)
				return s
			}
		}
	}
	return nil
}
