package infer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timeField is where the event's time stands.
type timeField struct {
	name   string
	layout string
	noZone bool
	merge  []string // the columns that name is made of
}

var (
	isoTime     = regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?$`)
	zoned       = regexp.MustCompile(`(?:Z|[+-]\d\d:?\d\d| [A-Z]{3,4})$`)
	syslogStamp = regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d$`)
	number      = regexp.MustCompile(`^\d{10}(?:\.\d+)?$|^\d{13}$|^\d{16}$|^\d{19}$`)
)

// layouts are those of Go's package time that are tried beyond the named ones.
var layouts = []string{
	"02/Jan/2006:15:04:05 -0700", "2006-01-02 15:04:05,000", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST",
	"2006/01/02 15:04:05", "2006.01.02 15:04:05", "20060102T150405Z", "20060102150405", "20060102 15:04:05", "060102 15:04:05", "Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05 MST 2006",
	"Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 02 Jan 2006 15:04:05 MST", "Jan _2 2006 15:04:05", "Jan 02, 2006 15:04:05", "02-Jan-2006 15:04:05", "01/02/2006 15:04:05", "02.01.2006 15:04:05",
}

// layoutOf finds the layout of a field's values.
func layoutOf(f *field) (layout string, noZone, ok bool) {
	noZone = !f.all(zoned.MatchString)
	switch {
	case f.all(isoTime.MatchString) && !f.all(func(v string) bool { return strings.Contains(v, ",") }):
		return "iso8601", noZone, true
	case f.all(syslogStamp.MatchString):
		return "syslog", true, true
	case f.all(isEpoch):
		return "epoch", false, true
	}
	for _, l := range layouts {
		if f.all(func(v string) bool { _, err := time.Parse(l, v); return err == nil }) {
			return l, noZone && !strings.HasSuffix(l, "Z"), true
		}
	}
	return "", false, false
}

// isEpoch: seconds, milli-, micro- or nanoseconds between 2000 and 2100.
func isEpoch(v string) bool {
	if !number.MatchString(v) {
		return false
	}
	whole, _, _ := strings.Cut(v, ".")
	n, err := strconv.ParseInt(whole[:10], 10, 64)
	return err == nil && n > 946684800 && n < 4102444800
}

func seemsTime(v string) bool {
	_, _, ok := layoutOf(&field{values: []string{v}})
	return ok
}

// timeNames are how the event's time is called, best first; names are compared
// without case and punctuation.
var timeNames = []string{"timestamp", "eventtime", "eventtimestamp", "time", "datetime", "date", "ts", "at", "published", "createdat", "created", "starttime", "start", "generatedtime", "rt", "devtime", "receivedtime", "end", "endtime", "systemtime", "syslogtimestamp"}

// findTime chooses the field with the event's time, nil when there is none.
func (s *shape) findTime() *timeField {
	var best *timeField
	bestRank := 1 << 30
	for i := range s.fields {
		f := &s.fields[i]
		layout, noZone, ok := layoutOf(f)
		if !ok {
			continue
		}
		last := f.name[strings.LastIndexByte(f.name, '.')+1:]
		rank := slices.Index(timeNames, squash(last))
		switch {
		case rank < 0 && layout == "epoch" && !strings.Contains(squash(last), "time"):
			continue // any number may look so
		case rank < 0:
			rank = 100
		}
		rank += 1000*strings.Count(f.name, ".") + i/20
		if rank < bestRank {
			best, bestRank = &timeField{name: f.name, layout: layout, noZone: noZone}, rank
		}
	}
	if best == nil && s.merge != nil {
		return s.findParts()
	}
	return best
}

// findParts finds a date and a time in neighbouring columns.
func (s *shape) findParts() *timeField {
	for i := range s.fields {
		if i == 0 || len(s.fields[i].values) == 0 {
			continue
		}
		a, b := &s.fields[i-1], &s.fields[i]
		both := field{}
		for k := range min(len(a.values), len(b.values)) {
			both.values = append(both.values, a.values[k]+" "+b.values[k])
		}
		if layout, noZone, ok := layoutOf(&both); ok {
			return &timeField{name: "timestamp", layout: layout, noZone: noZone, merge: []string{a.name, b.name}}
		}
	}
	return nil
}

// squash is a name without case and punctuation.
func squash(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		}
		return -1
	}, name)
}
