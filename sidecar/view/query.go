package view

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/sidecar/dashboards"
)

// query is what the address of a page says besides its place.
type query struct {
	From, To string   // as written: now-24h, or a moment
	Is, Not  []string // field=value; several values of a field are alternatives
	At       []string // keys of a bucket, from the outermost
}

// maxConditions bounds what an address may ask for.
const maxConditions = 50

// read returns what the address says, and what it means.
func read(values url.Values, d dashboards.Dashboard, now time.Time) (q query, r dashboards.Request, err error) {
	q = query{From: values.Get("from"), To: values.Get("to"), Is: values["is"], Not: values["not"], At: values["at"]}
	if q.From == "" {
		q.From = "now-24h"
		if d.From != "" {
			q.From = d.From
		}
	}
	if q.To == "" {
		q.To = "now"
	}
	if r.From, err = moment(q.From, now); err != nil {
		return q, r, err
	}
	if r.To, err = moment(q.To, now); err != nil {
		return q, r, err
	}
	if !r.From.Before(r.To) {
		return q, r, fmt.Errorf("from %s to %s is no range of time", q.From, q.To)
	}
	if len(q.Is)+len(q.Not)+len(q.At) > maxConditions {
		return q, r, fmt.Errorf("more than %d conditions", maxConditions)
	}
	alternatives := map[string][]string{}
	var fields []string
	for _, c := range q.Is {
		field, value, _ := strings.Cut(c, "=")
		if !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
		alternatives[field] = append(alternatives[field], value)
	}
	for _, f := range fields {
		r.Where = append(r.Where, map[string]any{"terms": map[string]any{f: alternatives[f]}})
	}
	for _, c := range q.Not {
		field, value, _ := strings.Cut(c, "=")
		r.Where = append(r.Where, map[string]any{"bool": map[string]any{"must_not": map[string]any{"term": map[string]any{field: value}}}})
	}
	return q, r, nil
}

// address is the query as a part of an address, without the keys of a bucket.
func (q query) address() url.Values {
	return url.Values{"from": {q.From}, "to": {q.To}, "is": q.Is, "not": q.Not}
}

// Without is the address without a condition.
func (q query) Without(list, condition string) string {
	v := q.address()
	v[list] = slices.DeleteFunc(slices.Clone(v[list]), func(c string) bool { return c == condition })
	return "?" + v.Encode()
}

// Over is the address with another range of time.
func (q query) Over(from string) string {
	v := q.address()
	v["from"], v["to"] = []string{from}, []string{"now"}
	return "?" + v.Encode()
}

// With is the address with one more condition.
func (q query) With(list, condition string) string {
	v := q.address()
	v[list] = append(slices.Clone(v[list]), condition)
	return "?" + v.Encode()
}

// Here is the address.
func (q query) Here() string { return "?" + q.address().Encode() }

// Ranges are those that a click chooses.
func (query) Ranges() []string {
	return []string{"15m", "1h", "4h", "24h", "7d", "30d", "90d", "1y"}
}

var relative = regexp.MustCompile(`^now(?:-(\d{1,6})([smhdwMy]))?$`)

// moment reads now, now-15m (s, m, h, d, w, M, y), a date, or a date and a time
// in UTC unless it says where.
func moment(text string, now time.Time) (time.Time, error) {
	if m := relative.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi("0" + m[1]) // digits
		switch m[2] {
		case "M":
			return now.AddDate(0, -n, 0), nil
		case "y":
			return now.AddDate(-n, 0, 0), nil
		}
		unit := map[string]time.Duration{"": 0, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
		return now.Add(-time.Duration(n) * unit), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no moment; write now-24h, 2026-01-31 or 2026-01-31T08:00", text)
}
