package importer

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// view is one section, being turned into a log type.
type view struct {
	from     config
	name     string
	t        logtype.Type
	comments map[string][]string // key of the log type's file → what stood above its settings
	left     []Remark
	notes    []Remark
	lacks    string   // why the type cannot be valid; "" when it may be
	computed []string // ECS fields that a module in Python set
	shipped  bool     // the type is shipped here too: what its script sets, a step sets
}

// translate turns one section.
func (im *importer) translate(from config, name string) *view {
	v := &view{from: from, name: name, shipped: im.extends(name), comments: map[string][]string{}}
	if s := im.users.section(name); s != nil {
		v.comment("", s.comments)
	}
	v.matching()
	v.format()
	v.fields()
	v.times()
	v.target()
	v.mapping()
	v.enrichment()
	v.script()
	return v
}

// older are the names that keys had before version 2 of the original.
var older = map[string]string{"index_name": "index", "file_format": "format"}

// value is a setting with what it refers to put in; an error in it is told once.
func (v *view) value(key string) string {
	value, e, err := v.from.get(v.name, key)
	if err != nil {
		v.leave(key, err.Error(), "write out what it should be")
		return ""
	}
	if old := older[key]; old != "" && value == "" {
		if value, e, _ = v.from.get(v.name, old); value != "" {
			v.note(old, "is what "+key+" was called before version 2 of the original, and is taken for it")
		}
	}
	if e != nil && len(e.comments) > 0 {
		place, known := places[key]
		if !known {
			place = rows + key
		}
		v.comment(place, e.comments)
	}
	return value
}

// defaultKey is the pattern of keys that says that there is none.
func (v *view) defaultKey() string { return "dummydummydummy" }

func (v *view) comment(place string, lines []string) {
	for _, l := range lines {
		if l != "" && !disabled.MatchString(l) && !slices.Contains(v.comments[place], l) {
			v.comments[place] = append(v.comments[place], l)
		}
	}
}

// disabled is a setting in a comment.
var disabled = regexp.MustCompile(`^[@\w.-]+\s*[=:]`)

// rows is what the place of a comment above a row begins with.
const rows = "row "

// places are the keys of a log type's file that the settings become.
var places = map[string]string{
	"s3_key": "key", "s3_key_ignored": "ignore_key", "file_format": "format", "json_delimiter": "records", "log_pattern": "pattern",
	"multiline_firstline": "first_line", "xml_firstline": "element", "csv_delimiter": "columns", "text_header_line_number": "header_lines",
	"index_name": "index", "index_suffix": "index", "index_rotation": "index", "index_time": "index", "index_tz": "index",
	"doc_id": "id", "doc_id_suffix": "id", "timestamp_key": "time", "timestamp_key_list": "time", "timestamp_format": "time",
	"timestamp_format_list": "time", "timestamp_tz": "time", "file_timestamp_format": "time", "renamed_newfields": "rename",
	"field_prefix": "prefix", "ecs": "ecs", "static_ecs": "static", "script_ecs": "steps", "json_to_text": "text", "geoip": "geo",
	"ioc_ip": "ioc", "ioc_domain": "ioc", "clientip_xff": "client_ip", "user_agent_enrichment_field": "user_agent",
	"cloud_provider": "provider", "ignore_container_stderr": "container_stderr",
}

// leave tells of a setting that has no counterpart.
func (v *view) leave(key, what, do string) {
	v.left = append(v.left, v.remark(key, what, do))
}

// note tells of a difference.
func (v *view) note(key, what string) {
	v.notes = append(v.notes, v.remark(key, what, ""))
}

func (v *view) remark(key, what, do string) Remark {
	line := 0
	if e := v.from.raw(v.name, key); e != nil && !v.isTheirs(e) {
		line = e.line
	}
	r := Remark{v.name, key, line, what, do}
	return r
}

// isTheirs reports whether an entry is the original's own.
func (v *view) isTheirs(e *entry) bool {
	theirs := v.from.files[0]
	for _, s := range append([]*section{theirs.defaults}, theirs.sections...) {
		if slices.Contains(s.entries, e) {
			return true
		}
	}
	return false
}

// need says why the type cannot be valid.
func (v *view) need(why string) {
	if v.lacks == "" {
		v.lacks = why
	}
}

// regexp turns a regular expression; "" when there is none, or none that can be
// turned, which is told.
func (v *view) regexp(key, do string) string {
	python := v.value(key)
	if python == "" {
		return ""
	}
	re, err := pattern(python)
	if err != nil {
		v.leave(key, err.Error(), do)
		return ""
	}
	if e := v.from.raw(v.name, key); e != nil && !v.isTheirs(e) && lone.MatchString(strings.ReplaceAll(e.value, "$$", "")) {
		v.note(key, "has a $ alone, which the original refuses; it is taken for $$")
	}
	return re
}

var lone = regexp.MustCompile(`\$(?:[^{]|$)`)

// bool reads yes, no and so on.
func (v *view) bool(key string) bool {
	text := v.value(key)
	yes, ok := truth[strings.ToLower(text)]
	if !ok {
		v.leave(key, strconv.Quote(text)+" is neither true nor false", "write True or False")
	}
	return yes
}

// global reads a setting of [DEFAULT] that is true or false.
func (v *view) global(key string) bool {
	text, _, _ := v.from.get("DEFAULT", key)
	return truth[strings.ToLower(text)]
}

// truth is what Python's configparser takes for true and false.
var truth = map[string]bool{"1": true, "yes": true, "true": true, "on": true, "0": false, "no": false, "false": false, "off": false, "": false}

// matching: which objects are the type's.
func (v *view) matching() {
	if v.value("s3_key") != v.defaultKey() {
		if v.t.Key = v.regexp("s3_key", "write a pattern of RE2 in key"); v.t.Key == "" {
			v.need("key, which was " + v.value("s3_key"))
		}
	}
	v.t.IgnoreKey = v.regexp("s3_key_ignored", "write a pattern of RE2 in ignore_key; without it, objects are loaded that were not")
}

// format: how an object becomes records, and a record fields.
func (v *view) format() {
	t := &v.t
	switch format := v.value("file_format"); format {
	case "json", "parquet":
		t.Format = logtype.JSON
		t.Records = v.value("json_delimiter")
	case "text", "multiline":
		t.Format = logtype.Pattern
		t.HeaderLines = v.number("text_header_line_number")
		if t.Pattern = v.regexp("log_pattern", "write one of RE2 in pattern (https://github.com/google/re2/wiki/Syntax)"); t.Pattern == "" {
			v.missing("log_pattern")
			v.need("pattern, which was " + v.value("log_pattern"))
		}
		if format == "multiline" {
			if re := v.regexp("multiline_firstline", "write one of RE2 in first_line"); re != "" {
				t.FirstLine = anchored(re)
			} else {
				v.missing("multiline_firstline")
				v.need("first_line, which was " + v.value("multiline_firstline"))
			}
		}
	case "csv":
		t.Format = logtype.ColumnF
		t.Columns = logtype.Columns{Header: true, Required: 1}
		switch d := v.value("csv_delimiter"); {
		case d == "":
		case d == `\t`:
			t.Columns.Separator, t.Columns.Quote = "\t", `"`
		case len(d) == 1:
			t.Columns.Separator, t.Columns.Quote = d, `"`
		default:
			v.leave("csv_delimiter", strconv.Quote(d)+" is not one character", "write one in columns.separator")
		}
	case "xml":
		t.Format = "xml"
		if m := elementRE.FindStringSubmatch(v.value("xml_firstline")); m != nil {
			t.Element = m[1]
		} else {
			v.leave("xml_firstline", "does not begin with the name of an element, such as <record", "write the name in element")
			v.need("element, where xml_firstline was " + v.value("xml_firstline"))
		}
	case "winevtxml":
		t.Format = "winevt"
	case "cef":
		t.Format = "cef"
	case "":
	default:
		v.leave("file_format", strconv.Quote(format)+" is no format; the original fails with it too", "use text, csv, json, multiline, xml, winevtxml, cef or parquet")
		v.need("format, which was " + format)
	}
	t.ContainerStderr = !v.bool("ignore_container_stderr")
}

// missing tells of a setting that the format cannot do without.
func (v *view) missing(key string) {
	if v.value(key) == "" {
		v.leave(key, "is missing, so the original loads nothing", "write it in "+places[key])
	}
}

var elementRE = regexp.MustCompile(`^\^?\\?s?\*?<([A-Za-z_][\w.:-]*)`)

func (v *view) number(key string) int {
	text := v.value(key)
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1000 {
		v.leave(key, strconv.Quote(text)+" is no number of lines", "write one up to 1000")
		return 0
	}
	return n
}

// fields: what becomes of the record's own.
func (v *view) fields() {
	t := &v.t
	t.Prefix = v.value("field_prefix")
	for _, to := range strings.Fields(v.value("renamed_newfields")) {
		from := v.value(to)
		if from == "" {
			v.leave("renamed_newfields", to+" has no setting that says its old name; the original fails with it", "write "+to+" = the old name")
			continue
		}
		put(&t.Rename, to, from)
	}
	t.Text = strings.Fields(v.value("json_to_text"))
	switch p := v.value("cloud_provider"); p {
	case "aws":
	case "":
		t.Provider = "none"
	default:
		t.Provider = p
	}
	if version := v.value("ecs_version"); version != "1.10.0" && version != "" {
		put[any](&t.Static, "ecs.version", version)
	}
}

func put[V any](m *map[string]V, k string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[k] = value
}

// times: where the event's time stands.
func (v *view) times() {
	keys := strings.Fields(v.value("timestamp_key_list"))
	if len(keys) == 0 {
		if key := v.value("timestamp_key"); key != "" {
			keys = []string{key}
		}
	}
	if len(keys) == 0 {
		if v.t.Format == "" {
			return
		}
		keys = []string{"@timestamp"} // what the original looks for then
		if v.t.Format != logtype.JSON {
			keys = nil
		}
		if v.value("file_timestamp_format") != "" {
			keys = append(keys, "file_timestamp")
		}
	}
	formats := []string{v.value("timestamp_format")}
	formatKey := "timestamp_format"
	if list := v.value("timestamp_format_list"); list != "" {
		formatKey = "timestamp_format_list"
		if err := json.Unmarshal([]byte(list), &formats); err != nil {
			v.leave(formatKey, "is no list in JSON, such as [\"iso8601\", \"%Y\"]; the original fails with it", "write one")
			formats = nil
		}
	}
	zone := v.zone("timestamp_tz")
	var known []string
	for _, f := range formats {
		all, err := timeLayouts(f)
		if err != nil {
			v.leave(formatKey, f+": "+err.Error(), "write a layout of Go in time (https://pkg.go.dev/time#pkg-constants)")
		}
		known = append(known, all...)
	}
	for _, key := range keys {
		switch key {
		case "cwl_timestamp":
			v.t.Time = append(v.t.Time, logtype.Time{Field: "@envelope", Layout: "epoch", Keep: key})
		case "cwe_timestamp":
			v.t.Time = append(v.t.Time, logtype.Time{Field: "@envelope", Layout: "iso8601", Keep: key})
		case "file_timestamp":
			v.keyTime()
		default:
			for _, layout := range known {
				at := logtype.Time{Field: key, Layout: layout, Zone: zone}
				if layout == "epoch" || zoned.MatchString(layout) {
					at.Zone = ""
				}
				v.t.Time = append(v.t.Time, at)
			}
		}
	}
}

// zoned is a layout of Go that reads a zone.
var zoned = regexp.MustCompile(`-07|Z07|MST`)

// timeLayouts knows the words that the original has beside formats of strptime.
func timeLayouts(format string) ([]string, error) {
	for _, word := range []string{"epoch", "syslog", "iso8601"} {
		if strings.Contains(format, word) {
			return []string{word}, nil
		}
	}
	return layouts(format)
}

func (v *view) keyTime() {
	re := v.regexp("file_timestamp_format", "write one of RE2 in time")
	switch {
	case re == "" && v.value("file_timestamp_format") != "":
		return
	case re == "":
		v.t.Time = append(v.t.Time, logtype.Time{Field: "@key", Layout: "iso8601"})
		return
	}
	for _, group := range regexp.MustCompile(re).SubexpNames()[1:] {
		if !slices.Contains(logtype.KeyTimeGroups, group) {
			v.leave("file_timestamp_format", "has a group "+strconv.Quote(group)+", which is no part of a time", "write (?:…) for groups that are none of "+strings.Join(logtype.KeyTimeGroups, ", "))
			return
		}
	}
	v.t.Time = append(v.t.Time, logtype.Time{Field: "@key", Pattern: re})
}

// zone reads ±HH:MM; "" is UTC.
func (v *view) zone(key string) string {
	zone := v.value(key)
	if _, err := logtype.ParseZone(zone); err != nil {
		v.leave(key, err.Error(), "without it, it is UTC")
		return ""
	}
	if zone == "Z" || strings.HasSuffix(zone, "00:00") {
		return ""
	}
	return zone
}

// target: index and id.
func (v *view) target() {
	t := &v.t
	t.Index = logtype.Index{Name: v.value("index_name"), Suffix: v.value("index_suffix"), Zone: v.zone("index_tz")}
	rotation := v.value("index_rotation")
	for _, r := range []logtype.Rotation{logtype.Auto, logtype.Yearly, logtype.Monthly, logtype.Weekly, logtype.Daily} {
		if strings.Contains(rotation, string(r)) {
			t.Index.Rotation = r
			break
		}
	}
	if t.Index.Rotation == "" { // as in the original
		t.Index.Rotation = logtype.Yearly
		v.note("index_rotation", strconv.Quote(rotation)+" is no rotation; the original rotates yearly then, and so does this")
	}
	switch at := v.value("index_time"); at {
	case "@timestamp", "":
	case "event_ingested":
		t.Index.Time = "ingested"
	default:
		v.leave("index_time", strconv.Quote(at)+" is neither @timestamp nor event_ingested", "@timestamp counts")
	}
	if id := v.value("doc_id"); id != "" {
		t.ID.Field, t.ID.Replace = strings.ReplaceAll(id, ".", `\.`), true // a root field; the original overwrites
	}
	suffix := v.value("doc_id_suffix")
	if suffix != "" && t.Prefix != "" { // it is read when the record's fields have moved
		below, ok := strings.CutPrefix(suffix, t.Prefix+".")
		if !ok {
			v.note("doc_id_suffix", "the original finds nothing there, for fields have moved under "+t.Prefix+" by then; ids have no suffix here either")
		}
		if suffix = below; !ok {
			suffix = ""
		}
	}
	t.ID.Suffix = suffix
}
