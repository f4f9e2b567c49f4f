package logtype

import (
	"slices"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// The formats of lines that name their fields themselves; package lines tells
// the fields. A syslog message may be written in another of them, or in JSON.
const (
	CEF   Format = "cef"    // Common Event Format, a syslog head before it or not
	LEEF  Format = "leef"   // Log Event Extended Format
	Pairs Format = "kv"     // key=value
	Sys   Format = "syslog" // RFC 5424 or RFC 3164, as each line has it
)

// KV says how key=value is written.
type KV struct {
	// Separator stands between the pairs. Default: blanks and tabs.
	Separator string `yaml:"separator"`
	// Assign stands between key and value. Default: =
	Assign string `yaml:"assign"`
	// Quotes are the characters that may enclose a value. Default: "
	Quotes string `yaml:"quotes"`
}

// LEEFLine says what a product's LEEF does not say itself.
type LEEFLine struct {
	// Separator stands between the pairs, where the header does not name it.
	// Default: the tab.
	Separator string `yaml:"separator"`
}

// SyslogLine says what the messages of syslog are.
type SyslogLine struct {
	// Message is the format of the messages: cef, leef, kv or json, whose fields
	// then stand beside those of the head. A line without a head is taken for a
	// message. Empty: text, in the field message.
	Message Format `yaml:"message"`
}

// NamesFields reports whether the lines of a format name their fields.
func (f Format) NamesFields() bool { return slices.Contains([]Format{CEF, LEEF, Pairs, Sys}, f) }

// checkLines checks what only these formats have.
func (t *Type) checkLines(bad *settings.Problems) {
	if m := t.Syslog.Message; m != "" && !slices.Contains([]Format{CEF, LEEF, Pairs, JSON}, m) {
		bad.Add("syslog.message", "%q; use cef, leef, kv or json, or leave it out for text", m)
	}
	for _, f := range []struct {
		key   string
		set   bool
		valid bool
	}{
		{"kv", t.KV != KV{}, t.uses(Pairs)},
		{"leef", t.LEEF != LEEFLine{}, t.uses(LEEF)},
		{"syslog", t.Syslog != SyslogLine{}, t.uses(Sys)},
		{"wrapped", t.Wrapped != "", t.Format.NamesFields()},
	} {
		if f.set && !f.valid {
			bad.Add(f.key, "does not belong to format %s", t.Format)
		}
	}
	for key, s := range map[string]string{"kv.separator": t.KV.Separator, "kv.assign": t.KV.Assign, "leef.separator": t.LEEF.Separator} {
		if len(s) > 4 {
			bad.Add(key, "%q is longer than four bytes", s)
		}
	}
	if t.KV.Separator != "" && t.KV.Separator == t.KV.Assign {
		bad.Add("kv.assign", "is the separator, too")
	}
}

// uses reports whether lines, or the messages in them, are of a format.
func (t *Type) uses(f Format) bool {
	return t.Format == f || t.Format == Sys && t.Syslog.Message == f
}
