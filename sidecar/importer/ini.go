package importer

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ini is a file as Python's configparser reads it, with case-sensitive keys:
// lines of key = value or key : value, continued on lines that are indented
// deeper, under [sections]; # and ; begin comments at the start of a line only.
type ini struct {
	defaults *section // [DEFAULT]
	sections []*section
	repeated []repetition
}

type section struct {
	name     string
	line     int
	comments []string // right above its head
	entries  []*entry
}

type entry struct {
	key, value string
	line       int
	comments   []string // above it
}

type repetition struct {
	section, key string
	line         int
}

func (f *ini) section(name string) *section {
	for _, s := range f.sections {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (s *section) entry(key string) *entry {
	if s == nil {
		return nil
	}
	for _, e := range s.entries {
		if e.key == key {
			return e
		}
	}
	return nil
}

func (s *section) get(key string) (string, bool) {
	if e := s.entry(key); e != nil {
		return e.value, true
	}
	return "", false
}

// refers reports whether a value refers to a section.
func (f *ini) refers(name string) bool {
	for _, s := range append([]*section{f.defaults}, f.sections...) {
		for _, e := range s.entries {
			if strings.Contains(e.value, "${"+name+":") {
				return true
			}
		}
	}
	return false
}

// mentions reports whether a value refers to a key, of whatever section.
func (f *ini) mentions(key string) bool {
	for _, s := range append([]*section{f.defaults}, f.sections...) {
		for _, e := range s.entries {
			if strings.Contains(e.value, "${"+key+"}") || strings.Contains(e.value, ":"+key+"}") {
				return true
			}
		}
	}
	return false
}

// maxLines is how many lines a file may have.
const maxLines = 100_000

// parseINI reads a file.
func parseINI(text string) (*ini, error) {
	f := &ini{defaults: &section{name: "DEFAULT"}}
	p := &iniParser{file: f, indent: -1}
	lines := strings.Split(strings.TrimPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "\ufeff"), "\n")
	if len(lines) > maxLines {
		return nil, fmt.Errorf("%d lines, which is no user.ini", len(lines))
	}
	for i, line := range lines {
		if err := p.line(i+1, line); err != nil {
			return nil, err
		}
	}
	p.endValue()
	return f, nil
}

type iniParser struct {
	file     *ini
	current  *section
	last     *entry   // whose value may go on
	value    []string // of last
	indent   int      // of last
	comments []string // not yet above anything
	apart    int      // how many of them a blank line divides from what follows
}

func (p *iniParser) line(n int, line string) error {
	trimmed := strings.TrimSpace(line)
	if trimmed != "" && (trimmed[0] == '#' || trimmed[0] == ';') {
		p.comments = append(p.comments, strings.TrimSpace(strings.TrimLeft(trimmed, "#;")))
		return nil
	}
	if trimmed == "" {
		p.apart = len(p.comments)
		if p.last != nil {
			p.value = append(p.value, "")
		} else {
			p.indent = -1
		}
		return nil
	}
	indent := len(line) - len(strings.TrimLeft(line, " \t\f\v"))
	if p.last != nil && indent > p.indent {
		p.value = append(p.value, trimmed)
		return nil
	}
	p.endValue()
	p.indent = indent
	if name, ok := strings.CutPrefix(trimmed, "["); ok {
		if i := strings.LastIndexByte(name, ']'); i > 0 {
			p.begin(n, name[:i])
			return nil
		}
	}
	if p.current == nil {
		return fmt.Errorf("line %d: %.80q stands before the first [section]; nothing was imported", n, trimmed)
	}
	i := strings.IndexAny(trimmed, "=:")
	if i <= 0 {
		return fmt.Errorf("line %d: %.80q is neither key = value nor [section] nor a comment; nothing was imported", n, trimmed)
	}
	e := &entry{key: strings.TrimSpace(trimmed[:i]), line: n, comments: p.comments}
	p.comments, p.apart = nil, 0
	if old := p.current.entry(e.key); old != nil {
		p.file.repeated = append(p.file.repeated, repetition{p.current.name, e.key, n})
		*old = *e
		e = old
	} else {
		p.current.entries = append(p.current.entries, e)
	}
	p.last, p.value = e, []string{strings.TrimSpace(trimmed[i+1:])}
	return nil
}

// begin begins a section, or goes on with one that was there before.
func (p *iniParser) begin(n int, name string) {
	s := p.file.section(name)
	switch {
	case name == p.file.defaults.name:
		s = p.file.defaults
	case s == nil:
		s = &section{name: name, line: n, comments: p.comments[p.apart:]}
		p.file.sections = append(p.file.sections, s)
	default:
		p.file.repeated = append(p.file.repeated, repetition{name, "", n})
	}
	if s.line == 0 {
		s.line = n
	}
	p.comments, p.apart, p.current = nil, 0, s
}

// endValue completes the value of the last key: lines joined, and none that are
// empty at its end.
func (p *iniParser) endValue() {
	if p.last != nil {
		p.last.value = strings.TrimRight(strings.Join(p.value, "\n"), "\n")
	}
	p.last, p.value = nil, nil
}

// config is files that build on one another; the last wins, key by key. Entries
// in without do not count.
type config struct {
	files   []*ini
	without map[*entry]bool
}

// raw finds a value as it is written, and the entry that says it: in the section,
// else in [DEFAULT].
func (c config) raw(section, key string) *entry {
	find := func(s func(*ini) *entry) *entry {
		for _, f := range slices.Backward(c.files) {
			if e := s(f); e != nil && !c.without[e] {
				return e
			}
		}
		return nil
	}
	if e := find(func(f *ini) *entry { return f.section(section).entry(key) }); e != nil {
		return e
	}
	return find(func(f *ini) *entry { return f.defaults.entry(key) })
}

// get finds a value and puts in what it refers to.
func (c config) get(section, key string) (string, *entry, error) {
	e := c.raw(section, key)
	if e == nil {
		return "", nil, nil
	}
	left := maxValue
	value, err := c.expand(e.value, section, 0, &left)
	return value, e, err
}

const (
	// maxDepth is how deep references may stand in one another, as in Python.
	maxDepth = 10
	// maxValue is how long a value may become, in bytes.
	maxValue = 1 << 20
)

var reference = regexp.MustCompile(`\$(?:\$|\{([^}]*)\}|)`)

// expand replaces ${key}, ${section:key} and $$. A dollar alone, which the
// original refuses, stays.
func (c config) expand(text, section string, depth int, left *int) (string, error) {
	if depth > maxDepth {
		return "", errors.New("its references stand in one another without end")
	}
	var failed error
	out := reference.ReplaceAllStringFunc(text, func(m string) string {
		if m == "$$" || m == "$" {
			return "$"
		}
		name := m[2 : len(m)-1]
		from, key, ok := strings.Cut(name, ":")
		if !ok {
			from, key = section, name
		}
		e := c.raw(from, key)
		if e == nil {
			failed = errors.Join(failed, fmt.Errorf("it refers to %s, which is nowhere", m))
			return ""
		}
		if *left -= len(e.value); *left < 0 {
			failed = errors.Join(failed, errors.New("it becomes too long with what it refers to"))
			return ""
		}
		value, err := c.expand(e.value, from, depth+1, left)
		if failed == nil {
			failed = err
		}
		return value
	})
	if failed != nil {
		return "", failed
	}
	return out, nil
}
