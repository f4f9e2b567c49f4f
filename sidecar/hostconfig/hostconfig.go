// Package hostconfig reads Fluent Bit's configuration files, so that one file
// runs inside Fluent Bit and with `fluent-siem pipeline`.
//
// It knows the YAML format (service, env, plugins, includes, pipeline with
// inputs, filters and outputs) and the classic one ([SERVICE], [INPUT],
// [FILTER], [OUTPUT], @INCLUDE, @SET), and reads them as Fluent Bit does: keys
// without regard to case, values as text, ${VARIABLE} replaced from the env
// section or else from the environment, and of a key written twice only the
// first value.
//
// # Promises
//
//   - Every problem of a file is reported at once, with file, line, column, and
//     the line itself.
//   - What Fluent Bit reads silently but cannot have been meant (a list where
//     only the first item is reachable, a variable that is not set) is a warning.
//
// What the sections mean is not its business: it does not know any plugin.
package hostconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Position is a place in a file. Lines and columns start at 1; a Line of 0
// means the file as a whole.
type Position struct {
	File         string
	Line, Column int
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Property is one line of a section.
type Property struct {
	Key   string // in lower case
	Value string // variables are replaced
	At    Position
}

// Section is the service section or one plugin's.
type Section struct {
	Kind       string // "service", "input", "filter", "output"
	Properties []Property
	At         Position
}

// File is a whole configuration, includes included.
type File struct {
	Service  Section
	Plugins  []Property // libraries to load; Value is the path
	Inputs   []Section
	Filters  []Section
	Outputs  []Section
	Warnings []Problem

	sources map[string][]string // file → lines, for excerpts
}

// Lookup returns the first property of that key, in any case.
func (s Section) Lookup(key string) (Property, bool) {
	key = strings.ToLower(key)
	for _, p := range s.Properties {
		if p.Key == key {
			return p, true
		}
	}
	return Property{}, false
}

// Get returns the value of [Section.Lookup], "" when there is none.
func (s Section) Get(key string) string {
	p, _ := s.Lookup(key)
	return p.Value
}

// Name is what the section's `name` says, in lower case.
func (s Section) Name() string { return strings.ToLower(s.Get("name")) }

// Problem is something wrong in a file, or worth a warning.
type Problem struct {
	At   Position
	Text string
}

// Error is everything that is wrong in a configuration, in order.
type Error struct {
	Problems []Problem
	file     *File
}

// Errorf makes an error of one problem; Problems of several may be joined with
// [File.Fail].
func (f *File) Errorf(at Position, format string, args ...any) error {
	return f.Fail([]Problem{{at, fmt.Sprintf(format, args...)}})
}

// Fail returns an [*Error] of the problems, or nil if there are none.
func (f *File) Fail(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &Error{problems, f}
}

// Error has for each problem its position, what is wrong, and an excerpt.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.file.Format(p))
	}
	return b.String()
}

// Format is a problem with its position and the line it is about.
func (f *File) Format(p Problem) string {
	text := p.At.String() + ": " + p.Text
	lines := f.sources[p.At.File]
	if n := p.At.Line; n > 0 && n <= len(lines) {
		number := fmt.Sprintf("%5d", n)
		column := max(p.At.Column, 1)
		text += fmt.Sprintf("\n%s | %s\n%s | %s^", number, lines[n-1], strings.Repeat(" ", len(number)), indent(lines[n-1], column-1))
	}
	return text
}

// indent is white space as wide as the first n characters of line, tabs kept.
func indent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// reader gathers a File from one or several texts.
type reader struct {
	file     *File
	env      map[string]string // the env section, @SET
	getenv   func(string) (string, bool)
	problems []Problem
	open     []string // files being read, to notice an include of itself
}

// Read reads the configuration at path; "-" is standard input. lookup finds
// variables of the environment: [os.LookupEnv]. The format is told from the
// name (.yaml and .yml are YAML), else from the content.
func Read(path string, lookup func(string) (string, bool)) (*File, error) {
	r := &reader{
		file:   &File{Service: Section{Kind: "service", At: Position{File: path}}, sources: map[string][]string{}},
		env:    map[string]string{},
		getenv: lookup,
	}
	r.read(path, Position{File: path})
	return r.file, r.file.Fail(r.problems)
}

// read adds the content of one file. at is the place that asked for it.
func (r *reader) read(path string, at Position) {
	for _, other := range r.open {
		if other == path {
			r.failf(at, "%s includes itself", path)
			return
		}
	}
	var text []byte
	var err error
	if path == "-" {
		text, err = readAll(os.Stdin)
	} else {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		r.failf(at, "cannot read the configuration: %v", err)
		return
	}
	r.file.sources[path] = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	r.open = append(r.open, path)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	if isYAML(path, r.file.sources[path]) {
		r.readYAML(path, text)
	} else {
		r.readClassic(path)
	}
}

// include reads the files that pattern names, relative to the file that asks.
func (r *reader) include(pattern string, at Position) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(at.File), pattern)
	}
	names, err := filepath.Glob(pattern)
	if err != nil {
		r.failf(at, "%q is not a file name: %v", pattern, err)
		return
	}
	if len(names) == 0 {
		if strings.ContainsAny(pattern, "*?[") {
			r.warnf(at, "no file matches %s", pattern)
			return
		}
		names = []string{pattern}
	}
	for _, name := range names {
		r.read(name, at)
	}
}

func isYAML(path string, lines []string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return true
	case ".conf":
		return false
	}
	for _, line := range lines {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '@', line[0] == '[':
			return false
		default:
			return true
		}
	}
	return true
}

func (r *reader) failf(at Position, format string, args ...any) {
	r.problems = append(r.problems, Problem{at, fmt.Sprintf(format, args...)})
}

func (r *reader) warnf(at Position, format string, args ...any) {
	r.file.Warnings = append(r.file.Warnings, Problem{at, fmt.Sprintf(format, args...)})
}

// expand replaces ${VARIABLE}. One that is not set becomes nothing, as in
// Fluent Bit, but with a warning.
func (r *reader) expand(text string, at Position) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(before)
		value, set := r.env[name]
		if !set {
			value, set = r.getenv(name)
		}
		if !set {
			r.warnf(at, "the variable %s is not set; it is read as nothing", name)
		}
		b.WriteString(value)
		text = after
	}
}

// section adds a plugin's section to its list.
func (r *reader) section(s Section) {
	switch s.Kind {
	case "service":
		r.file.Service.Properties = append(r.file.Service.Properties, s.Properties...)
		if r.file.Service.At.Line == 0 {
			r.file.Service.At = s.At
		}
		return
	case "input":
		r.file.Inputs = append(r.file.Inputs, s)
	case "filter":
		r.file.Filters = append(r.file.Filters, s)
	case "output":
		r.file.Outputs = append(r.file.Outputs, s)
	default: // [PLUGINS] has paths only, which are in File.Plugins
		return
	}
	if s.Get("name") == "" {
		r.failf(s.At, "this %s has no name; write which plugin it is, like name: s3_sqs", s.Kind)
	}
}

// property adds one property, unless the key was there before: Fluent Bit
// reaches the first only.
func (r *reader) property(s *Section, key, value string, at Position) {
	key = strings.ToLower(strings.TrimSpace(key))
	if first, ok := s.Lookup(key); ok && s.Kind != "service" {
		r.warnf(at, "%s was written before in line %d, and only the first is read", key, first.At.Line)
		return
	}
	s.Properties = append(s.Properties, Property{key, r.expand(value, at), at})
}
