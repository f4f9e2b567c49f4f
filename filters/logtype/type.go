// Package logtype says what a log type is: whose keys an object may have, how
// its bytes become records, where the time stands, which ECS field comes from
// where, and which index and id a document gets. A log type is a YAML file; the
// shipped ones are in conf/logtypes, compiled in.
//
// # Promises
//
//   - A file is checked as a whole before it counts: unknown keys, patterns that
//     do not compile, fields without a place are errors that point at the line.
//   - A directory of the operator adds types and replaces shipped ones of the
//     same name; a change is loaded while running, and an invalid one is refused
//     and the last good set stays.
//   - The most specific match wins, and [Registry.Match] says why.
//
// The package knows nothing of how a record is converted; filters/ecs compiles
// a [Type] and checks the parts that only it understands ([Registry.AddCheck]).
package logtype

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/conf"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Type is one log type, as its YAML file says.
type Type struct {
	// Name is the log type's name: tag suffix, @log_type, file name.
	Name string `yaml:"name"`
	// About is one sentence for people.
	About string `yaml:"about"`
	// Versions are those of the format that are read, for people; empty: it has none.
	Versions string `yaml:"versions"`
	// Extends names a shipped type whose keys hold where this file has none. In
	// ecs, static and rename this file's fields are added to those of the shipped
	// type; an empty value ([] or "") takes one away.
	Extends string `yaml:"extends"`
	// Key is a regular expression (RE2) searched in the decoded object key.
	Key string `yaml:"key"`
	// IgnoreKey is one for keys that look like the type's but are not wanted.
	IgnoreKey string `yaml:"ignore_key"`
	// IgnoreReason says why: in the log, once for each such object, and by
	// fluent-siem explain.
	IgnoreReason string `yaml:"ignore_reason"`
	// Bucket, if given, must match the bucket's name too.
	Bucket string `yaml:"bucket"`
	// Format is how a record is written.
	Format Format `yaml:"format"`
	// Records is the key of the array that holds the records (json).
	Records string `yaml:"records"`
	// Columns describe a line of columns.
	Columns Columns `yaml:"columns"`
	// Access says what stands around the fields of an access log (access).
	Access Access `yaml:"access"`
	// Pattern is a regular expression (RE2) that matches a record from its start;
	// its named groups are the fields (pattern). A field whose name ends in _ is
	// there for the mapping, and not kept itself.
	Pattern string `yaml:"pattern"`
	// KV, LEEF and Syslog say how lines are written that name their fields
	// themselves (kv, leef, syslog).
	KV     KV         `yaml:"kv"`
	LEEF   LEEFLine   `yaml:"leef"`
	Syslog SyslogLine `yaml:"syslog"`
	// Wrapped names the field that holds the line where an agent, such as
	// Fluentd, wrote each line as a JSON object (cef, leef, kv, syslog). Its other
	// fields stand beside those of the line.
	Wrapped string `yaml:"wrapped"`
	// Otherwise are the other ways in which the type's records are written, tried
	// in turn where a record is not written as Format says.
	Otherwise []Form `yaml:"otherwise"`
	// FirstLine is a regular expression for the first line of a record that has
	// several. Lines before the first such line are not records.
	FirstLine string `yaml:"first_line"`
	// Trim says that blanks at the ends of a message in an envelope do not belong
	// to it, though records may have several lines.
	Trim bool `yaml:"trim"`
	// HeaderLines is how many lines at the top of an object are no records.
	HeaderLines int `yaml:"header_lines"`
	// Element is the name of the XML elements that are records, on one line or
	// many. Empty: records are lines.
	Element string `yaml:"element"`
	// Envelopes says what becomes of records in an envelope (CloudWatch Logs,
	// EventBridge, SNS, FireLens): unwrap (default), or keep where the records of
	// the type look like one.
	Envelopes string `yaml:"envelopes"`
	// ContainerStderr loads what containers wrote to standard error too
	// (FireLens); else it is skipped and counted.
	ContainerStderr bool `yaml:"container_stderr"`
	// Rename gives root fields of a record (or columns, or groups) other names,
	// new: old, before anything else.
	Rename map[string]string `yaml:"rename"`
	// Raw says what becomes of the record's own fields: keep (default), or drop
	// when all that matters is mapped.
	Raw string `yaml:"raw"`
	// Prefix is an object that the record's own fields are moved under.
	Prefix string `yaml:"prefix"`
	// ControlLines is a regular expression for lines that are no records, such
	// as what a service writes when logging is switched on. They are excluded.
	ControlLines string `yaml:"control_lines"`
	// Time is where the event's time stands; the first that parses wins. Without
	// any, or if none parses, the time in the object's key, then S3's event time.
	Time []Time `yaml:"time"`
	// ID says how documents are identified.
	ID ID `yaml:"id"`
	// Index says where documents go.
	Index Index `yaml:"index"`
	// ECS maps an ECS field to the record's fields it may come from.
	ECS map[string]Candidates `yaml:"ecs"`
	// Provider is cloud.provider; default aws, "none" for logs from elsewhere.
	Provider string `yaml:"provider"`
	// Static are ECS fields with a fixed value: a text or a list of texts.
	Static map[string]any `yaml:"static"`
	// Expressions compute ECS fields from the record and from those that are set.
	Expressions Expressions `yaml:"expressions"`
	// Steps are Go functions of filters/ecs, run after the mapping.
	Steps []string `yaml:"steps"`
	// Text are paths whose value is stored as text (JSON text when it is an
	// object or a list), so that one mapping fits all records.
	Text []string `yaml:"text"`
	// Geo are the ECS objects whose .ip is looked up: source, destination, client.
	Geo []string `yaml:"geo"`
	// IOC are the ECS fields compared with indicators of compromise.
	IOC IOC `yaml:"ioc"`
	// ClientIP names the field with the client's address and the list of those
	// that proxies forwarded; where the first is a trusted proxy, the last
	// address in the list that is none takes its place.
	ClientIP ClientIP `yaml:"client_ip"`
	// UserAgent names the ECS object whose .original is parsed.
	UserAgent string `yaml:"user_agent"`
	// OwnLogs says that records of this loader's own activity are excluded, by
	// the built-in rules of that name. Empty: none.
	OwnLogs string `yaml:"own_logs"`

	key, ignoreKey, bucket *regexp.Regexp
	firstLine              *regexp.Regexp
	own                    bool // from the operator's directory
	prefix                 int  // length of the literal text in key: how specific it is
}

// Format is how a record is written.
type Format string

// The formats.
const (
	JSON    Format = "json"    // one JSON object
	ColumnF Format = "columns" // a line of columns
	Pattern Format = "pattern" // text that a regular expression takes apart
	AccessF Format = "access"  // a line of the common or combined log format of web servers
	XML     Format = "xml"     // one XML element
	WinEvt  Format = "winevt"  // one Event element of a Windows event log
)

// Time is one place where the event's time may stand: a field of the record,
// @envelope (what the record was wrapped in) or @key (the object's key).
type Time struct {
	Field  string `yaml:"field"`
	Layout string `yaml:"layout"` // iso8601, epoch, syslog, or a layout of Go's package time
	// Pattern is a regular expression for the object's key (@key), whose groups
	// year, month, day, hour, minute, second and microsecond are the time; those it
	// lacks are the beginning of 2000. Without it, the time is where AWS services
	// write it, such as 20240115T0905Z.
	Pattern string `yaml:"pattern"`
	Zone    string `yaml:"zone"` // ±HH:MM for texts without one; default +00:00
	Keep    string `yaml:"keep"` // a root field that keeps the envelope's time, where there is one
}

// KeyTimeGroups are the groups that the pattern of a time in the key may have.
var KeyTimeGroups = []string{"year", "month", "day", "hour", "minute", "second", "microsecond"}

// ID says how documents are identified.
type ID struct {
	// Field is the record's own id. A record without it gets the positional id.
	Field string `yaml:"field"`
	// Suffix is a field whose value is appended to the id, after an underscore:
	// each version of a finding is a document of its own.
	Suffix string `yaml:"suffix"`
	// Replace says that a document with the same id is a newer version and
	// replaces the older one (findings), instead of being a duplicate.
	Replace bool `yaml:"replace"`
}

// ClientIP names the fields of a client behind proxies.
type ClientIP struct {
	IP        string `yaml:"ip"`
	Forwarded string `yaml:"forwarded"`
}

// IOC are the ECS fields compared with indicators: addresses, names, URLs, and
// hashes of files.
type IOC struct {
	IP     []string `yaml:"ip"`
	Domain []string `yaml:"domain"`
	URL    []string `yaml:"url"`
	Hash   []string `yaml:"hash"`
}

// Candidates are the record's fields that an ECS field may come from, in order:
// the first that the record has, or, for a field that is a list, all of them. A
// candidate of a list may itself be several with [Or] between: the first of them
// that the record has. @log_group, @log_stream, @log_s3bucket, @log_s3key and
// @message are what stands around the record, and so are the fields of a container
// (FireLens).
type Candidates []string

// Or stands between candidates of which one is wanted.
const Or = " | "

// UnmarshalYAML accepts one field or a list.
func (c *Candidates) UnmarshalYAML(b []byte) error {
	var one string
	if err := yaml.Unmarshal(b, &one); err == nil {
		*c = Candidates{one}
		return nil
	}
	var many []string
	if err := yaml.Unmarshal(b, &many); err != nil {
		return fmt.Errorf("want a field or a list of fields: %w", err)
	}
	*c = many
	return nil
}

// Parse reads one file; name is what errors call it. What only filters/ecs
// understands is not checked.
func Parse(name string, text []byte) (*Type, error) {
	t, err := decode(name, text, mostExtended)
	if err != nil {
		return nil, err
	}
	if err := t.prepare(); err != nil {
		return nil, fmt.Errorf("%s:\n%w", name, err)
	}
	return t, nil
}

// mostExtended is how many types may extend each other: a file of the operator
// extends a shipped one, which may extend another.
const mostExtended = 3

// decode reads a file over what the type that it extends says.
func decode(name string, text []byte, most int) (*Type, error) {
	own := new(Type)
	if err := yaml.UnmarshalWithOptions(text, own, yaml.DisallowUnknownField()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if own.Extends == "" {
		return own, nil
	}
	from, err := fs.ReadFile(conf.LogTypes, "logtypes/"+own.Extends+".yaml")
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: extends %q, which is no shipped log type", name, own.Extends)
	case most == 0:
		return nil, fmt.Errorf("%s: more than %d types extend each other", name, mostExtended)
	}
	t, err := decode(own.Extends+".yaml", from, most-1)
	if err != nil {
		return nil, err
	}
	ecs, static, rename := t.ECS, t.Static, t.Rename
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField()).Decode(t); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t.ECS = extend(ecs, own.ECS, func(c Candidates) bool { return len(c) == 0 })
	t.Static = extend(static, own.Static, func(v any) bool {
		list, isList := v.([]any)
		return v == nil || v == "" || isList && len(list) == 0
	})
	t.Rename = extend(rename, own.Rename, func(old string) bool { return old == "" })
	return t, nil
}

// extend adds the entries of own to base, and takes away those that are empty.
func extend[V any](base, own map[string]V, empty func(V) bool) map[string]V {
	sum := map[string]V{}
	maps.Copy(sum, base)
	maps.Copy(sum, own)
	maps.DeleteFunc(sum, func(_ string, v V) bool { return empty(v) })
	return sum
}

var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// prepare compiles the patterns and reports every problem at once.
func (t *Type) prepare() error {
	var bad settings.Problems
	if !nameRE.MatchString(t.Name) {
		bad.Add("name", "%q is no name for a log type: small letters, digits and hyphens", t.Name)
	}
	pattern := func(key, text string) *regexp.Regexp {
		if text == "" {
			return nil
		}
		re, err := regexp.Compile(text)
		if err != nil {
			bad.Add(key, "%v", err)
		}
		return re
	}
	t.key, t.ignoreKey, t.bucket = pattern("key", t.Key), pattern("ignore_key", t.IgnoreKey), pattern("bucket", t.Bucket)
	pattern("control_lines", t.ControlLines)
	t.prefix = literals(t.Key)
	if t.IgnoreReason != "" && t.IgnoreKey == "" {
		bad.Add("ignore_reason", "is the reason for an ignore_key, and there is none")
	}
	switch t.Format {
	case JSON, XML, WinEvt, CEF, LEEF, Pairs, Sys:
	case AccessF:
		if f := t.Access.Forwarded; f != "" && f != "first" && f != "last" {
			bad.Add("access.forwarded", "%q; use first or last, or leave it out", f)
		}
	case ColumnF:
		t.Columns.check("columns", &bad)
	case Pattern:
		if re := pattern("pattern", "^(?:"+t.Pattern+")"); re != nil && len(re.SubexpNames()) < 2 {
			bad.Add("pattern", "has no named groups: (?P<name>…) makes a field")
		}
	default:
		bad.Add("format", "%q is no format; use json, columns, access, pattern, cef, leef, kv, syslog, xml or winevt", t.Format)
	}
	t.checkForms(&bad)
	t.firstLine = pattern("first_line", t.FirstLine)
	t.checkFraming(&bad)
	t.checkLines(&bad)
	switch t.Raw {
	case "":
		t.Raw = "keep"
	case "keep", "drop":
	default:
		bad.Add("raw", "%q; use keep or drop", t.Raw)
	}
	switch t.Provider {
	case "":
		t.Provider = "aws"
	case "none":
		t.Provider = ""
	}
	t.checkIndex(&bad)
	for i, at := range t.Time {
		key := fmt.Sprintf("time[%d]", i)
		if at.Field == "" || at.Layout == "" && at.Pattern == "" {
			bad.Add(key, "needs a field and a layout (iso8601, epoch, or a Go layout)")
		}
		if re := pattern(key+".pattern", at.Pattern); re != nil {
			switch i := slices.IndexFunc(re.SubexpNames()[1:], func(name string) bool { return !slices.Contains(KeyTimeGroups, name) }); {
			case at.Field != "@key":
				bad.Add(key+".pattern", "is for @key; a layout says how the time stands in a field")
			case i >= 0 || re.NumSubexp() == 0:
				bad.Add(key+".pattern", "wants groups named %s, and no others", strings.Join(KeyTimeGroups, ", "))
			}
		}
		if _, err := ParseZone(at.Zone); err != nil {
			bad.Add(key+".zone", "%v", err)
		}
	}
	return bad.Err()
}

// ParseZone reads a zone written as ±HH:MM; "" is UTC.
func ParseZone(s string) (*time.Location, error) {
	if s == "" || s == "Z" {
		return time.UTC, nil
	}
	t, err := time.Parse("-07:00", s)
	if err != nil {
		return nil, fmt.Errorf("%q is no zone; write it like +09:00 or -03:30", s)
	}
	_, offset := t.Zone()
	if offset == 0 {
		return time.UTC, nil
	}
	return time.FixedZone(s, offset), nil
}

// literals counts the characters that a match of the pattern must contain: the
// measure of how specific it is. Of alternatives the least counts.
func literals(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	return countLiterals(re.Simplify())
}

func countLiterals(re *syntax.Regexp) int {
	sum := 0
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return countLiterals(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min * countLiterals(re.Sub[0])
	case syntax.OpConcat:
		for _, s := range re.Sub {
			sum += countLiterals(s)
		}
	case syntax.OpAlternate:
		sum = countLiterals(re.Sub[0])
		for _, s := range re.Sub[1:] {
			sum = min(sum, countLiterals(s))
		}
	}
	return sum
}
