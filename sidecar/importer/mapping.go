package importer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// mapping: ECS fields of the record's, and with fixed values.
func (v *view) mapping() {
	for _, field := range strings.Fields(v.value("ecs")) {
		switch sources := v.candidates(field); {
		case badField(field):
			v.leave("ecs", strconv.Quote(field)+" is no name of a field", "write names with dots between")
		case len(sources) == 0:
			v.leave(field, "names no field of the record", "write which it is")
		default:
			put(&v.t.ECS, field, sources)
		}
	}
	for _, field := range strings.Fields(v.value("static_ecs")) {
		value := v.value(field)
		switch {
		case badField(field):
			v.leave("static_ecs", strconv.Quote(field)+" is no name of a field", "write names with dots between")
		case value == "":
			v.leave(field, "has no value", "write one")
		case ecs.ListField(field):
			items := []any{}
			for _, item := range list(value) {
				items = append(items, item)
			}
			put[any](&v.t.Static, field, items)
		default:
			put[any](&v.t.Static, field, value)
		}
	}
}

func badField(name string) bool {
	return slices.Contains(strings.Split(name, "."), "")
}

// candidates are the fields of the record that an ECS field comes from.
func (v *view) candidates(field string) (all logtype.Candidates) {
	value := v.value(field)
	if ecs.ListField(field) {
		for _, item := range list(value) {
			if alternatives := strings.Fields(item); len(alternatives) > 0 {
				all = append(all, strings.Join(alternatives, logtype.Or))
			}
		}
		return all
	}
	for _, name := range strings.Fields(value) {
		if trimmed := strings.Trim(name, "[],"); trimmed != name {
			v.note(field, strconv.Quote(name)+" is written like a list, which the field is not; the original finds nothing there, "+trimmed+" is read here")
			name = trimmed
		}
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// list reads [a, b c] as a and "b c", and a b without brackets as a and b.
func list(value string) (items []string) {
	inner, ok := strings.CutPrefix(value, "[")
	if !ok {
		return strings.Fields(value)
	}
	for _, item := range strings.Split(strings.TrimSuffix(strings.TrimSpace(inner), "]"), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// enrichment: what is looked up.
func (v *view) enrichment() {
	t := &v.t
	for _, name := range strings.Fields(v.value("geoip")) {
		if v.reachable("geoip", name+".ip") {
			t.Geo = append(t.Geo, name)
		}
	}
	for _, name := range strings.Fields(v.value("ioc_ip")) {
		if v.reachable("ioc_ip", name) {
			t.IOC.IP = append(t.IOC.IP, name)
		}
	}
	for _, name := range strings.Fields(v.value("ioc_domain")) {
		if v.reachable("ioc_domain", name) {
			t.IOC.Domain = append(t.IOC.Domain, name)
		}
	}
	if names := strings.Fields(v.value("clientip_xff")); len(names) == 2 {
		t.ClientIP = logtype.ClientIP{IP: names[0], Forwarded: names[1]}
	} else if len(names) > 0 {
		v.leave("clientip_xff", "wants two names, that of the client's address and that of the list of forwarded ones", "write both")
	}
	if name := v.value("user_agent_enrichment_field"); name != "" && v.reachable("user_agent_enrichment_field", name+".original") {
		t.UserAgent = name
	}
}

// reachable makes sure that an ECS field that is looked up is mapped. Where it is
// not, a record of JSON may bring it itself.
func (v *view) reachable(key, field string) bool {
	t := &v.t
	if t.ECS[field] != nil || t.Static[field] != nil || v.shipped {
		return true
	}
	if t.Format == logtype.JSON && !badField(field) {
		put(&t.ECS, field, logtype.Candidates{field})
		return true
	}
	if v.value("script_ecs") != "" {
		v.leave(key, field+" is not mapped, and what a Python module may set is not there", "map it in ecs and name it in "+places[key])
	} else {
		v.note(key, field+" is not mapped, so nothing is looked up, in the original either")
	}
	return false
}

// script: what a module in Python computes.
func (v *view) script() {
	fields := strings.Fields(v.value("script_ecs"))
	if len(fields) == 0 || v.shipped {
		return
	}
	module := "sf_" + strings.ReplaceAll(v.name, "-", "_") + ".py"
	for _, field := range fields {
		if v.t.ECS[field] == nil && v.t.Static[field] == nil {
			v.computed = append(v.computed, field)
		}
	}
	v.leave("script_ecs", "a module in Python, "+module+", is not run here; by its own account it sets "+strings.Join(fields, ", "),
		"map in ecs what it copies, fix in static what is always the same, compute the rest in expressions: the file has a line for each")
}

// unknown tells of the user's keys that nobody reads.
func (im *importer) unknown(s *section) {
	read := map[string]bool{"log_pattern": true, "ignore_header_line_number": true}
	for _, e := range im.theirs.defaults.entries {
		read[e.key] = true
	}
	for _, of := range []string{"ecs", "static_ecs", "renamed_newfields"} {
		value, _, _ := im.after.get(s.name, of)
		for _, field := range strings.Fields(value) {
			read[field] = true
		}
	}
	for key, old := range older {
		if e := im.after.raw(s.name, key); e == nil || e.value == "" {
			read[old] = true
		}
	}
	for _, e := range s.entries {
		if !read[e.key] && !im.users.mentions(e.key) {
			im.result.Notes = append(im.result.Notes, Remark{s.name, e.key, e.line, "is read by nobody: it is no key of the original, and neither ecs nor static_ecs names it", ""})
		}
	}
}
