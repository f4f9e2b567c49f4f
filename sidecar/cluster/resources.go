package cluster

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// Resource is one thing that a cluster should have. Body is JSON, as the API of
// its kind takes it.
type Resource struct {
	Kind string // see kinds
	Name string
	Body map[string]any
}

// ID names a resource for people and for the record of what was made.
func (r Resource) ID() string { return r.Kind + " " + r.Name }

// Features are what a cluster has.
type Features struct {
	Version    string // of OpenSearch; "" for Serverless
	Serverless bool
	Flat       bool // flat_object can be relied on
	ISM        bool // index state management, and snapshot management with it
	Security   bool
	Channels   bool // notifications
	Alerting   bool
}

// Resources returns what a cluster with these features should have, in the order
// in which it is made. More, such as dashboards, may be appended by the caller.
// What the cluster lacks is left in: the plan says that it is skipped.
func Resources(s Settings, types *logtype.Set, has Features) ([]Resource, error) {
	schema, err := loadSchema(types)
	if err != nil {
		return nil, err
	}
	m := maker{s, schema, has, rolled(s, types)}
	var all []Resource
	for _, made := range [][]Resource{
		m.settings(), m.templates(), m.policies(), m.access(), m.snapshots(), m.channel(), m.aliases(),
	} {
		all = append(all, made...)
	}
	return all, nil
}

// maker makes resources.
type maker struct {
	set    Settings
	schema *schema
	has    Features
	rolled []string // indexes that the cluster rolls over
}

// rolled are the indexes that are aliases, sorted.
func rolled(s Settings, types *logtype.Set) []string {
	all := slices.Clone(s.Rollover)
	for _, t := range types.Types() {
		if t.Index.Rotation == logtype.Auto {
			all = append(all, t.Index.Name)
			all = append(all, t.Index.Also...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (m maker) name(part string) string { return m.set.Name + "-" + part }

// meta is for people who find the resource in the cluster.
func (m maker) meta(about string) object {
	return object{"managed_by": "fluent-siem setup", "description": about}
}

func (m maker) patterns(all []string) []any {
	list := make([]any, len(all))
	for i, p := range all {
		list[i] = m.set.IndexPrefix + p
	}
	return list
}

// settings are the persistent settings of the cluster, one resource each.
func (m maker) settings() []Resource {
	var all []Resource
	for _, key := range slices.Sorted(maps.Keys(m.set.ClusterSettings)) {
		all = append(all, Resource{"cluster setting", key, object{"value": m.set.ClusterSettings[key]}})
	}
	return all
}

// The priorities of our index templates: above the original's (0 to 5), so that
// both can be there, and below 10, where its documentation puts the user's own.
const (
	anyPriority    = 6
	familyPriority = 7
	aliasPriority  = 8
	rollPriority   = 9
)

// templates are one component of ECS, one for each family, and the index
// templates that are composed of them.
func (m maker) templates() []Resource {
	components := []Resource{
		m.component("ecs", object{"index": m.ecsSettings()}, object{
			"dynamic": "false", "date_detection": false, "numeric_detection": false,
			"properties": m.schema.properties(m.schema.ecs.fields, m.has.Flat),
		}, "ECS and our own fields"),
		m.component("any", nil, m.anyMapping(), "fields that no other template names, for log types of your own"),
	}
	index := []Resource{m.index("any", []string{"log-*"}, anyPriority, []string{"ecs", "any"}, object{})}
	for _, f := range m.schema.families {
		mappings := object{"dynamic": "false", "date_detection": false, "numeric_detection": false}
		mappings["properties"] = m.schema.properties(f.fields, m.has.Flat)
		components = append(components, m.component(f.name, object{"index": m.familySettings(f)}, mappings, "fields of "+strings.Join(f.Patterns, ", ")))
		parts := []string{"ecs", f.name}
		if f.Base == "none" {
			parts = parts[1:]
		}
		plain := slices.DeleteFunc(slices.Clone(f.Patterns), func(p string) bool { return f.Aliases[p] != "" })
		if len(plain) > 0 {
			index = append(index, m.index(f.name, plain, familyPriority, parts, object{}))
		}
		for _, p := range slices.Sorted(maps.Keys(f.Aliases)) {
			alias := object{"aliases": object{m.set.IndexPrefix + f.Aliases[p]: object{}}}
			index = append(index, m.index(strings.TrimSuffix(p, "-*"), []string{p}, aliasPriority, parts, alias))
		}
	}
	for _, name := range m.rolled {
		template := object{}
		if m.has.ISM {
			template["settings"] = object{"index": object{"plugins": object{"index_state_management": object{"rollover_alias": m.set.IndexPrefix + name}}}}
		}
		index = append(index, m.index(name+"-rollover", []string{name + "-0*"}, rollPriority, m.partsOf(name), template))
	}
	return append(components, index...)
}

// partsOf are the components of the family that an index belongs to.
func (m maker) partsOf(name string) []string {
	for _, f := range m.schema.families {
		for _, p := range f.Patterns {
			if ok, _ := path.Match(p, name+"-000001"); ok {
				return []string{"ecs", f.name}
			}
		}
	}
	return []string{"ecs", "any"}
}

func (m maker) component(name string, settings, mappings object, about string) Resource {
	template := object{"mappings": mappings}
	if settings != nil {
		template["settings"] = settings
	}
	return Resource{"component template", m.name(name), object{"template": template, "_meta": m.meta(about)}}
}

func (m maker) index(name string, patterns []string, priority int, parts []string, template object) Resource {
	composed := make([]any, len(parts))
	for i, p := range parts {
		composed[i] = m.name(p)
	}
	return Resource{"index template", m.name(name), object{
		"index_patterns": m.patterns(patterns), "priority": priority, "composed_of": composed,
		"template": template, "_meta": m.meta("made of " + strings.Join(parts, " and ")),
	}}
}

// ecsSettings hold for every index of logs. A malformed value is kept and not
// indexed. A search that names no field looks into the record as it came: all
// its fields at once would be more than the cluster expands (1,024).
func (m maker) ecsSettings() object {
	s := m.familySettings(m.schema.ecs)
	s["max_docvalue_fields_search"] = "200"
	s["query"] = object{"default_field": []any{"@message"}}
	if m.set.Replicas != nil {
		s["number_of_replicas"] = strconv.Itoa(*m.set.Replicas)
	}
	return s
}

func (m maker) familySettings(f *family) object {
	s := object{}
	for key, value := range f.Settings {
		s[key] = value
	}
	if n := m.set.Shards[f.name]; n > 0 {
		s["number_of_shards"] = strconv.Itoa(n)
	}
	limit := f.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	s["mapping"] = object{"ignore_malformed": "true", "total_fields": object{"limit": strconv.Itoa(limit)}}
	return s
}

// anyMapping is for log types that no family holds: what they bring is mapped
// as it comes, but an object is one field whatever is in it.
func (m maker) anyMapping() object {
	tree := object{"type": "flat_object"}
	if !m.has.Flat {
		tree = kept()
	}
	return object{
		"dynamic": "true", "date_detection": false, "numeric_detection": false,
		"dynamic_templates": []any{
			object{"objects": object{"match_mapping_type": "object", "mapping": tree}},
			object{"texts": object{"match_mapping_type": "string", "mapping": m.schema.types["keyword"]}},
		},
	}
}

// aliases are the first indexes behind the names that the cluster rolls over.
func (m maker) aliases() []Resource {
	var all []Resource
	for _, name := range m.rolled {
		alias := m.set.IndexPrefix + name
		all = append(all, Resource{"rollover index", alias, object{"aliases": object{alias: object{"is_write_index": true}}}})
	}
	return all
}
