// Package parse reads the formats in which indicators of compromise are
// published and makes rows of them:
//
//	feed ──▶ parse ──▶ row ──▶ table
//
// [Formats] lists them. A format is a function that reads a stream; it fetches
// nothing and keeps nothing.
//
// # Promises
//
//   - Nothing that a feed holds stops the reading of the rest of it, unless the
//     whole is of another format (a page of HTML, half a JSON text): then there
//     is an error, and the caller keeps what it had.
//   - What is left out is told, with its place and the reason.
//   - Times come out as RFC 3339 in UTC, whatever they were; a time that cannot
//     be read is absent.
//   - Memory is that of one entry of the feed, not of the feed; for a bundle of
//     STIX and an event of MISP, of the whole.
package parse

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// Origin is what is known of rows beside what their text says.
type Origin struct {
	Provider  string    // used where the format names none
	Name      string    // of rows that have none
	Reference string    // of rows that have none
	Modified  time.Time // of the feed; the zero time is unknown
}

// modified is the time as rows have it.
func (o Origin) modified() string {
	if o.Modified.IsZero() {
		return ""
	}
	return o.Modified.UTC().Format(time.RFC3339)
}

// Sink takes rows.
type Sink struct {
	// Add takes a row; an error leaves it out, an [*indicator.BuildError] ends
	// the reading.
	Add func(*indicator.Row) error
	// Left is told what was left out, as an [*indicator.RowError].
	Left func(error)
}

// add gives a row to the sink. The error, if any, ends the reading.
func (s Sink) add(line int, r *indicator.Row) error {
	err := s.Add(r)
	var fatal *indicator.BuildError
	if errors.As(err, &fatal) {
		return err
	}
	if err != nil {
		s.left(line, err)
	}
	return nil
}

func (s Sink) left(line int, err error) { s.Left(&indicator.RowError{Line: line, Err: err}) }

// Format reads one format. The error is the reader's, says that the text is of
// another format, or is an [*indicator.BuildError].
type Format func(r io.Reader, o Origin, s Sink) error

// Formats are all formats by the names they have in configurations.
var Formats = map[string]Format{
	"ndjson":         ndjson,
	"text":           text,
	"tor":            tor,
	"feodo-json":     feodoJSON,
	"feodo-csv":      feodoCSV,
	"urlhaus-json":   urlhausJSON,
	"urlhaus-csv":    urlhausCSV,
	"threatfox-json": threatfoxJSON,
	"threatfox-csv":  threatfoxCSV,
	"otx":            otx,
	"stix":           stix,
	"misp":           misp,
}

// Names lists the formats, sorted.
func Names() []string { return slices.Sorted(maps.Keys(Formats)) }

func ndjson(r io.Reader, o Origin, s Sink) error {
	return indicator.ReadNDJSON(r, func(row *indicator.Row) error {
		row.Provider = first(row.Provider, o.Provider)
		row.Modified = first(row.Modified, o.modified())
		return s.Add(row)
	}, s.Left)
}

// first returns the first of texts that is not "".
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// layouts are how feeds write times, all in UTC where they do not say.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05 MST", "2006-01-02"}

// when is a time as rows have it, "" for one that cannot be read.
func when(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Format(time.RFC3339)
		}
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds > 1e8 && seconds < 1e11 {
		return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
	}
	return ""
}

// Widest are the shortest prefixes that a feed may name: one that names more
// of the internet than this is mistaken, and would mark every event.
const (
	widest4 = 8
	widest6 = 19
)

// classify says what a value is: its type, and the value without what people
// put around it (a port, [.] and hxxp that keep it from being clicked). typ is
// "" for what is none.
func classify(value string) (typ, clean string, err error) {
	value = strings.TrimSpace(value)
	value = strings.NewReplacer("[.]", ".", "(.)", ".", "[:]", ":", "[://]", "://").Replace(value)
	if rest, ok := cutFold(value, "hxxp"); ok {
		value = "http" + rest
	}
	if a, err := netip.ParseAddr(strings.Trim(value, "[]")); err == nil {
		return typeOf(a), a.WithZone("").String(), nil
	}
	if p, err := netip.ParsePrefix(value); err == nil {
		if p.Addr().Is4() && p.Bits() < widest4 || p.Addr().Is6() && p.Bits() < widest6 {
			return "", "", fmt.Errorf("%s is too wide for an indicator", value)
		}
		return typeOf(p.Addr()), p.Masked().String(), nil
	}
	if ap, err := netip.ParseAddrPort(value); err == nil {
		return typeOf(ap.Addr()), ap.Addr().WithZone("").String(), nil
	}
	if strings.Contains(value, "://") {
		return indicator.URL, value, nil
	}
	if isHash(value) {
		return indicator.File, value, nil
	}
	value = strings.TrimPrefix(strings.TrimPrefix(value, "*."), ".")
	if isDomain(value) {
		return indicator.Domain, value, nil
	}
	if len(value) > 60 {
		value = value[:60] + "…"
	}
	return "", "", fmt.Errorf("%q is no address, network, domain, URL or hash", value)
}

func typeOf(a netip.Addr) string {
	if a.Unmap().Is4() {
		return indicator.IPv4
	}
	return indicator.IPv6
}

func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func isHash(s string) bool {
	switch len(s) {
	case 32, 40, 64, 128:
		return strings.Trim(s, "0123456789abcdefABCDEF") == ""
	}
	return false
}

// isDomain says whether s looks like a domain name of at least two labels, the
// last of which is no number.
func isDomain(s string) bool {
	s = strings.TrimSuffix(s, ".")
	dot := strings.LastIndexByte(s, '.')
	if dot <= 0 || dot == len(s)-1 || len(s) > 253 || strings.Trim(s[dot+1:], "0123456789") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range label {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c >= 0x80) {
				return false
			}
		}
	}
	return true
}

// fill completes a row with what its value is and where it came from.
func (o Origin) fill(value string, r *indicator.Row) (*indicator.Row, error) {
	typ, clean, err := classify(value)
	if err != nil {
		return nil, err
	}
	r.Type, r.Value = typ, clean
	r.Provider = first(r.Provider, o.Provider)
	r.Name = first(r.Name, o.Name)
	r.Reference = first(r.Reference, o.Reference)
	r.Modified = first(r.Modified, o.modified())
	return r, nil
}

// other is the error for a text of another format.
func other(want string, err error) error {
	return fmt.Errorf("it is not %s: %w", want, err)
}

// table reads CSV with comments. columns are the names in the order that the
// feed has them, used unless a header, commented out or not, says otherwise.
func table(r io.Reader, columns []string, each func(line int, field func(name string) string) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if head, _ := in.Peek(512); looksLikeHTML(head) {
		return errors.New("it is a page of HTML")
	}
	c := csv.NewReader(in)
	c.Comment, c.FieldsPerRecord, c.LazyQuotes, c.TrimLeadingSpace, c.ReuseRecord = '#', -1, true, true, true
	at := map[string]int{}
	for i, name := range columns {
		at[name] = i
	}
	rows := 0
	for {
		record, err := c.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := c.FieldPos(0)
		if rows++; rows == 1 && slices.Contains(columns, strings.TrimSpace(record[0])) { // a header
			for i, name := range record {
				at[strings.TrimSpace(name)] = i
			}
			continue
		}
		if len(record) < 2 {
			return fmt.Errorf("line %d has no columns", line)
		}
		if err := each(line, func(name string) string {
			if i, ok := at[name]; ok && i < len(record) {
				return strings.TrimSpace(record[i])
			}
			return ""
		}); err != nil {
			return err
		}
	}
}

func looksLikeHTML(head []byte) bool {
	s := strings.ToLower(strings.TrimSpace(string(head)))
	return strings.HasPrefix(s, "<!doctype") || strings.HasPrefix(s, "<html") || strings.HasPrefix(s, "<?xml") || strings.HasPrefix(s, "<head")
}

// list streams the items of a JSON array, or of the arrays and objects that are
// the values of a JSON object: {"7": [item, item], "8": [item]}.
func list[T any](r io.Reader, each func(n int, item *T) error) error {
	d := json.NewDecoder(r)
	start, err := d.Token()
	if err != nil {
		return err
	}
	n := 0
	item := func() error {
		n++
		v := new(T)
		if err := d.Decode(v); err != nil {
			return err
		}
		return each(n, v)
	}
	items := func() error {
		for d.More() {
			if err := item(); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	switch start {
	case json.Delim('['):
		return errors.Join(items(), atEnd(d))
	case json.Delim('{'):
	default:
		return fmt.Errorf("it begins with %v", start)
	}
	for d.More() {
		if _, err := d.Token(); err != nil {
			return err
		}
		if token, err := d.Token(); err != nil {
			return err
		} else if token != json.Delim('[') {
			return fmt.Errorf("a list is expected, not %v", token)
		}
		if err := items(); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	return atEnd(d)
}

func atEnd(d *json.Decoder) error {
	if _, err := d.Token(); err != io.EOF {
		return errors.Join(errors.New("something follows the end of the JSON text"), err)
	}
	return nil
}

// Guess returns the format of a file by the ending of its name and by its
// beginning, which it does not take; text where neither says more.
func Guess(name string, r *bufio.Reader) string {
	head, _ := r.Peek(4096) // what is there
	begin := strings.TrimSpace(string(head))
	switch {
	case strings.HasSuffix(name, ".ndjson"), strings.HasSuffix(name, ".jsonl"):
		return "ndjson"
	case strings.HasPrefix(begin, "ExitNode "):
		return "tor"
	}
	for _, sign := range []struct{ text, format string }{
		{`"bundle"`, "stix"}, {`bundle--`, "stix"}, {`"Event"`, "misp"}, {`"ioc_value"`, "threatfox-json"}, {`"urlhaus_link"`, "urlhaus-json"},
		{`"ip_address"`, "feodo-json"}, {`"indicators"`, "otx"}, {`"type"`, "ndjson"},
	} {
		if (strings.HasPrefix(begin, "{") || strings.HasPrefix(begin, "[")) && strings.Contains(begin, sign.text) {
			return sign.format
		}
	}
	for _, sign := range []struct{ text, format string }{{"c2_status", "feodo-csv"}, {"urlhaus_link", "urlhaus-csv"}, {"ioc_value", "threatfox-csv"}} {
		if strings.Contains(begin, sign.text) {
			return sign.format
		}
	}
	return "text"
}
