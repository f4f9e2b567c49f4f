package infer

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
)

// nonBlank are the lines that say something, at most 2,000.
func nonBlank(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			if list = append(list, line); len(list) == 2000 {
				break
			}
		}
	}
	return list
}

// share is how many of ten lines fit.
func share(lines []string, ok func(string) bool) int {
	n := 0
	for _, l := range lines {
		if ok(l) {
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return n * 10 / len(lines)
}

func detectJSON(text string) *shape {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var c collect
	s := &shape{format: "JSON", yaml: "format: json\n", json: true}
	n := 0
	for ; n < 2000; n++ {
		var v any
		err := d.Decode(&v)
		if err == io.EOF || err != nil && n > 0 { // a sample may be cut
			break
		}
		if err != nil {
			return nil
		}
		if list, ok := v.([]any); ok {
			for _, item := range list {
				if _, ok := item.(map[string]any); !ok {
					return nil
				}
				flatten(&c, "", item)
			}
			continue
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		if key, list := records(object); key != "" {
			s.format, s.yaml = "JSON, list "+key, "format: json\nrecords: "+scalar(key)+"\n"
			for _, item := range list {
				flatten(&c, "", item)
			}
			continue
		}
		flatten(&c, "", object)
	}
	if n == 0 {
		return nil
	}
	s.fields = c.fields
	return s
}

// records finds the list of records in an object that holds little else.
func records(object map[string]any) (key string, list []any) {
	if len(object) > 3 {
		return "", nil
	}
	for k, v := range object {
		items, ok := v.([]any)
		if !ok || len(items) == 0 {
			continue
		}
		if _, ok := items[0].(map[string]any); !ok {
			continue
		}
		if key != "" {
			return "", nil
		}
		key, list = k, items
	}
	return key, list
}

func flatten(c *collect, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			if strings.Contains(k, ".") {
				continue // no path leads there
			}
			flatten(c, strings.TrimPrefix(path+"."+k, "."), v[k])
		}
	case []any:
		for _, item := range v {
			if _, ok := item.(map[string]any); !ok {
				flatten(c, path, item)
			}
		}
	case nil:
	default:
		c.add(path, fmt.Sprint(v))
	}
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

var accessLine = regexp.MustCompile(`^(?:\S+ )?\S+ \S+ \S.* \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "[^"]*" (?:\d{3}|-) (?:\d+|-)`)

// detectAccess finds the common and combined log formats, whose fields are known.
func detectAccess(text string) *shape {
	lines := nonBlank(text)
	if share(lines, accessLine.MatchString) < 9 {
		return nil
	}
	names := strings.Fields("remotehost ident authuser datetime request_method request_path response_status response_body_bytes referer useragent")
	samples := strings.Split("192.0.2.1|-|u|02/Jan/2006:15:04:05 -0700|GET|/|200|1|x|y", "|")
	var c collect
	for i, n := range names {
		c.add(n, samples[i])
	}
	return &shape{format: "access log", yaml: "format: access\n", fields: c.fields}
}

var csvSeparators = []rune{',', ';', '\t', '|'}

// detectCSV finds separated values, with a header or without.
func detectCSV(text string) *shape {
	lines := nonBlank(text)
	best, width := rune(0), 1
	var rows [][]string
	for _, sep := range csvSeparators {
		r := csv.NewReader(strings.NewReader(strings.Join(lines, "\n")))
		r.Comma, r.LazyQuotes, r.FieldsPerRecord = sep, true, -1
		all, err := r.ReadAll()
		if err != nil || len(all) < 2 || len(all[0]) <= width || len(all)*10 < len(lines)*9 {
			continue
		}
		same := 0
		for _, row := range all {
			if len(row) == len(all[0]) {
				same++
			}
		}
		if same*10 >= len(all)*9 {
			best, width, rows = sep, len(all[0]), all
		}
	}
	if best == 0 || width < 3 {
		return nil
	}
	names, header := headerNames(rows)
	yaml := fmt.Sprintf("format: columns\ncolumns:\n  separator: %s\n  quote: '\"'\n", scalar(string(best)))
	s := table("separated values", yaml, names, rows, header)
	if other := detectColumns(text); !header && other != nil && other.known() > s.known() {
		return nil
	}
	return s
}

// detectW3C finds the extended log format of the W3C, whose #Fields: names the
// columns.
func detectW3C(text string) *shape {
	var names []string
	var rows [][]string
	separator := "whitespace"
	for _, l := range nonBlank(text) {
		if fields, ok := strings.CutPrefix(l, "#Fields:"); ok {
			names = strings.Fields(strings.ReplaceAll(fields, "-", "_"))
		}
		if strings.HasPrefix(l, "#") {
			continue
		}
		row := strings.Fields(l)
		if tabs := strings.Split(l, "\t"); len(tabs) > 1 && len(tabs) == len(names) {
			row, separator = tabs, "\t"
		}
		rows = append(rows, row)
	}
	if len(names) < 2 || len(rows) == 0 || len(rows[len(rows)-1]) != len(names) {
		return nil
	}
	for i, n := range names { // cs(User-Agent)
		names[i] = strings.Trim(strings.NewReplacer("(", "_", ")", "").Replace(n), "_")
	}
	yaml := "format: columns\ncontrol_lines: ^#\ncolumns:\n  header: true\n  header_prefix: '#Fields:'\n  separator: " + scalar(separator) + "\n"
	s := table("columns, W3C extended", yaml, names, rows, false)
	s.yaml = strings.Replace(s.yaml, "  names: [", "  default: [", 1) // where no line names them
	return s
}

// detectColumns finds a constant number of words, of which some may be quoted or
// in brackets.
func detectColumns(text string) *shape {
	lines := nonBlank(text)
	var rows [][]string
	var quotes, brackets bool
	for _, l := range lines {
		row, q, b := splitWords(l)
		rows, quotes, brackets = append(rows, row), quotes || q, brackets || b
	}
	if len(rows) < 2 || len(rows[0]) < 4 {
		return nil
	}
	least, most := len(rows[0]), len(rows[0])
	for _, r := range rows {
		least, most = min(least, len(r)), max(most, len(r))
	}
	yaml := "format: columns\ncolumns:\n  separator: whitespace\n"
	if least < most { // columns that came later, or prose
		if least < 4 || least*5 < most*2 || !addressed(guessNames(rows)) {
			return nil
		}
		yaml += fmt.Sprintf("  required: %d\n", least)
	}
	if quotes {
		yaml += "  quote: '\"'\n"
	}
	if brackets {
		yaml += "  brackets: true\n"
	}
	names, header := headerNames(rows)
	return table("columns", yaml, names, rows, header)
}

// addressed says whether at least three columns are known, an address among them.
func addressed(names []string) bool {
	known, address := 0, false
	for _, n := range names {
		if !strings.HasPrefix(n, "column") {
			known++
		}
		address = address || n == "src_ip" || strings.HasPrefix(n, "endpoint")
	}
	return known >= 3 && address
}

// splitWords splits a line at blanks that are neither in quotes nor in brackets.
func splitWords(line string) (words []string, quotes, brackets bool) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimLeft(line, " \t") {
		end := byte(0)
		switch line[0] {
		case '"':
			end = '"'
		case '[':
			end = ']'
		}
		if end != 0 {
			if i := strings.IndexByte(line[1:], end); i >= 0 && (len(line) == i+2 || line[i+2] == ' ' || line[i+2] == '\t') {
				words = append(words, line[1:i+1])
				line = line[i+2:]
				quotes, brackets = quotes || end == '"', brackets || end == ']'
				continue
			}
		}
		word, rest, _ := strings.Cut(line, " ")
		if i := strings.IndexByte(word, '\t'); i >= 0 {
			word, rest = line[:i], line[i+1:]
		}
		words, line = append(words, word), rest
	}
	return words, quotes, brackets
}

// table makes the shape of rows of columns.
func table(format, yaml string, names []string, rows [][]string, header bool) *shape {
	if header {
		format += " with a header"
		yaml += "  header: true\n"
		rows = rows[1:]
	} else {
		quoted := make([]string, len(names))
		for i, n := range names {
			quoted[i] = scalar(n)
		}
		yaml += "  names: [" + strings.Join(quoted, ", ") + "]\n"
	}
	var c collect
	for _, n := range names {
		c.add(n, "")
	}
	for _, row := range rows {
		for i, v := range row {
			if i < len(names) {
				c.add(names[i], v)
			}
		}
	}
	s := &shape{format: format, yaml: yaml, fields: c.fields}
	s.takeApart()
	if !header {
		s.merge = func(time string, columns ...string) string {
			for i, name := range columns {
				columns[i] = scalar(name)
			}
			return fmt.Sprintf("  merge: [{columns: [%s], into: %s}]\n", strings.Join(columns, ", "), scalar(time))
		}
	}
	return s
}

// takeApart splits columns that hold several things: ip:port, a request line.
func (s *shape) takeApart() {
	var parts []string
	var c collect
	sides := []string{"src", "dst"}
	for i := range s.fields {
		f := &s.fields[i]
		switch {
		case f.all(isEndpoint):
			into := squash(f.name)
			if strings.HasPrefix(f.name, "endpoint") && len(sides) > 0 {
				into, sides = sides[0], sides[1:]
			}
			parts = append(parts, fmt.Sprintf("{column: %s, as: address, into: [%s_ip, %[2]s_port]}", scalar(f.name), into))
			for _, v := range f.values {
				ip, port, _ := net.SplitHostPort(v)
				c.add(into+"_ip", ip)
				c.add(into+"_port", port)
			}
			f.values = nil
		case f.all(isRequest):
			parts = append(parts, fmt.Sprintf("{column: %s, as: request, into: [http_method, http_protocol, http_host, http_port, http_path, http_query, http_version]}", scalar(f.name)))
			for _, v := range f.values {
				method, _, _ := strings.Cut(v, " ")
				c.add("http_method", method)
				c.add("http_path", "/")
				c.add("http_query", "q")
			}
			f.values = nil
		}
	}
	if len(parts) > 0 {
		s.yaml += "  parts:\n    - " + strings.Join(parts, "\n    - ") + "\n"
		s.fields = append(s.fields, c.fields...)
	}
}

// known counts the columns of which more is known than their number.
func (s *shape) known() (n int) {
	for i := range s.fields {
		if !strings.HasPrefix(s.fields[i].name, "column") {
			n++
		}
	}
	return n
}

var word = regexp.MustCompile(`^[A-Za-z_@][A-Za-z0-9_@ ().:/-]*$`)

// headerNames says whether the first row names the columns, and how they are
// called: as the header says, with _ for -, else by what they hold.
func headerNames(rows [][]string) (names []string, header bool) {
	first := rows[0]
	header = true
	seen := map[string]bool{}
	for _, v := range first {
		if !word.MatchString(v) || seen[v] || seemsTime(v) {
			header = false
		}
		seen[v] = true
	}
	if header && len(rows) > 1 { // a row of words like all the others is none
		different := false
		for i, v := range rows[len(rows)-1] {
			different = different || i < len(first) && !word.MatchString(v)
		}
		header = different
	}
	if header {
		for _, v := range first {
			names = append(names, strings.ReplaceAll(v, "-", "_"))
		}
		return names, true
	}
	return guessNames(rows), false
}

// stampForms are the times with which lines begin.
var stampForms = []string{
	`\d{4}[-/.]\d\d[-/.]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d| (?:UTC|GMT|[A-Z]{2,3}T)\b)?`,
	`[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4}`,
	`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d`,
	`\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}`,
	`\d{8} \d\d:\d\d:\d\d`,
	`\d{6} +\d{1,2}:\d\d:\d\d`,
	`\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d`,
	`\d\d[./]\d\d[./]\d{4} \d\d:\d\d:\d\d`,
}

// beginsWith returns the pattern for the beginning of lines with a time of that
// form, as it is and with fields.
func beginsWith(form string) (first, pattern *regexp.Regexp) {
	return regexp.MustCompile(`^(?:<\d+>)?\[?` + form),
		regexp.MustCompile(`^(?:<\d+>)?\[?(?P<timestamp>` + form + `)\]?(?:[ \t\[:|-]+(?P<level>(?i:trace|debug|info|notice|warn(?:ing)?|error|err|crit(?:ical)?|fatal|alert|emerg))\b[\]:]?)?[ \t:|,-]*(?P<message>(?s:.*))`)
}

// detectText takes what is left: a time, perhaps a level, a message.
func detectText(text string) *shape {
	lines := nonBlank(text)
	var stamp, pattern *regexp.Regexp
	most := 0
	for _, form := range stampForms {
		first, whole := beginsWith(form)
		n := 0
		for _, l := range lines {
			if first.MatchString(l) {
				n++
			}
		}
		if n > most {
			stamp, pattern, most = first, whole, n
		}
	}
	if most == 0 || !stamp.MatchString(lines[0]) && most*2 < len(lines) {
		yaml := "format: pattern\n# Named groups become fields; (?P<name>…) makes one.\npattern: '(?P<message>(?s:.*))'\n"
		return &shape{format: "text", yaml: yaml, fields: []field{{"message", []string{"text"}}}}
	}
	var c collect
	for _, n := range pattern.SubexpNames()[1:] {
		c.add(n, "")
	}
	first := 0
	for _, l := range lines {
		if m := pattern.FindStringSubmatch(l); m != nil {
			first++
			for i, n := range pattern.SubexpNames()[1:] {
				c.add(n, m[i+1])
			}
		}
	}
	yaml := "format: pattern\npattern: " + scalar(strings.TrimPrefix(pattern.String(), "^")) + "\n"
	if first < len(lines) {
		yaml += "first_line: " + scalar(stamp.String()) + "\n"
	}
	return &shape{format: "text with a time", yaml: yaml, fields: c.fields}
}
