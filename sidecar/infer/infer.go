// Package infer proposes a log type from a sample of the log. A proposal is a
// beginning for a person to correct, not a verdict.
//
//	sample → shape (format, fields, values) → time, ECS fields → YAML
//
// # Promises
//
//   - The same sample gives the same proposals, the best first.
//   - A field is mapped by its name and its values together: what is called
//     src_ip but holds no addresses is not mapped to source.ip.
//   - No value of the sample stands in a proposal, only names of fields.
package infer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// valuesKept is how many values of a field are looked at.
const valuesKept = 200

// Proposal is a log type.
type Proposal struct {
	Format string // what the sample was taken for, for people
	YAML   string
}

// field is one field of the records.
type field struct {
	name   string
	values []string // not empty ones, the first valuesKept
}

// shape is what the records look like.
type shape struct {
	format string // for people
	yaml   string // the keys of the type that say so
	fields []field
	json   bool

	merge func(time string, columns ...string) string // how columns become one, where there are columns
}

// Propose returns what the sample may be, the best first; there is always one.
// name is the type's; text is the sample, uncompressed.
func Propose(name, text string) []Proposal {
	var list []Proposal
	for _, detect := range []func(string) *shape{detectWrapped, detectJSON, detectXML, detectCEF, detectLEEF, detectBars, detectAccess, detectSyslog, detectPairs, detectW3C, detectCSV, detectColumns, detectText} {
		if s := detect(text); s != nil {
			list = append(list, Proposal{s.format, s.write(name)})
		}
	}
	return list
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// Name makes a type's name of a file's.
func Name(file string) string {
	name, _, _ := strings.Cut(strings.ToLower(file), ".")
	name = strings.Trim(notInNames.ReplaceAllString(name, "-"), "-")
	if len(name) > 60 {
		name = strings.TrimRight(name[:60], "-")
	}
	if name == "" {
		return "sample"
	}
	return name
}

// collect keeps fields in the order in which they are met.
type collect struct {
	index  map[string]int
	fields []field
}

func (c *collect) add(name, value string) {
	i, ok := c.index[name]
	if !ok {
		if c.index == nil {
			c.index = map[string]int{}
		}
		i = len(c.fields)
		c.index[name] = i
		c.fields = append(c.fields, field{name: name})
	}
	if f := &c.fields[i]; value != "" && value != "-" && len(f.values) < valuesKept {
		f.values = append(f.values, value)
	}
}

// all says whether there are values and ok holds for nine of ten.
func (f *field) all(ok func(string) bool) bool {
	n := 0
	for _, v := range f.values {
		if ok(v) {
			n++
		}
	}
	return n > 0 && n*10 >= len(f.values)*9
}

// write makes the YAML.
func (s *shape) write(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\n", name)
	fmt.Fprintf(&b, "about: %s\n", scalar("Proposed from a sample ("+s.format+"); say here what it is"))
	fmt.Fprintf(&b, "# A regular expression that the keys of the objects match:\nkey: %s\n", scalar(`(^|/)`+regexp.QuoteMeta(name)))
	b.WriteString("provider: none\n")
	at := s.findTime()
	if at != nil && at.name == syslogTime { // both forms of it
		at.layout = "syslog"
	}
	yaml := s.yaml
	if at != nil && at.merge != nil {
		yaml += s.merge(at.name, slices.Clone(at.merge)...)
	}
	b.WriteString(yaml)
	if at != nil {
		fmt.Fprintf(&b, "time:\n  - {field: %s, layout: %s}\n", scalar(at.name), scalar(at.layout))
		if at.noZone {
			b.WriteString("  # The times have no zone and are taken for UTC; else write zone: \"+09:00\" beside the layout.\n")
		}
	} else {
		b.WriteString("# No field with a time was found: the time in the object's key counts, else when it was stored.\n")
	}
	fmt.Fprintf(&b, "index: {name: log-%s}\n", name)
	s.writeMapping(&b, at)
	return b.String()
}

func (s *shape) writeMapping(b *strings.Builder, at *timeField) {
	m := s.mapping(at)
	if m.id != "" {
		fmt.Fprintf(b, "id: {field: %s}\n", scalar(m.id))
	}
	if len(m.ecs) > 0 {
		b.WriteString("ecs:\n")
		for _, k := range sortedKeys(m.ecs) {
			from := m.ecs[k]
			for i := range from {
				from[i] = scalar(from[i])
			}
			if len(from) == 1 {
				fmt.Fprintf(b, "  %s: %s\n", k, from[0])
			} else {
				fmt.Fprintf(b, "  %s: [%s]\n", k, strings.Join(from, ", "))
			}
		}
	}
	b.WriteString("static:\n  event.kind: event\n")
	if m.category != "" {
		fmt.Fprintf(b, "  event.category: [%s]\n", m.category)
	}
	if len(m.geo) > 0 {
		fmt.Fprintf(b, "geo: [%s]\n", strings.Join(m.geo, ", "))
		ip := make([]string, len(m.geo))
		for i, g := range m.geo {
			ip[i] = g + ".ip"
		}
		fmt.Fprintf(b, "ioc: {ip: [%s]}\n", strings.Join(ip, ", "))
	}
	if len(m.ecs["user_agent.original"]) > 0 {
		b.WriteString("user_agent: user_agent\n")
	}
}

var plain = regexp.MustCompile(`^[A-Za-z_@/][A-Za-z0-9_@./-]*( [A-Za-z0-9_.()/-]+)*$`)

// scalar is a text as YAML.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "true", "false", "on", "off", "null", "~", "":
		return "'" + s + "'"
	}
	switch {
	case s[0] != '@' && plain.MatchString(s):
		return s
	case strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == utf8.RuneError
	}):
		return strconv.QuoteToASCII(strings.ToValidUTF8(s, "\ufffd"))
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
