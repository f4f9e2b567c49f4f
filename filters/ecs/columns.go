package ecs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
)

// layout is a plan applied to one order of columns: where each source stands.
type layout struct {
	keys  []event.Key     // the columns' names; those of parts follow
	names map[string]bool // of columns that stand in the document's root
	skip  []bool          // the column is not rendered under its own name
	cols  []int           // source id → column, -1: this layout has none
	parts []part
	merge []merged
	n     int // columns of a line, without parts
}

// merged puts columns from … from+n-1 together in column into.
type merged struct{ from, n, into int }

// part splits column `from`; its fields go to columns into, into+1, ….
type part struct {
	from, into, n int
	split         splitter
	replaces      bool // where it can be split, the column itself is not kept
}

// layout makes the layout of columns with these names, which are merged and
// parted as d says.
func (p *plan) layout(names []string, d *logtype.Columns) *layout {
	l := &layout{n: len(names), names: map[string]bool{}}
	beside := p.root // the keys that stand beside the columns
	if p.t.Prefix != "" {
		if beside = p.root.child(p.t.Prefix); beside == nil {
			beside = &node{slot: -1}
		}
	}
	index := map[string]int{}
	add := func(name string) {
		own := !strings.HasSuffix(name, "_") // else it is there for the mapping only
		l.names[name] = own && p.t.Prefix == ""
		if _, ok := index[name]; !ok {
			index[name] = len(l.keys)
		}
		l.keys = append(l.keys, event.NewKey(name))
		// A column that bears the name of an ECS object, or of a field that a step
		// sets, gives way to it.
		l.skip = append(l.skip, name == "" || !own || beside.child(name) != nil || index[name] != len(l.keys)-1)
	}
	for _, name := range names {
		for _, r := range p.renames {
			if r.from == name {
				name = r.to
				break
			}
		}
		add(name)
	}
	for _, m := range d.Merge {
		from, ok := index[m.Columns[0]]
		if !ok || from+len(m.Columns) > len(names) || !slices.Equal(names[from:from+len(m.Columns)], m.Columns) {
			continue // this header has them otherwise
		}
		l.merge = append(l.merge, merged{from, len(m.Columns), len(l.keys)})
		for i := range m.Columns {
			l.skip[from+i] = true
		}
		add(m.Into)
	}
	split, _ := splitters(d.Parts) // compile checked them
	for i, q := range d.Parts {
		from, ok := index[q.Column]
		if !ok {
			continue
		}
		l.parts = append(l.parts, part{from, len(l.keys), len(q.Into), split[i].split, split[i].replaces})
		for _, name := range q.Into {
			add(name)
		}
	}
	for _, s := range p.sources {
		col, ok := index[s.name]
		if !ok {
			col = -1
		}
		l.cols = append(l.cols, col)
	}
	return l
}

// headerNames reads the column names of a header line as the original did:
// hyphens become underscores. Those behind a prefix stand between blanks, whatever
// separates the columns.
func headerNames(header []byte, c *logtype.Columns) []string {
	if c.HeaderPrefix != "" {
		names := strings.Fields(string(header))
		for i, name := range names { // cs(User-Agent)
			names[i] = strings.TrimRight(strings.NewReplacer("-", "_", "(", "_", ")", "_").Replace(name), "_")
		}
		return names
	}
	cells := splitColumns(nil, bytes.TrimSpace(header), c)
	names := make([]string, len(cells))
	for i, cell := range cells {
		names[i] = headerName(string(cell))
	}
	return names
}

// headerName is the field of a column that a header names.
func headerName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// splitColumns appends the columns of a line to dst; they alias line.
func splitColumns(dst [][]byte, line []byte, c *logtype.Columns) [][]byte {
	if c.Separator == "whitespace" {
		return splitWhitespace(dst, line)
	}
	var quote byte
	if c.Quote != "" {
		quote = c.Quote[0]
	}
	return splitSeparated(dst, line, c.Separator[0], quote, c.Brackets)
}

func splitWhitespace(dst [][]byte, line []byte) [][]byte {
	i := 0
	for i < len(line) {
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		start := i
		for i < len(line) && line[i] != ' ' && line[i] != '\t' {
			i++
		}
		if i > start {
			dst = append(dst, line[start:i])
		}
	}
	return dst
}

// splitSeparated cuts at each separator that is not inside quotes. A quote
// counts only at the start of a column; it ends at the next quote that a
// separator or the end of the line follows, so quotes inside survive. With
// brackets, a column that begins with [ ends with ].
func splitSeparated(dst [][]byte, line []byte, sep, quote byte, brackets bool) [][]byte {
	quotes := closer{by: quote}
	bracket := closer{by: ']'}
	for {
		end := -1
		switch {
		case len(line) == 0:
		case quote != 0 && line[0] == quote:
			end = quotes.find(line, sep)
		case brackets && line[0] == '[':
			end = bracket.find(line, sep)
		}
		next := 0
		if end > 0 {
			dst, next = append(dst, line[1:end]), end+2
			if end+1 >= len(line) {
				return dst
			}
		} else {
			i := bytes.IndexByte(line, sep)
			if i < 0 {
				return append(dst, line)
			}
			dst, next = append(dst, line[:i]), i+1
		}
		quotes.pass(line[:next])
		line = line[next:]
	}
}

// closer finds where enclosed columns of one line end. What it has learned of the
// rest of the line keeps the time linear, whatever the line is.
type closer struct {
	by    byte
	known bool // left is
	left  int  // quotes from the column's begin on
	first bool // no pairs are left behind any end: the first one counts
	none  bool // no separator follows any in the rest of the line
}

// find returns the end of the column that line begins with: the first closing
// character that a separator or the end of the line follows, and behind which the
// quotes come in pairs; if they never do, the first.
func (c *closer) find(line []byte, sep byte) int {
	if c.none {
		return -1
	}
	quoted := line[0] == c.by
	if quoted && !c.known {
		c.known, c.left = true, bytes.Count(line, line[:1])
	}
	first, seen := -1, 1
	for i := 1; i < len(line); i++ {
		j := bytes.IndexByte(line[i:], c.by)
		if j < 0 {
			break
		}
		i += j
		seen++
		if i+1 < len(line) && line[i+1] != sep {
			continue
		}
		if !quoted || c.first || (c.left-seen)%2 == 0 {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	c.first, c.none = first >= 0, first < 0
	return first
}

// pass moves the closer behind a part of the line.
func (c *closer) pass(part []byte) {
	if c.known {
		c.left -= bytes.Count(part, []byte{c.by})
	}
}

// undouble makes one quote of two in columns of CSV (RFC 4180, section 2).
func (c *Converter) undouble(quote byte) {
	pair := [2]byte{quote, quote}
	for i, col := range c.cols {
		if !bytes.Contains(col, pair[:]) {
			continue
		}
		start := len(c.scratch)
		for {
			j := bytes.Index(col, pair[:])
			if j < 0 {
				break
			}
			c.scratch = append(c.scratch, col[:j+1]...)
			col = col[j+2:]
		}
		c.scratch = append(c.scratch, col...)
		c.cols[i] = c.scratch[start:len(c.scratch):len(c.scratch)]
	}
}

// splitter writes the fields of text to into; false leaves them empty.
type splitter func(text []byte, into [][]byte) bool

type namedSplitter struct {
	split    splitter
	n        int
	replaces bool
}

var splitterTable = map[string]namedSplitter{
	"address": {splitAddress, 2, true},
	"words":   {splitWords, 3, true},
	"request": {splitRequest, 7, false},
}

func splitters(parts []logtype.Part) ([]namedSplitter, error) {
	var all []namedSplitter
	for _, q := range parts {
		s, ok := splitterTable[q.As]
		if !ok {
			return nil, fmt.Errorf("%q is no splitter; there are %s", q.As, strings.Join(sortedKeys(splitterTable), ", "))
		}
		if len(q.Into) != s.n {
			return nil, fmt.Errorf("%s gives %d fields, not %d", q.As, s.n, len(q.Into))
		}
		all = append(all, s)
	}
	return all, nil
}

// splitAddress splits ip:port at the last colon; "-" is neither. IPv6 addresses
// in brackets lose them.
func splitAddress(text []byte, into [][]byte) bool {
	if len(text) == 1 && text[0] == '-' {
		return true
	}
	i := bytes.LastIndexByte(text, ':')
	if i < 0 {
		i = bytes.LastIndexByte(text, '-') // "host-" of a load balancer without a target
	}
	if i < 0 {
		return false
	}
	into[0], into[1] = unbracket(text[:i]), text[i+1:]
	return true
}

// splitWords splits three words at the first and the last blank; "-" is none.
func splitWords(text []byte, into [][]byte) bool {
	i, j := bytes.IndexByte(text, ' '), bytes.LastIndexByte(text, ' ')
	if i < 0 || i == j {
		return len(text) == 1 && text[0] == '-'
	}
	into[0], into[1], into[2] = text[:i], text[i+1:j], text[j+1:]
	return true
}

func unbracket(b []byte) []byte {
	if n := len(b); n > 2 && b[0] == '[' && b[n-1] == ']' {
		return b[1 : n-1]
	}
	return b
}

// splitRequest splits a request line with an absolute URL:
// METHOD scheme://host:port/path?query PROTO/version. Each part may be "-",
// and what is missing stays empty.
func splitRequest(text []byte, into [][]byte) bool {
	method, rest, ok := bytes.Cut(text, []byte(" "))
	if !ok {
		return false
	}
	url, version := rest, []byte(nil)
	if i := bytes.LastIndexByte(rest, ' '); i >= 0 {
		url, version = rest[:i], rest[i+1:]
	}
	if len(method) != 1 || method[0] != '-' {
		into[0] = method
	}
	if i := bytes.IndexByte(version, '/'); i >= 0 {
		into[6] = version[i+1:]
	}
	i := bytes.Index(url, []byte("://"))
	if i < 0 {
		return true
	}
	into[1] = url[:i]
	url = url[i+3:]
	authority := url
	if j := bytes.IndexAny(url, "/?"); j >= 0 {
		authority, url = url[:j], url[j:]
	} else {
		url = nil
	}
	if len(authority) > 0 && authority[len(authority)-1] == '-' { // "host:80-": no path
		authority = authority[:len(authority)-1]
	}
	into[2] = unbracket(authority)
	if j := bytes.LastIndexByte(authority, ':'); j >= 0 && (authority[0] != '[' || authority[j-1] == ']') {
		into[2], into[3] = unbracket(authority[:j]), authority[j+1:]
	}
	path, query, _ := bytes.Cut(url, []byte("?"))
	into[4], into[5] = path, query
	return true
}
