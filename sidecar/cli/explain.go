package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

type explainCommand struct {
	Bucket   string `placeholder:"BUCKET" help:"The bucket's name, for types that ask for it."`
	LogTypes string `name:"logtypes" placeholder:"DIR" help:"Folder with log types of your own."`
	Key      string `arg:"" help:"The object's key in S3, not URL-encoded."`
}

func (explainCommand) Help() string {
	return `Says which log type claims an object and why, which others were close, and what its records become.
The object itself is not read. Exit code 1 means that no log type claims it.

Examples:

  $ fluent-siem explain AWSLogs/123456789012/CloudTrail/us-east-1/2024/06/15/123456789012_CloudTrail_us-east-1_a.json.gz
  $ fluent-siem explain --bucket siem-logs AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/06/15/a.log.gz`
}

// Run prints one line a fact.
func (c explainCommand) Run(t Terminal) error {
	set, err := loadTypes(c.LogTypes)
	if err != nil {
		return usageError{err}
	}
	kind, why := set.Match(c.Bucket, c.Key)
	matches := set.Matches(c.Bucket, c.Key)
	rows := [][]string{{"key", c.Key}}
	if c.Bucket != "" {
		rows = append(rows, []string{"bucket", c.Bucket})
	}
	if kind != nil {
		rows = append(rows, []string{"log type", kind.Name + ": " + kind.About})
	} else {
		rows = append(rows, []string{"log type", "none"})
	}
	rows = append(rows, []string{"why", why})
	if decoded, err := url.QueryUnescape(c.Key); err == nil && decoded != c.Key && strings.Contains(c.Key, "%") {
		rows = append(rows, []string{"note", "the key looks URL-encoded, as notifications write it; decoded it is " + decoded})
	}
	ignored := set.Ignored(c.Bucket, c.Key)
	for _, m := range matches {
		if m != kind && m != ignored {
			rows = append(rows, []string{"also claimed", m.Name + ": its pattern " + m.Key + " matches too, but is less specific"})
		}
	}
	for _, n := range nearest(set.Types(), matches, c.Key) {
		rows = append(rows, []string{"close", n.String()})
	}
	if kind != nil {
		rows = append(rows, facts(kind)...)
	} else if ignored != nil {
		rows = append(rows, []string{"then", "nothing is read, on purpose: the object is counted as ignored, a log line says why, and its notification is deleted"})
	} else {
		rows = append(rows, []string{"then", "nothing is read: the object is counted as unclaimed, a log line names it, and its notification is deleted; write a log type for it into logtypes_dir and announce it again, or add the key to ignore_keys"})
	}
	s := styleFor(t.Out)
	err = writeRows(t.Out, rows, false, func(_, column int, cell string) string {
		if column == 0 {
			return s.bold(cell)
		}
		return cell
	})
	if err == nil && kind == nil {
		err = errQuiet
	}
	return err
}

// facts says what the records of a type become.
func facts(t *logtype.Type) [][]string {
	rows := [][]string{
		{"format", format(t)},
		{"tag", "<the input's tag>." + t.Name},
		{"index", indexName(t)},
		{"id", id(t)},
	}
	for i, at := range t.Time {
		label := "time"
		if i > 0 {
			label = "else"
		}
		zone := ""
		if at.Zone != "" {
			zone = ", zone " + at.Zone
		}
		rows = append(rows, []string{label, at.Field + " (" + at.Layout + zone + ")"})
	}
	last := "time"
	if len(t.Time) > 0 {
		last = "else"
	}
	rows = append(rows, []string{last, "the time in the key, else the time of the S3 event"})
	if len(t.Geo) > 0 {
		rows = append(rows, []string{"geoip", strings.Join(t.Geo, ", ")})
	}
	if indicators := append(slices.Clone(t.IOC.IP), t.IOC.Domain...); len(indicators) > 0 {
		rows = append(rows, []string{"indicators", strings.Join(indicators, ", ")})
	}
	if t.ControlLines != "" {
		rows = append(rows, []string{"excluded", "lines that match " + t.ControlLines})
	}
	if t.OwnLogs != "" {
		rows = append(rows, []string{"excluded", "records of this loader's own activity"})
	}
	then := "each record becomes one document, or a dead letter with its reason; the notification is deleted when every record has its verdict"
	return append(rows, []string{"then", then})
}

func format(t *logtype.Type) string {
	c := t.Columns
	separator := "separated by " + quote(c.Separator)
	if c.Separator == "whitespace" {
		separator = "separated by white space"
	}
	switch {
	case t.Element != "":
		return "XML, each element " + quote(t.Element) + " is a record"
	case t.Format == logtype.JSON && t.Records != "":
		return "JSON, the records in the list " + quote(t.Records)
	case t.Format == logtype.JSON:
		return "JSON, each value is a record"
	case c.HeaderPrefix != "":
		return "lines of columns " + separator + ", named by the lines that begin with " + quote(c.HeaderPrefix)
	case c.Header:
		return "lines of columns " + separator + ", named by the first line"
	case t.Format == logtype.Pattern && t.FirstLine != "":
		return "text, records begin with a line that matches " + t.FirstLine + headerLines(t)
	case t.Format == logtype.Pattern:
		return "text, each line is a record" + headerLines(t)
	case t.Format == logtype.AccessF:
		return "lines of the common or combined log format of web servers" + headerLines(t)
	case t.Format != logtype.ColumnF:
		return "lines of " + string(t.Format) + headerLines(t)
	default:
		return fmt.Sprintf("lines of %d columns %s, at least %d", len(c.Names), separator, c.Required) + headerLines(t)
	}
}

func headerLines(t *logtype.Type) string {
	if t.HeaderLines == 0 {
		return ""
	}
	return fmt.Sprintf(", the first %d lines are none", t.HeaderLines)
}

func indexName(t *logtype.Type) string {
	name := t.Index.Name
	if t.Index.Suffix != "" {
		name += "-" + t.Index.Suffix
	}
	when := " by the event's time"
	if t.Index.Time == "ingested" {
		when = " by the time of loading"
	}
	zone := ", UTC"
	if t.Index.Zone != "" {
		zone = ", zone " + t.Index.Zone
	}
	switch t.Index.Rotation {
	case logtype.Daily:
		return name + "-YYYY-MM-DD (a new one each day" + when + zone + ")"
	case logtype.Weekly:
		return name + "-YYYY-wWW (a new one each ISO week" + when + zone + ")"
	case logtype.Yearly:
		return name + "-YYYY (a new one each year" + when + zone + ")"
	case logtype.Auto:
		return name + " (an alias: the cluster rolls over)"
	default:
		return name + "-YYYY-MM (a new one each month" + when + zone + ")"
	}
}

func id(t *logtype.Type) string {
	place := "a hash of bucket, key, version and the record's number; a second load changes nothing"
	field := t.ID.Field
	if t.ID.Suffix != "" {
		field += " and " + t.ID.Suffix
	}
	switch {
	case t.ID.Field == "":
		return place
	case t.ID.Replace:
		return field + ", a newer version replaces the older; where it is missing, " + place
	default:
		return field + "; where it is missing, " + place
	}
}
