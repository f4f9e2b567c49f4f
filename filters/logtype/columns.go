package logtype

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Columns describe a line of columns: a separator, perhaps quotes, and names.
type Columns struct {
	// Header says that a line of the object names the columns: the first, or those
	// that begin with HeaderPrefix.
	Header bool `yaml:"header"`
	// HeaderPrefix is how the lines begin that name the columns, wherever in the
	// object they stand: "#Fields:" in the W3C's extended log format. Hyphens and
	// parentheses in the names become underscores: cs(User-Agent) is cs_User_Agent.
	HeaderPrefix string `yaml:"header_prefix"`
	// Separator is one character; "whitespace" is any run of blanks and tabs.
	Separator string `yaml:"separator"`
	// Quote, if given, encloses columns that contain the separator.
	Quote string `yaml:"quote"`
	// Brackets says that a column may be enclosed in [ and ] too.
	Brackets bool `yaml:"brackets"`
	// Names are the columns' names, without a header. An empty name is a column
	// that is not kept.
	Names []string `yaml:"names"`
	// Default are the names of the columns, as a header would have them, where an
	// object lacks the header that its type has otherwise: within envelopes, and
	// where the first line has a number among its columns; with HeaderPrefix also for
	// lines that have another number of columns than the header. Of several lists
	// the one with as many names as the line has columns counts.
	Default Defaults `yaml:"default"`
	// Required is how many columns a line must have to be a record. Columns
	// beyond are absent where a line is shorter. Default 2.
	Required int `yaml:"required"`
	// Merge puts neighbouring columns together, such as a date and a time.
	Merge []Merge `yaml:"merge"`
	// Parts split a column further.
	Parts []Part `yaml:"parts"`
}

// Merge makes one field of neighbouring columns, with a blank between; the
// columns themselves are not kept.
type Merge struct {
	Columns []string `yaml:"columns"`
	Into    string   `yaml:"into"`
}

// Part splits one column into several fields.
type Part struct {
	Column string   `yaml:"column"`
	As     string   `yaml:"as"`   // the splitter: see filters/ecs
	Into   []string `yaml:"into"` // the fields, in the splitter's order
}

// Access describes a line of the common log format, which NCSA's httpd began
// and Apache, NGINX and others write:
//
//	[virtual host] address identity user [time] "request" status bytes
//
// or the combined one, with "referrer" "user agent" behind, and numbers of bytes
// or texts after these. The fields are xff, vhost, remotehost, ident, authuser,
// datetime, request_method, request_path, request_version, request_raw (a request
// that is none), response_status, response_body_bytes, referer, useragent,
// request_bytes, response_bytes; and of ssl_request_log ssl_protocol and ssl_cipher.
type Access struct {
	// Forwarded is where the addresses of X-Forwarded-For stand, if at all:
	// first, before the address, or last, quoted, behind the user agent.
	Forwarded string `yaml:"forwarded"`
	// Tail names the fields behind the user agent, of servers that write more:
	// numbers and words between blanks, texts in quotes or brackets.
	Tail []string `yaml:"tail"`
}

// Defaults are lists of names of columns, each of another length.
type Defaults [][]string

// UnmarshalYAML accepts one list or a list of lists.
func (d *Defaults) UnmarshalYAML(b []byte) error {
	var one []string
	if err := yaml.Unmarshal(b, &one); err == nil {
		*d = Defaults{one}
		return nil
	}
	var many [][]string
	if err := yaml.Unmarshal(b, &many); err != nil {
		return fmt.Errorf("want a list of names, or several: %w", err)
	}
	*d = many
	return nil
}

// check completes the columns; key is where they stand in the file.
func (c *Columns) check(key string, bad *settings.Problems) {
	if c.Separator == "" {
		c.Separator = "whitespace"
	}
	if c.Separator != "whitespace" && len(c.Separator) != 1 {
		bad.Add(key+".separator", "%q is not one character; write one, or whitespace", c.Separator)
	}
	if len(c.Quote) > 1 {
		bad.Add(key+".quote", "%q is not one character", c.Quote)
	}
	if c.Required == 0 {
		c.Required = 2
	}
	if !c.Header && (len(c.Default) > 0 || c.HeaderPrefix != "") {
		bad.Add(key+".default", "and header_prefix are for types with a header; without one write names")
	}
	for i, names := range c.Default {
		if slices.ContainsFunc(c.Default[:i], func(other []string) bool { return len(other) == len(names) }) {
			bad.Add(key+".default", "has two lists of %d names; only the number of columns tells them apart", len(names))
		}
	}
	if !c.Header && len(c.Names) == 0 {
		bad.Add(key+".names", "is empty; name the columns, or say header: true")
	}
	for _, m := range c.Merge {
		at := -1
		if len(m.Columns) > 0 {
			at = slices.Index(c.Names, m.Columns[0])
		}
		if c.Header && m.Into != "" && len(m.Columns) > 0 {
			continue // the header has them, or not
		}
		if m.Into == "" || at < 0 || len(c.Names) < at+len(m.Columns) || !slices.Equal(c.Names[at:at+len(m.Columns)], m.Columns) {
			bad.Add(key+".merge", "%v are not neighbours among the names, or have no field to go into", m.Columns)
		}
	}
	for _, p := range c.Parts {
		if !c.Header && !slices.Contains(c.Names, p.Column) {
			bad.Add(key+".parts", "%q is not among the names", p.Column)
		}
	}
}
