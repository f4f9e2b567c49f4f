// Package importer turns a user.ini of SIEM on Amazon OpenSearch Service (here:
// the original) into log type files.
//
// A section that is a log type of the user's own becomes a file that says all of
// it. One that changes a type which both programs have becomes a file that
// extends ours, and holds only what the user's settings change: what the original
// itself says is known ([original.ini]), so a section that was copied whole and
// changed in one line becomes one line. [DEFAULT] counts for every type.
//
// # Promises
//
//   - A file that is complete is a valid log type; one that lacks something that it
//     cannot do without is told apart, so that nobody loads it.
//   - Nothing is left out silently: each setting that has no counterpart is named,
//     with the reason and what to do.
//   - Nothing of the input is run. Python modules (sf_*.py) are not looked at.
//
// What is not promised: that a regular expression of Python means the same for
// letters outside of ASCII (\w, \d, \s and \b are those of ASCII here).
package importer

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// MaxSize is how large a user.ini may be, in bytes: thousands of log types.
const MaxSize = 4 << 20

// Result is what a user.ini became.
type Result struct {
	Files []File
	// Left is what could not be turned, in the order of the sections.
	Left []Remark
	// Notes are what is different but needs no work.
	Notes []Remark
}

// File is one log type.
type File struct {
	Name    string // of the log type
	Section string // where it comes from
	YAML    string
	// Incomplete says why it is no valid log type yet; "" when it is one.
	Incomplete string
}

// Remark is about one key of one section.
type Remark struct {
	Section, Key string
	Line         int // in the user.ini; 0 when it is not there
	What         string
	Do           string // "" when there is nothing to do
}

func (r Remark) String() string {
	place := "[" + r.Section + "]"
	if r.Key != "" {
		place += " " + r.Key
	}
	if r.Line > 0 {
		place += fmt.Sprintf(" (line %d)", r.Line)
	}
	if r.Do == "" {
		return place + ": " + r.What
	}
	return place + ": " + r.What + "; " + r.Do
}

//go:embed original.ini
var originalText string

// original are the settings that a user.ini builds on.
var original = sync.OnceValues(func() (*ini, error) { return parseINI(originalText) })

var shipped = sync.OnceValues(logtype.NewRegistry)

// Import turns the text of a user.ini. An error says where it is none.
func Import(text string) (*Result, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%d bytes, which is no user.ini; at most %d are read", len(text), MaxSize)
	}
	theirs, err := original()
	if err != nil {
		return nil, err
	}
	registry, err := shipped()
	if err != nil {
		return nil, err
	}
	users, err := parseINI(text)
	if err != nil {
		return nil, err
	}
	im := &importer{
		shipped: registry.Set(), theirs: theirs, users: users,
		before: config{files: []*ini{theirs}}, after: config{files: []*ini{theirs, users}}, taken: map[string]string{},
	}
	im.run()
	return &im.result, nil
}

// importer is one import.
type importer struct {
	shipped       *logtype.Set
	theirs, users *ini
	before, after config // without and with the user's settings
	taken         map[string]string
	result        Result
}

func (im *importer) run() {
	im.remarkOnFile()
	defaults := im.translate(im.after, im.users.defaults.name)
	im.tell(&im.result.Left, im.users.defaults.name, defaults.left)
	im.tell(&im.result.Notes, im.users.defaults.name, defaults.notes)
	for _, s := range im.users.sections {
		im.unknown(s)
		if im.extends(s.name) {
			im.change(s.name)
		} else {
			im.create(s)
		}
	}
	for _, t := range sortedTypes(im.shipped) { // [DEFAULT] counts for the others
		if im.users.section(t.Name) == nil && im.taken[t.Name] == "" && len(im.users.defaults.entries) > 0 {
			im.change(t.Name)
		}
	}
	byLine := func(a, b Remark) int { return a.Line - b.Line }
	slices.SortStableFunc(im.result.Left, byLine)
	slices.SortStableFunc(im.result.Notes, byLine)
}

// extends reports whether a section changes a type that both programs have.
func (im *importer) extends(name string) bool {
	return im.shipped.Type(name) != nil && im.theirs.section(name) != nil
}

// remarkOnFile tells of what the whole file holds.
func (im *importer) remarkOnFile() {
	for _, e := range im.users.repeated {
		im.result.Notes = append(im.result.Notes, Remark{e.section, e.key, e.line, "stands twice, and the later one counts; the original does not start with such a file", ""})
	}
	for _, s := range append([]*section{im.users.defaults}, im.users.sections...) {
		for _, e := range s.entries {
			for _, g := range global {
				if e.key != g.key {
					continue
				}
				if s != im.users.defaults {
					im.result.Notes = append(im.result.Notes, Remark{s.name, e.key, e.line, "counts in [DEFAULT] only, in the original too", ""})
				} else if value, _ := im.theirs.defaults.get(e.key); e.value != value && g.what != "" {
					im.result.Left = append(im.result.Left, Remark{s.name, e.key, e.line, g.what, g.do})
				}
			}
		}
	}
}

// global are the keys that are no matter of a log type.
var global = []struct{ key, what, do string }{
	{"custom_user_agent", "our requests have a user agent of their own", "where a bucket policy or a filter asks for yours, name ours (it holds app/fluent-siem)"},
	{"exclude_log_patterns_filename", "rules of exclusion are no matter of log types", "give the file to the filter: exclude_file"},
	{"ignore_own_logs", "", ""},
	{"bump_version", "", ""},
}

// change writes what the user's settings change of a shipped type, if anything.
// Settings that have no counterpart are as if they were not there.
func (im *importer) change(name string) {
	users := im.users.section(name)
	before, after := im.translate(im.before, name), im.translate(im.after, name)
	left := after.left
	for without := map[*entry]bool{}; ; {
		n := len(without)
		for _, r := range after.left {
			if e := im.after.raw(name, r.Key); e != nil && !after.isTheirs(e) {
				without[e] = true
			}
		}
		if len(without) == n {
			break
		}
		after = im.translate(config{im.after.files, without}, name)
		left = append(left, after.left...)
	}
	d := compare(before, after, im.shipped.Type(name), im.theirs.section(name) != nil)
	im.tell(&im.result.Left, name, append(left, d.left...))
	im.tell(&im.result.Notes, name, after.notes)
	if len(d.changed) == 0 {
		if users != nil {
			im.result.Notes = append(im.result.Notes, Remark{name, "", users.line, "changes nothing of the type that is shipped; there is no file for it", ""})
		}
		return
	}
	d.over.Name, d.over.Extends = name, name
	origin := "[DEFAULT]"
	if users != nil {
		origin = "[" + name + "]"
	}
	w := &writer{t: &d.over, changed: d.changed, comments: after.comments}
	im.add(File{Name: name, Section: name, YAML: w.file("What " + origin + " of a user.ini changes of the shipped type.")}, users)
}

// tell keeps the remarks that are about what the user wrote in a section: what
// the original says itself is not the user's business, and what stands in
// [DEFAULT] is told once.
func (im *importer) tell(to *[]Remark, section string, remarks []Remark) {
	s := im.users.section(section)
	if section == im.users.defaults.name {
		s = im.users.defaults
	}
	for _, r := range remarks {
		if s.entry(r.Key) != nil && !im.sameValue(section, r.Key) && !slices.Contains(*to, r) {
			*to = append(*to, r)
		}
	}
}

// sameValue reports whether the user's value is the original's.
func (im *importer) sameValue(section, key string) bool {
	before, _, err1 := im.before.get(section, key)
	after, _, err2 := im.after.get(section, key)
	return err1 == nil && err2 == nil && before == after
}

// create writes a log type of the user's own.
func (im *importer) create(s *section) {
	left := func(key, what, do string) {
		line := s.line
		if e := s.entry(key); e != nil {
			line = e.line
		}
		im.result.Left = append(im.result.Left, Remark{s.name, key, line, what, do})
	}
	v := im.translate(im.after, s.name)
	switch {
	case v.value("s3_key") == "" || v.value("s3_key") == v.defaultKey():
		if !im.users.refers(s.name) { // else it is there for others to refer to
			left("s3_key", "is missing, so the original uses the section for nothing, and there is no file for it", "say which keys are the type's, if it should be one")
		}
		return
	case v.value("index_name") == "":
		left("index_name", "is missing, so the original loads nothing of the type, and there is no file for it", "name an index")
		return
	case v.value("file_format") == "":
		left("file_format", "is missing, so the original loads nothing of the type, and there is no file for it", "say how its records are written")
		return
	}
	name := Name(s.name)
	switch {
	case im.shipped.Type(name) == nil:
	case name == s.name:
		im.result.Notes = append(im.result.Notes, Remark{s.name, "", s.line, "takes the place of a type that is shipped here and not with the original", ""})
	default: // [WAF] is not the shipped waf
		name = Name("own-" + name)
	}
	if name != s.name {
		if v.t.Static == nil {
			v.t.Static = map[string]any{}
		}
		for _, field := range []string{"@log_type", "event.module"} {
			if _, set := v.t.Static[field]; !set && v.t.ECS[field] == nil {
				v.t.Static[field] = s.name
			}
		}
		im.result.Notes = append(im.result.Notes, Remark{s.name, "", s.line, "is called " + name + ", as names here have small letters, digits and hyphens; its documents keep the name", ""})
	}
	if other := im.taken[name]; other != "" {
		left("", "would be called "+name+" like ["+other+"], and there is no file for it", "give it another name")
		return
	}
	v.t.Name = name
	for _, from := range []struct{ remarks, to *[]Remark }{{&v.left, &im.result.Left}, {&v.notes, &im.result.Notes}} {
		for _, r := range *from.remarks {
			if (s.entry(r.Key) != nil || im.users.defaults.entry(r.Key) == nil) && !slices.Contains(*from.to, r) {
				*from.to = append(*from.to, r)
			}
		}
	}
	w := &writer{t: &v.t, comments: v.comments, computed: v.computed}
	f := File{Name: name, Section: s.name, YAML: w.file("From [" + s.name + "] of a user.ini of SIEM on Amazon OpenSearch Service.")}
	if v.lacks != "" {
		f.Incomplete = "lacks " + v.lacks
	}
	im.add(f, s)
}

// add checks a file and keeps it.
func (im *importer) add(f File, s *section) {
	if f.Incomplete == "" {
		t, err := logtype.Parse(f.Name+".yaml", []byte(f.YAML))
		if err == nil {
			err = ecs.Check(t)
		}
		if err != nil {
			f.Incomplete = "is no valid log type yet: " + err.Error()
			line := 0
			if s != nil {
				line = s.line
			}
			im.result.Left = append(im.result.Left, Remark{f.Section, "", line, "is no valid log type as it is: " + strings.ReplaceAll(err.Error(), "\n", " "), "correct the file"})
		}
	}
	if f.Incomplete != "" {
		why := strings.ReplaceAll(f.Incomplete, "\n", `\n`)
		f.YAML = "# Not complete: it " + printable(why) + "\n# Complete it, then call the file " + f.Name + ".yaml.\n" + f.YAML
	}
	im.taken[f.Name] = f.Section
	im.result.Files = append(im.result.Files, f)
}

// Name makes a log type's name of a section's: small letters, digits, hyphens.
func Name(section string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(section) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := strings.TrimRight(b.String()[:min(b.Len(), 63)], "-")
	if name == "" {
		return "imported"
	}
	return name
}

func sortedTypes(set *logtype.Set) []*logtype.Type {
	return slices.SortedFunc(slices.Values(set.Types()), func(a, b *logtype.Type) int { return strings.Compare(a.Name, b.Name) })
}
