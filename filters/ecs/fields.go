package ecs

import (
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// Fields returns the paths that a template should know of a type's documents,
// sorted: the ECS fields that the type can set, and the record's own where the
// type names them (columns, groups of a pattern). Objects that tables fill, such
// as source.geo and threat, stand for what is in them. The members of JSON
// records are not known here.
func Fields(t *logtype.Type) ([]string, error) {
	p, err := compile(t, additions{})
	if err != nil {
		return nil, err
	}
	paths := sortedKeys(p.slots)
	layouts := p.guesses
	if p.fixed != nil {
		layouts = append(layouts, p.fixed)
	}
	for i := range p.forms {
		if l := p.forms[i].layout; l != nil {
			layouts = append(layouts, l)
		}
	}
	for _, l := range layouts {
		if t.Raw == "drop" {
			break
		}
		for name := range l.names {
			if name == "" || strings.HasSuffix(name, "_") {
				continue // for the mapping only
			}
			if t.Prefix != "" {
				name = t.Prefix + "." + name
			}
			paths = append(paths, name)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}
