package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// writer writes a log type as a person would.
type writer struct {
	t        *logtype.Type
	changed  map[string]bool     // of a type that extends another: the keys that are written; nil: all that say something
	comments map[string][]string // above the keys
	computed []string            // ECS fields that are for the user to map
	out      strings.Builder
}

// file returns the text; head is the first line of its comment.
func (w *writer) file(head string) string {
	t := w.t
	w.comment("", append([]string{head}, w.comments[""]...))
	w.text("name", t.Name)
	if t.Extends != "" {
		w.text("extends", t.Extends)
	} else {
		w.text("about", "Imported from a user.ini; say here what it is")
	}
	w.optional("key", t.Key)
	w.optional("ignore_key", t.IgnoreKey)
	w.optional("format", string(t.Format))
	w.optional("records", t.Records)
	w.optional("pattern", t.Pattern)
	w.optional("first_line", t.FirstLine)
	w.optional("element", t.Element)
	if w.wants("header_lines", t.HeaderLines > 0) {
		w.line("header_lines", strconv.Itoa(t.HeaderLines))
	}
	if w.wants("columns", t.Format == logtype.ColumnF) {
		w.columns()
	}
	if w.wants("container_stderr", t.ContainerStderr) {
		w.line("container_stderr", strconv.FormatBool(t.ContainerStderr))
	}
	if w.wants("rename", len(t.Rename) > 0) {
		w.line("rename", "")
		for _, to := range keys(t.Rename) {
			w.row(to, scalar(t.Rename[to]))
		}
	}
	w.optional("prefix", t.Prefix)
	if w.wants("provider", t.Provider != "") {
		w.text("provider", max(t.Provider, "aws"))
	}
	if w.wants("time", len(t.Time) > 0) {
		w.times()
	}
	if w.wants("id", t.ID != logtype.ID{}) {
		w.id()
	}
	if w.wants("index", true) {
		w.index()
	}
	if w.wants("ecs", len(t.ECS) > 0) {
		w.line("ecs", "")
		for _, field := range keys(t.ECS) {
			w.row(field, sources(t.ECS[field]))
		}
	}
	if w.wants("static", len(t.Static) > 0) {
		w.line("static", "")
		for _, field := range keys(t.Static) {
			w.row(field, fixed(t.Static[field]))
		}
	}
	w.expressions()
	if w.wants("steps", false) {
		w.line("steps", flow(t.Steps))
	}
	if w.wants("text", len(t.Text) > 0) {
		w.line("text", "")
		w.items(t.Text)
	}
	if w.wants("geo", len(t.Geo) > 0) {
		w.line("geo", flow(t.Geo))
	}
	if w.wants("ioc", len(t.IOC.IP)+len(t.IOC.Domain) > 0) {
		w.ioc()
	}
	if w.wants("client_ip", t.ClientIP != logtype.ClientIP{}) {
		w.line("client_ip", "{ip: "+within(t.ClientIP.IP)+", forwarded: "+within(t.ClientIP.Forwarded)+"}")
	}
	w.optional("user_agent", t.UserAgent)
	if w.wants("own_logs", false) {
		w.text("own_logs", t.OwnLogs)
	}
	return w.out.String()
}

// expressions writes, as a comment to complete, what a module in Python computed.
func (w *writer) expressions() {
	if len(w.computed) == 0 {
		return
	}
	lines := []string{"A module in Python set these. Map what it copied in ecs, fix what is always the same in static, compute the rest:", "expressions:"}
	for _, field := range w.computed {
		example := "FIELD"
		if field == "event.outcome" {
			example = `'FIELD == "ok" ? "success" : "failure"'`
		}
		lines = append(lines, "  "+scalar(field)+": "+example)
	}
	w.comment("", lines)
}

// wants reports whether a key is written.
func (w *writer) wants(key string, says bool) bool {
	if w.changed != nil {
		return w.changed[key]
	}
	return says
}

func (w *writer) optional(key, value string) {
	if w.wants(key, value != "") {
		w.text(key, value)
	}
}

func (w *writer) text(key, value string) { w.line(key, scalar(value)) }

// line writes a key at the top; value is YAML.
func (w *writer) line(key, value string) {
	w.comment("", w.comments[key])
	w.out.WriteString(strings.TrimRight(key+": "+value, " ") + "\n")
}

// row writes a key below another.
func (w *writer) row(key, value string) {
	w.comment("  ", w.comments[rows+key])
	fmt.Fprintf(&w.out, "  %s: %s\n", scalar(key), value)
}

func (w *writer) items(all []string) {
	if len(all) == 0 {
		w.out.WriteString("  []\n")
	}
	for _, s := range all {
		fmt.Fprintf(&w.out, "  - %s\n", scalar(s))
	}
}

func (w *writer) comment(indent string, lines []string) {
	for _, l := range lines {
		w.out.WriteString(strings.TrimRight(indent+"# "+printable(l), " ") + "\n")
	}
}

// printable is a comment without what YAML does not allow in one.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) || r == '\ufffd' {
			return ' '
		}
		return r
	}, s)
}

func (w *writer) columns() {
	c := w.t.Columns
	parts := []string{"header: true"}
	if c.Separator != "" {
		parts = append(parts, "separator: "+within(c.Separator), "quote: "+within(c.Quote))
	}
	w.line("columns", "{"+strings.Join(append(parts, "required: "+strconv.Itoa(c.Required)), ", ")+"}")
}

func (w *writer) times() {
	if len(w.t.Time) == 0 {
		w.line("time", "[]")
		return
	}
	w.line("time", "")
	for _, at := range w.t.Time {
		parts := []string{"field: " + within(at.Field)}
		for _, p := range [][2]string{{"layout", at.Layout}, {"pattern", at.Pattern}, {"zone", at.Zone}, {"keep", at.Keep}} {
			if p[1] != "" {
				parts = append(parts, p[0]+": "+within(p[1]))
			}
		}
		fmt.Fprintf(&w.out, "  - {%s}\n", strings.Join(parts, ", "))
	}
}

func (w *writer) id() {
	id := w.t.ID
	var parts []string
	if id.Field != "" || w.changed != nil {
		parts = append(parts, "field: "+within(id.Field))
	}
	if id.Suffix != "" || w.changed != nil {
		parts = append(parts, "suffix: "+within(id.Suffix))
	}
	if id.Replace || w.changed != nil {
		parts = append(parts, "replace: "+strconv.FormatBool(id.Replace))
	}
	w.line("id", "{"+strings.Join(parts, ", ")+"}")
}

func (w *writer) index() {
	x := w.t.Index
	if x.Rotation == logtype.Monthly && w.changed == nil {
		x.Rotation = "" // the default
	}
	var parts []string
	for _, p := range [][2]string{{"name", x.Name}, {"suffix", x.Suffix}, {"rotation", string(x.Rotation)}, {"zone", x.Zone}, {"time", x.Time}} {
		if p[1] != "" {
			parts = append(parts, p[0]+": "+within(p[1]))
		}
	}
	w.line("index", "{"+strings.Join(parts, ", ")+"}")
}

func (w *writer) ioc() {
	var parts []string
	if x := w.t.IOC.IP; len(x) > 0 || w.changed != nil {
		parts = append(parts, "ip: "+flow(x))
	}
	if x := w.t.IOC.Domain; len(x) > 0 || w.changed != nil {
		parts = append(parts, "domain: "+flow(x))
	}
	w.line("ioc", "{"+strings.Join(parts, ", ")+"}")
}

func keys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func sources(c logtype.Candidates) string {
	if len(c) == 1 {
		return scalar(c[0])
	}
	return flow(c)
}

func fixed(v any) string {
	switch v := v.(type) {
	case string:
		return scalar(v)
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, fmt.Sprint(item))
		}
		return flow(all)
	}
	return "[]"
}

func flow(all []string) string {
	var parts []string
	for _, s := range all {
		parts = append(parts, within(s))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

var (
	plain       = regexp.MustCompile(`^[A-Za-z_/(][\w./@+()|*$-]*$`)
	plainWithin = regexp.MustCompile(`^[A-Za-z_/][\w./@+-]*$`)
	special     = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|null|nan|y|n|inf)$|^[-+.]?[0-9._]`)
)

// scalar writes a text as YAML, quoted where it must be.
func scalar(s string) string {
	if plain.MatchString(s) && !special.MatchString(s) {
		return s
	}
	return quoted(s)
}

// within writes a text as YAML inside { } or [ ].
func within(s string) string {
	if plainWithin.MatchString(s) && !special.MatchString(s) {
		return s
	}
	return quoted(s)
}

func quoted(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) || r == '\ufffd' {
			return strconv.QuoteToASCII(s)
		}
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
