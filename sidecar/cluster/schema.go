package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/conf"
	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

type object = map[string]any

// family is one file of conf/opensearch: the fields and settings of some
// indexes, or of ECS.
type family struct {
	Patterns []string            `yaml:"patterns"`
	Aliases  map[string]string   `yaml:"aliases"` // pattern → an alias that its indexes get besides
	Base     string              `yaml:"base"`    // "none": without ECS
	Limit    int                 `yaml:"total_fields_limit"`
	Settings map[string]string   `yaml:"settings"`
	Fields   map[string][]string `yaml:"fields"` // type → paths

	name string
	// fields is path → type: of the file, and of what the log types can set.
	fields map[string]string
}

// schema is the whole of conf/opensearch, completed from the log types.
type schema struct {
	types    map[string]object // name of a type → mapping
	ecs      *family
	families []*family // by name
}

// defaultLimit is index.mapping.total_fields.limit where a family says nothing.
const defaultLimit = 1000

// loadSchema reads the shipped data and adds the fields of the log types.
func loadSchema(types *logtype.Set) (*schema, error) {
	s := &schema{types: map[string]object{}}
	files, err := fs.Glob(conf.OpenSearch, "opensearch/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := conf.OpenSearch.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		if name == "types" {
			err = yaml.Unmarshal(text, &s.types)
		} else {
			f := &family{name: name}
			err = yaml.UnmarshalWithOptions(text, f, yaml.DisallowUnknownField())
			if name == "ecs" {
				s.ecs = f
			} else {
				s.families = append(s.families, f)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if s.ecs == nil || len(s.types) == 0 {
		return nil, errors.New("conf/opensearch lacks ecs.yaml or types.yaml")
	}
	var bad []error
	for _, f := range append([]*family{s.ecs}, s.families...) {
		bad = append(bad, s.read(f))
	}
	for _, t := range types.Types() {
		bad = append(bad, s.add(t))
	}
	for _, f := range s.families {
		bad = append(bad, s.check(f))
	}
	return s, errors.Join(bad...)
}

// read turns type → paths into path → type.
func (s *schema) read(f *family) error {
	f.fields = map[string]string{}
	for kind, paths := range f.Fields {
		if s.types[kind] == nil {
			return fmt.Errorf("%s: %q is no type of types.yaml", f.name, kind)
		}
		for _, p := range paths {
			if f.fields[p] != "" {
				return fmt.Errorf("%s: %s is named twice", f.name, p)
			}
			f.fields[p] = kind
		}
	}
	return nil
}

// add gives the families that hold documents of t the fields that it can set.
func (s *schema) add(t *logtype.Type) error {
	paths, err := ecs.Fields(t)
	if err != nil {
		return fmt.Errorf("log type %s: %w", t.Name, err)
	}
	for _, f := range s.families {
		if !f.holds(t) {
			continue
		}
		for _, p := range paths {
			for _, leaf := range leaves(p) {
				if !s.known(f, leaf) {
					f.fields[leaf] = s.kind(leaf)
				}
			}
		}
	}
	return nil
}

// holds reports whether documents of t go to an index of the family.
func (f *family) holds(t *logtype.Type) bool {
	for _, name := range append([]string{t.Index.Name}, t.Index.Also...) {
		for _, p := range f.Patterns {
			if ok, _ := path.Match(p, name+"-2006"); ok {
				return true
			}
		}
	}
	return false
}

// leaves are the fields that stand for the objects which tables fill.
func leaves(p string) []string {
	switch {
	case strings.HasSuffix(p, ".geo"):
		return []string{p + ".city_name", p + ".country_iso_code", p + ".country_name", p + ".location"}
	case strings.HasSuffix(p, ".as"):
		return []string{p + ".number", p + ".organization.name"}
	}
	return []string{p}
}

// kind is the type of a field that no file of the family names: that of the same
// field in ECS, else keyword.
func (s *schema) kind(p string) string {
	if kind := s.ecs.fields[p]; kind != "" {
		return kind
	}
	switch {
	case strings.HasSuffix(p, ".geo.location"):
		return "geo_point"
	case strings.HasSuffix(p, ".as.number"):
		return "long"
	}
	return "keyword"
}

// known reports whether the family has a field at p, above it or below it.
func (s *schema) known(f *family, p string) bool {
	all := []map[string]string{f.fields}
	if f.Base != "none" {
		all = append(all, s.ecs.fields)
	}
	for _, fields := range all {
		for q := range fields {
			if q == p || strings.HasPrefix(q, p+".") || strings.HasPrefix(p, q+".") {
				return true
			}
		}
	}
	return false
}

// check finds fields above other fields, which no index could have.
func (s *schema) check(f *family) error {
	all := maps.Clone(f.fields)
	if f.Base != "none" {
		for p, kind := range s.ecs.fields {
			if all[p] == "" {
				all[p] = kind
			}
		}
	}
	for p := range all {
		for above := p; strings.Contains(above, "."); {
			above = above[:strings.LastIndexByte(above, '.')]
			if kind := all[above]; kind != "" && kind != "nested" {
				return fmt.Errorf("%s: %s is below %s, which is %s", f.name, p, above, kind)
			}
		}
	}
	return nil
}

// properties makes the tree of a mapping. Without flat objects, trees without a
// schema are kept but not indexed.
func (s *schema) properties(fields map[string]string, flat bool) object {
	root := object{}
	paths := slices.Sorted(maps.Keys(fields)) // what is nested comes before what is in it
	for _, p := range paths {
		mapping := maps.Clone(s.types[fields[p]])
		if fields[p] == "flat_object" && !flat {
			mapping = kept()
		}
		names := strings.Split(p, ".")
		at := root
		for _, name := range names[:len(names)-1] {
			next, _ := at[name].(object)
			if next == nil {
				next = object{}
				at[name] = next
			}
			below, _ := next["properties"].(object)
			if below == nil {
				below = object{}
				next["properties"] = below
			}
			at = below
		}
		last := names[len(names)-1]
		if there, ok := at[last].(object); ok { // its members came first
			maps.Copy(there, mapping)
			continue
		}
		at[last] = mapping
	}
	return root
}

// kept is the mapping of a tree that stays in the document and is not indexed.
func kept() object { return object{"type": "object", "enabled": false} }
