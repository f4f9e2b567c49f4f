package importer

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// comparison is what the user's settings change of a shipped type.
type comparison struct {
	over    logtype.Type    // the changes
	changed map[string]bool // the keys of a log type's file that they are in
	left    []Remark

	before, after *view
	ours          *logtype.Type
}

// compare says what differs after the user's settings from what the original
// says, so that it can be put on top of ours. known says that the original has
// the type; else only [DEFAULT] can change it, and only where it is written to.
func compare(before, after *view, ours *logtype.Type, known bool) *comparison {
	c := &comparison{changed: map[string]bool{}, before: before, after: after, ours: ours}
	c.target()
	if ours.OwnLogs != "" && before.global("ignore_own_logs") && !after.global("ignore_own_logs") {
		c.changed["own_logs"] = true
	}
	c.over.Static = c.values(known)
	if !known {
		return c
	}
	c.over.ECS = c.mapping()
	b, a := &before.t, &after.t
	set(c, "key", b.Key, a.Key, &c.over.Key)
	set(c, "ignore_key", b.IgnoreKey, a.IgnoreKey, &c.over.IgnoreKey)
	set(c, "records", b.Records, a.Records, &c.over.Records)
	set(c, "pattern", b.Pattern, a.Pattern, &c.over.Pattern)
	set(c, "columns", b.Columns, a.Columns, &c.over.Columns)
	set(c, "first_line", b.FirstLine, a.FirstLine, &c.over.FirstLine)
	set(c, "header_lines", b.HeaderLines, a.HeaderLines, &c.over.HeaderLines)
	set(c, "element", b.Element, a.Element, &c.over.Element)
	set(c, "container_stderr", b.ContainerStderr, a.ContainerStderr, &c.over.ContainerStderr)
	set(c, "prefix", b.Prefix, a.Prefix, &c.over.Prefix)
	set(c, "rename", b.Rename, a.Rename, &c.over.Rename)
	set(c, "provider", b.Provider, a.Provider, &c.over.Provider)
	set(c, "time", b.Time, a.Time, &c.over.Time)
	set(c, "id", b.ID, a.ID, &c.over.ID)
	set(c, "client_ip", b.ClientIP, a.ClientIP, &c.over.ClientIP)
	set(c, "user_agent", b.UserAgent, a.UserAgent, &c.over.UserAgent)
	if b.Format != a.Format || c.changed["pattern"] || c.changed["columns"] { // ours may be of another format
		c.over.Format, c.changed["format"] = a.Format, true
	}
	if before.value("script_ecs") != "" && after.value("script_ecs") == "" {
		c.changed["steps"] = true // none
	}
	c.over.Text = c.list("text", b.Text, a.Text, ours.Text)
	c.over.Geo = c.list("geo", b.Geo, a.Geo, ours.Geo)
	for field, sources := range c.over.ECS { // what is mapped no more cannot be looked up
		if name, ok := strings.CutSuffix(field, ".ip"); ok && sources == nil && slices.Contains(c.over.Geo, name) {
			c.over.Geo, c.changed["geo"] = slices.DeleteFunc(c.over.Geo, func(s string) bool { return s == name }), true
		}
	}
	c.over.IOC.IP = c.list("ioc", b.IOC.IP, a.IOC.IP, ours.IOC.IP)
	c.over.IOC.Domain = c.list("ioc", b.IOC.Domain, a.IOC.Domain, ours.IOC.Domain)
	return c
}

// set takes over what is another afterwards.
func set[V any](c *comparison, key string, before, after V, to *V) {
	if !reflect.DeepEqual(before, after) {
		*to, c.changed[key] = after, true
	}
}

// target: the parts of index that change.
func (c *comparison) target() {
	b, a := c.before.t.Index, c.after.t.Index
	for _, f := range []struct {
		before, after string
		to            *string
	}{
		{b.Name, a.Name, &c.over.Index.Name}, {b.Suffix, a.Suffix, &c.over.Index.Suffix}, {b.Time, a.Time, &c.over.Index.Time},
	} {
		set(c, "index", f.before, f.after, f.to)
	}
	set(c, "index", b.Rotation, a.Rotation, &c.over.Index.Rotation)
	if set(c, "index", b.Zone, a.Zone, &c.over.Index.Zone); b.Zone != a.Zone && a.Zone == "" {
		c.over.Index.Zone = "+00:00"
	}
	if c.over.Index.Time == "" && b.Time != a.Time {
		c.over.Index.Time = "event"
	}
}

// mapping: fields that are mapped otherwise, and those that are no more.
func (c *comparison) mapping() map[string]logtype.Candidates {
	over := map[string]logtype.Candidates{}
	b, a := c.before.t.ECS, c.after.t.ECS
	fields := ownFields(c.ours)
	for field, sources := range a {
		if slices.Equal(b[field], sources) {
			continue
		}
		if i := slices.IndexFunc(sources, func(name string) bool { return fields != nil && !fields[name] && name[0] != '@' }); i >= 0 {
			c.left = append(c.left, c.after.remark(field, fmt.Sprintf("the shipped type has no field %s; it has %s", sources[i], strings.Join(sortedList(fields), ", ")), "name one of these in ecs"))
			continue
		}
		over[field] = sources
	}
	for field := range b {
		if a[field] == nil && c.ours.ECS[field] != nil {
			over[field] = nil
		}
	}
	if len(over) > 0 {
		c.changed["ecs"] = true
	}
	return over
}

// ownFields are the fields that a type cuts out of a text; nil when the records
// say themselves which they have.
func ownFields(t *logtype.Type) map[string]bool {
	var names []string
	switch t.Format {
	case logtype.Pattern:
		re, err := regexp.Compile(t.Pattern)
		if err != nil {
			return nil
		}
		names = re.SubexpNames()
	case logtype.ColumnF:
		if t.Columns.Header {
			return nil
		}
		names = slices.Clone(t.Columns.Names)
		for _, m := range t.Columns.Merge {
			names = append(names, m.Into)
		}
		for _, p := range t.Columns.Parts {
			names = append(names, p.Into...)
		}
	default:
		return nil
	}
	fields := map[string]bool{}
	for _, name := range names {
		if name != "" {
			fields[name] = true
		}
	}
	return fields
}

// values: fixed values that are others, and those that are none any more.
func (c *comparison) values(known bool) map[string]any {
	over := map[string]any{}
	b, a := c.before.t.Static, c.after.t.Static
	for field, v := range a {
		if !reflect.DeepEqual(b[field], v) {
			over[field] = v
		}
	}
	for field := range b {
		if a[field] == nil && c.ours.Static[field] != nil && known {
			over[field] = nil
		}
	}
	if len(over) > 0 {
		c.changed["static"] = true
	}
	return over
}

// list is ours, with what the user added and without what the user took away.
func (c *comparison) list(key string, before, after, ours []string) []string {
	out := slices.DeleteFunc(slices.Clone(ours), func(s string) bool {
		return slices.Contains(before, s) && !slices.Contains(after, s)
	})
	for _, s := range after {
		if !slices.Contains(before, s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if !slices.Equal(out, ours) {
		c.changed[key] = true
	}
	return out
}

func sortedList(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
